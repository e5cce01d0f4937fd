"""Silence of a source: a dead SIEM looks like a quiet night. An alarm, and where a route says so an incident.

The incident comes by the ordinary way: an event of a topic that no publisher can use, read by a route of its own.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from itop_bridge.alert import Event
from itop_bridge.errors import JournalFullError
from itop_bridge.journal.intake import Received
from itop_bridge.journal.source import Source, SourceJournal, Watched
from itop_bridge.log import Alarms
from itop_bridge.settings.topic import OWN_TOPICS, parse_topic
from itop_bridge.settings.unit import format_duration
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.route import Route

log = structlog.get_logger(__name__)

_EVERY_S = 15.0
_SETTLE_S = 30.0
"""A new connection first brings what the broker kept for us."""


def describe_silence_route(route: Route, form: Format) -> Route:
    """The route of the incident of a route's silence: written as the route's own, as a case that no alert can reach."""
    return dataclasses.replace(
        route,
        pattern=parse_topic(f"{OWN_TOPICS}silence/{route.name}"),
        format=form,
        when=None,
        group_by=lambda _scene: ("source_silent",),
        scope=f"silence/{route.name}",
        continues=False,
        silences=(),
        rules=(),
        policy=dataclasses.replace(route.policy, storm=None, attach=None),
        heartbeat=None,
        expect_every_s=None,
    )


def find_heard(events: Iterable[Event], routes: Sequence[Route]) -> dict[str, float]:
    """The watched routes of whose topics there are events, each with the receipt of the last."""
    watched = [route for route in routes if route.expect_every_s is not None]
    if not watched:
        return {}
    topics: dict[bytes, float] = {}
    for event in events:
        topics[event.topic] = max(topics.get(event.topic, 0.0), event.received)
    heard: dict[str, float] = {}
    for topic, received in topics.items():
        text = topic.decode("utf-8", "replace")
        for route in watched:
            if route.pattern.match(text) is not None:
                heard[route.name] = max(heard.get(route.name, 0.0), received)
    return heard


class Heartbeat:
    """Watches the routes that say `expect_every`."""

    def __init__(
        self,
        journal: SourceJournal,
        alarms: Alarms,
        routes: Callable[[], Sequence[Route]],
        listening: Callable[[], int | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._alarms = alarms
        self._routes = routes
        self._listening = listening
        """The number of the connection that brings all that is subscribed; None while there is none."""
        self._monotonic = monotonic
        self._sleep = sleep
        self._connection: int | None = None
        self._counted = 0.0
        self._idle = False

    async def run(self) -> None:
        """Look again and again."""
        while True:
            with contextlib.suppress(JournalFullError):  # intake and triage stand still too, and raise the alarm
                await self.step()
            await self._sleep(_EVERY_S)

    async def step(self) -> None:
        """Count what was listened since the last step; raise and clear the alarm."""
        watched = [_watch(route) for route in self._routes() if route.expect_every_s is not None]
        listened_s = self._count_listened()
        if self._idle and not watched:
            return
        sources = await self._journal.advance(watched, listened_s)
        self._idle = not watched
        for source in sources:
            _tell(source)
        self._tell_alarm([source for source in sources if source.lost is not None and source.turn != "heard"])

    def _count_listened(self) -> float:
        """Seconds since the last step, of one and the same connection."""
        now, connection = self._monotonic(), self._listening()
        if connection is None or connection != self._connection:
            self._connection = connection
            self._counted = now + _SETTLE_S
            return 0.0
        listened_s = max(0.0, now - self._counted)
        self._counted = max(self._counted, now)
        return listened_s

    def _tell_alarm(self, lost: Sequence[Source]) -> None:
        if not lost:
            self._alarms.clear("source_silent")
            return
        detail = ", ".join(f"{source.route} since {_utc(source.heard)}" for source in lost)
        began = min(source.lost or source.heard for source in lost)
        heard = _utc(min(source.heard for source in lost))
        routes = [source.route for source in lost]
        self._alarms.raise_("source_silent", detail, since=began, routes=routes, heard=heard)


def _tell(source: Source) -> None:
    if source.turn == "lost":
        log.warning("source.lost", route=source.route, heard=_utc(source.heard))
    elif source.turn == "heard":
        log.info("source.heard", route=source.route, heard=_utc(source.heard))


def _watch(route: Route) -> Watched:
    within_s = route.expect_every_s or 0.0
    own = route.silence
    return Watched(route.name, within_s, None if own is None else lambda source: _describe(source, own, within_s))


def _describe(source: Source, own: Route, within_s: float) -> Received:
    """A turn as an event in the format `generic`."""
    silent = source.turn == "lost"
    at = source.lost or source.heard
    body = orjson.dumps(
        {
            "id": f"silence {source.route} {at:.3f}",
            "title": f"No alerts from {source.route}",
            "severity": "high",
            "state": "firing" if silent else "resolved",
            "time": _utc(at),
            "rule": "source_silent",
            "description": (
                f"Nothing came for route {source.route} in {format_duration(within_s)}; the last was received"
                f" {_utc(source.heard)}. A source that is down looks like a quiet one."
            ),
        }
    )
    return Received(own.pattern.filter.encode(), body, at if silent else max(at, source.heard), len(body))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
