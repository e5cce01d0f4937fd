"""What Prometheus reads: the daemon's status as samples, beside what was timed where it happened."""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from itop_bridge.console.console import Status
from itop_bridge.metric.meter import Meter, Sample

KEEP_S = 5.0
"""How long an answer is given again, however often it is asked for."""

_URGENCIES = ("1", "2", "3", "4")
_INTAKE = {
    "received": "messages_received_total",
    "acknowledged": "messages_acknowledged_total",
    "not_guaranteed": "messages_not_guaranteed_total",
    "journaled": "events_journaled_total",
    "redelivered": "events_redelivered_total",
    "connections": "broker_connections_total",
    "connected": "broker_connected",
    "ready": "broker_subscribed",
}
_BACKLOG = {
    "waiting": "events_waiting",
    "pending": "intents_pending",
    "cases": "cases_due",
    "open": "cases_open",
    "parked": "cases_parked",
    "unverified": "attempts_unverified",
    "dead_letters": "dead_letters_open",
}


class Exposition:
    """The text of /metrics, at most once in KEEP_S."""

    def __init__(
        self,
        fetch_status: Callable[[], Awaitable[Status]],
        meter: Meter,
        journal: Path,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch_status = fetch_status
        self._meter = meter
        self._journal = journal
        self._clock = clock
        self._monotonic = monotonic
        self._text = b""
        self._until = float("-inf")
        self._asking = asyncio.Lock()

    async def fetch(self) -> bytes:
        """The text of now, or of some seconds ago."""
        async with self._asking:
            if self._monotonic() >= self._until:
                status = await self._fetch_status()
                self._text = self._meter.expose(
                    [*read_status(status, self._clock()), *_read_sizes(self._journal)],
                )
                self._until = self._monotonic() + KEEP_S
            return self._text


def read_status(status: Status, now: float) -> Iterator[Sample]:
    """The status as samples. Pure."""
    yield Sample("build_info", 1.0, {"version": status.version, "python": platform.python_version()})
    yield Sample("ready", status.ready)
    yield from (Sample("alarm_active", 1.0, {"alarm": name}) for name in status.alarms)
    yield from (Sample("delivery_paused", 1.0, {"route": name}) for name in status.pauses)
    yield from _read_broker(status.broker)
    yield from _read_triage(status.triage)
    yield Sample("itop_reachable", status.itop["reachable"])
    for reason, count in status.itop["not_sent"].items():
        yield Sample("itop_calls_not_sent_total", count, {"reason": reason})
    if reason := status.itop["reason"]:
        yield Sample("itop_trouble", 1.0, {"reason": reason})
    backlog = status.journal
    yield from (Sample(name, backlog[key]) for key, name in _BACKLOG.items())
    yield Sample("oldest_pending_age_seconds", max(0.0, now - (backlog["oldest"] or now)))
    yield from _read_late(backlog["late"], now)


def _read_late(late: Mapping[str, Mapping[str, float]], now: float) -> Iterator[Sample]:
    for urgency in _URGENCIES:
        known = late.get(urgency, {"cases": 0, "oldest": now})
        yield Sample("cases_without_incident", known["cases"], {"urgency": urgency})
        yield Sample("oldest_undelivered_age_seconds", max(0.0, now - known["oldest"]), {"urgency": urgency})


def _read_broker(broker: Mapping[str, Any]) -> Iterator[Sample]:
    yield from (Sample(name, broker[key]) for key, name in _INTAKE.items())
    for reason in ("retained", "copies"):
        yield Sample("messages_ignored_total", broker[f"{reason}_ignored"], {"reason": reason})


def _read_triage(triage: Mapping[str, Any]) -> Iterator[Sample]:
    yield Sample("events_mapped_total", triage["events"])
    yield Sample("triage_mapping_seconds_total", triage["mapping_s"])
    yield _element("accepted", "", triage["accepted"])
    for outcome, reasons in (("dropped", triage["drops"]), ("rejected", triage["rejections"])):
        yield from (_element(outcome, reason, count) for reason, count in reasons.items())


def _element(outcome: str, reason: str, count: int) -> Sample:
    return Sample("elements_mapped_total", count, {"outcome": outcome, "reason": reason})


def _read_sizes(journal: Path) -> Iterator[Sample]:
    for file, suffix in (("database", ""), ("log", "-wal")):
        path = journal.with_name(journal.name + suffix)
        yield Sample("journal_bytes", path.stat().st_size if path.exists() else 0, {"file": file})
