"""Own incidents: dead letters as alerts of the bridge's own, one per reason and day, for its own team.

They come by the ordinary way: events of a topic that no publisher can use, read by a route of their own, so that a
storm of letters is one incident with few entries, and a person's work on it is respected. Nothing of a payload is in
them: only words and numbers of the bridge's.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from itop_bridge.errors import JournalFullError
from itop_bridge.journal.intake import Received
from itop_bridge.journal.letter_day import LetterDay, LetterDayJournal, Report, Told
from itop_bridge.settings.own_incident import LETTERS, OWN_ROUTE
from itop_bridge.settings.topic import OWN_TOPICS, parse_topic
from itop_bridge.triage.route import Route, Scene

log = structlog.get_logger(__name__)

EVERY_S = 15.0
APART_S = 300.0
"""Between two reports of the same letters."""
_MOST_ROUTES = 10

_ENTRY = (
    "{{ latest.description }}{% for a in alerts if a.id != latest.id %}\n- {{ a.title }} [{{ a.state }}]{% endfor %}"
)
OWN_TEXTS: Mapping[str, str] = {
    "create_log": _ENTRY,
    "append_log": _ENTRY,
    "resolve_log": _ENTRY,
    "solution": "Settled: {{ alert.title }}",
}
"""Settings of the factory where the configuration says nothing else: a report tells more than the count of reports."""


def describe_own_silence(own: Route, watched: str) -> Route:
    """The route of the silence of a watched route, told as an own incident: one case per day."""
    return dataclasses.replace(
        own,
        pattern=parse_topic(f"{OWN_TOPICS}silence/{watched}"),
        group_by=_group_silences,
        scope="own/sources",
    )


def _group_silences(scene: Scene) -> Sequence[str]:
    return ("source_silent", f"{scene['alert'].time:%Y-%m-%d}")


def decide_report(letters: LetterDay, told: Told | None, now: float) -> Told | None:
    """What is told by a report that is due now; None if there is nothing to tell, or it has time.

    The first letter is told at once; that there are more, and that none is open any more, not before some minutes
    have passed: a letter may be settled and come again, as on every start.
    """
    if told is None or not told.firing:
        began = now if told is None else max(now, told.began + 1.0)  # a firing of its own, also where the clock was set
        return Told(began, now, letters.newest, firing=True) if letters.open else None
    if 0 <= now - told.at < APART_S:
        return None
    if not letters.open:
        return Told(told.began, now, max(told.newest, letters.newest), firing=False)
    return Told(told.began, now, letters.newest, firing=True) if letters.newest > told.newest else None


def describe_report(report: Report) -> Received:
    """A report as an event in the format `generic`."""
    letters, told = report.letters, report.told
    body = orjson.dumps(
        {
            "id": f"letters {letters.reason} {letters.day}",
            "title": f"Dead letters: {letters.reason}, {letters.day}",
            "severity": "medium",
            "state": "firing" if told.firing else "resolved",
            "time": datetime.fromtimestamp(told.began, UTC).isoformat(timespec="milliseconds"),
            "rule": letters.reason,
            "description": _describe_open(letters) if told.firing else _describe_settled(letters),
        }
    )
    return Received(f"{LETTERS}{letters.reason}/{letters.day}".encode(), body, told.at, len(body))


def _describe_open(letters: LetterDay) -> str:
    shown = [each for each in letters.routes if each.open][:_MOST_ROUTES]
    routes = [f"{each.route or 'no route'}: {each.open}, the last is {each.newest}" for each in shown]
    more = sum(each.open > 0 for each in letters.routes) - len(shown)
    head = (
        f"Alerts that cannot become incidents: {letters.open} open of {letters.total} dead letters that came on"
        f" {letters.day} (UTC) with the reason {letters.reason}."
    )
    rest = [f"and {more} further routes"] if more else []
    return "\n".join([head, *routes, *rest, f"Look: itop-bridge dead-letters list --reason {letters.reason}"])


def _describe_settled(letters: LetterDay) -> str:
    return (
        f"None of the dead letters that came on {letters.day} (UTC) with the reason {letters.reason} is open any more:"
        " all were retried or dropped."
    )


class LetterWatch:
    """Tells of dead letters where there is a route for it."""

    def __init__(
        self,
        journal: LetterDayJournal,
        routes: Callable[[], Sequence[Route]],
        *,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._routes = routes
        self._sleep = sleep
        self._is_watching: bool | None = None

    async def run(self) -> None:
        """Look again and again."""
        while True:
            with contextlib.suppress(JournalFullError):  # intake and triage stand still too, and raise the alarm
                await self.step()
            await self._sleep(EVERY_S)

    async def step(self) -> None:
        """Journal the reports that are due."""
        wanted = any(route.takes_letters for route in self._routes())
        if wanted is not self._is_watching:
            await (self._journal.begin() if wanted else self._journal.end())
            self._is_watching = wanted
        if not wanted:
            return
        for report in await self._journal.report(decide_report, describe_report, own=OWN_ROUTE):
            letters = report.letters
            log.info("letters.reported", reason=letters.reason, day=letters.day, open=letters.open, total=letters.total)
