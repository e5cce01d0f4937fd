"""Dead letters by the day (UTC) on which they came and their reason, and what was told of them.

Triggers count them, so that 100,000 letters are a few rows to look at.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from itop_bridge.journal.intake import Received
from itop_bridge.journal.source import record_own_event
from itop_bridge.journal.store import Store

_SINCE = "letters_since"


@dataclass(frozen=True, slots=True)
class RouteCount:
    """The letters of one route. `route` is "" where none is known, `newest` the id of the last."""

    route: str
    open: int
    newest: int


@dataclass(frozen=True, slots=True)
class LetterDay:
    """The dead letters of one day that have the same reason, those of the bridge's own incidents left out."""

    day: str
    """2026-11-24."""
    reason: str
    open: int
    total: int
    """Those that the journal still has, settled ones too."""
    routes: tuple[RouteCount, ...] = ()
    """With the most first."""

    @property
    def newest(self) -> int:
        """The id of the last letter; 0 if there is none any more."""
        return max((each.newest for each in self.routes), default=0)


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a day's letters. Times are seconds since the epoch."""

    began: float
    """When it was told last that some are open."""
    at: float
    newest: int
    """Letters up to this id are told."""
    firing: bool
    """False once it is told that none is open."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be told now, and what is told by it."""

    letters: LetterDay
    told: Told


Decide = Callable[[LetterDay, Told | None, float], Told | None]
"""What is told by a report that is due now; None: there is nothing to tell."""


class LetterDayJournal:
    """Dead letters, to be told as events of the bridge's own."""

    def __init__(self, store: Store, clock: Callable[[], float], on_recorded: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._on_recorded = on_recorded

    async def begin(self) -> None:
        """Letters of this day are told, and later ones; those of the days before only if they were told already."""
        row = (_SINCE, _day(self._clock()))
        await self._store.write(
            lambda sql: sql.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", row).rowcount
        )

    async def end(self) -> None:
        """Nothing is told any more."""
        await self._store.write(lambda sql: sql.execute("DELETE FROM meta WHERE name = ?", (_SINCE,)).rowcount)

    async def report(self, decide: Decide, describe: Callable[[Report], Received], *, own: str) -> list[Report]:
        """Tell what is due, each report in one commit with the event that tells it. Letters of the route `own` tell of
        these events themselves, and are never told. Raises JournalFullError."""
        now = self._clock()
        # the writer is asked only where there is something to write
        if not await self._store.read(lambda sql: _find_due(sql, decide, own, now)):
            return []
        reports = await self._store.write(lambda sql: _record(sql, _find_due(sql, decide, own, now), describe))
        if reports:
            self._on_recorded()
        return reports


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _find_due(sql: sqlite3.Connection, decide: Decide, own: str, now: float) -> list[Report]:
    told = {(day, reason): Told(*values) for day, reason, *values in sql.execute(_TOLD)}
    counted = _load_days(sql, own)
    gone = [LetterDay(day, reason, 0, 0) for day, reason in told if (day, reason) not in counted]
    reports = []
    for letters in (*counted.values(), *gone):
        known = told.get((letters.day, letters.reason))
        due = decide(letters, known, now)
        if due is not None:
            reports.append(Report(letters, due))
    return reports


_TOLD = "SELECT day, reason, began, told, newest, firing FROM letter_reports"
_DAYS = """
    SELECT day, reason, route, open, total, newest FROM letter_days
    WHERE route <> ? AND (
        day >= (SELECT value FROM meta WHERE name = ?)
        OR EXISTS (
            SELECT 1 FROM letter_reports AS known
            WHERE known.day = letter_days.day AND known.reason = letter_days.reason
        )
    ) ORDER BY day, reason, open DESC, route
"""


def _load_days(sql: sqlite3.Connection, own: str) -> dict[tuple[str, str], LetterDay]:
    days: dict[tuple[str, str], LetterDay] = {}
    for day, reason, route, count, total, newest in sql.execute(_DAYS, (own, _SINCE)):
        before = days.get((day, reason), LetterDay(day, reason, 0, 0))
        routes = (*before.routes, RouteCount(route, count, newest))
        days[day, reason] = LetterDay(day, reason, before.open + count, before.total + total, routes)
    return days


def _record(sql: sqlite3.Connection, reports: list[Report], describe: Callable[[Report], Received]) -> list[Report]:
    for report in reports:
        told = report.told
        record_own_event(sql, describe(report))
        sql.execute(
            "INSERT OR REPLACE INTO letter_reports (day, reason, began, told, newest, firing)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (report.letters.day, report.letters.reason, told.began, told.at, told.newest, told.firing),
        )
    sql.execute(
        "DELETE FROM letter_reports WHERE firing = 0 AND NOT EXISTS ("
        "SELECT 1 FROM letter_days WHERE letter_days.day = letter_reports.day"
        " AND letter_days.reason = letter_reports.reason)"
    )
    return reports
