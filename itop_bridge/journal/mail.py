"""What is to be mailed: notices that triggers leave, alerts that are late for iTop, and the outages that were told.

A notice stays until its mail was accepted, so a crash between sends it again: twice is better than never.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from itop_bridge.journal.notice import STILL_FIRES, Contents, Kind, fetch_contents, leave_notice, settle_notices
from itop_bridge.journal.store import Store

MOST_READ = 2_000
"""Pending intents that are looked at in one query."""
_MOST_TOPICS = 10


@dataclass(frozen=True, slots=True)
class Late:
    """A pending alert, and what tells whether its case may still wait. Times are seconds since the epoch."""

    seq: int
    episode: int
    """The seq of its episode's first intent."""
    route: str
    severity: str
    received: float
    urgency: int
    told_seq: int
    """What the case has told."""
    has_incident: bool
    written_urgency: int | None
    """Of the incident, as the bridge wrote it."""
    resolved: bool
    """By the bridge."""
    told_at: float
    interval_s: float
    changed_at: float
    group_wait_s: float
    resolve_grace_s: float
    held: bool
    """The case is parked, or an operator holds its route back."""


@dataclass(frozen=True, slots=True)
class Pile:
    """The notices of one kind and route."""

    kind: Kind
    route: str
    oldest: float
    last: int
    """Up to which id."""


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Events that triage has not looked at."""

    count: int
    oldest: float
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """What is not in iTop yet."""

    alerts: int
    """Intents that are pending."""
    messages: int
    """Events that triage has not looked at."""


class MailJournal:
    """Notices and escalations."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def record_use(self, *, used: bool) -> None:
        """Whether mail is configured. Notices are left from the first time on; without mail there are none."""
        now = self._clock()
        await self._store.write(lambda sql: _record_use(sql, now, used=used))

    async def fetch_late(self, after: tuple[int, int], before: float) -> tuple[list[Late], tuple[int, int] | None]:
        """Pending alerts of which an incident is to be made, received before a time, that fire and were not escalated.

        A portion, behind the case and seq `after`; and where the next one begins, None at the end.
        """
        return await self._store.read(lambda sql: _fetch_late(sql, after, before))

    async def fetch_newest(self) -> int:
        """The seq of the newest intent."""
        row = await self._store.read(lambda sql: sql.execute("SELECT max(seq) FROM intents").fetchone())
        return int(row[0] or 0)

    async def claim(self, late: Sequence[Late]) -> int:
        """Escalate these alerts: each episode once, whatever is restarted. Returns how many are new."""
        now = self._clock()
        return await self._store.write(lambda sql: _claim(sql, late, now))

    async def settle_arrived(self) -> int:
        """Leave a notice for every mailed alert that is in iTop by now; forget those that are owed no longer.

        Returns how many arrived.
        """
        if not await self._store.read(lambda sql: sql.execute(f"{_ENDED} LIMIT 1").fetchone()):
            return 0
        now = self._clock()
        return await self._store.write(lambda sql: _settle_arrived(sql, now))

    async def fetch_piles(self) -> list[Pile]:
        """What is to be told."""
        rows = await self._store.read(lambda sql: list(sql.execute(_PILES)))
        return [Pile(*row) for row in rows]

    async def fetch_contents(self, kind: Kind, routes: Sequence[str], through: int, most: int) -> Contents:
        """What the notices of a kind and of routes up to an id tell of; at most so many are described."""
        named = json.dumps(list(routes))
        return await self._store.read(lambda sql: fetch_contents(sql, kind, named, through, most))

    async def settle(self, kind: Kind, routes: Sequence[str], through: int) -> None:
        """These notices were mailed, or are not wanted."""
        named = json.dumps(list(routes))
        await self._store.write(lambda sql: settle_notices(sql, kind, named, through))

    async def fetch_unmapped(self, before: float) -> Unmapped | None:
        """The events that wait for triage, if the oldest was received before a time; else None."""
        return await self._store.read(lambda sql: _fetch_unmapped(sql, before))

    async def fetch_owed(self) -> Owed:
        """How much is not in iTop yet; counted in indexes."""
        return await self._store.read(lambda sql: Owed(*sql.execute(_OWED).fetchone()))

    async def record_outages(self, told: Mapping[str, float]) -> None:
        """Keep which alarms were mailed, with the time from which they hold."""
        body = json.dumps(dict(told))
        await self._store.write(
            lambda sql: (
                sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('mailed_outages', ?)", (body,)).rowcount
            )
        )

    async def fetch_outages(self) -> dict[str, float]:
        """The alarms whose beginning was mailed, and their end was not."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE name = 'mailed_outages'").fetchone()
        )
        return dict(json.loads(row[0])) if row else {}


def _record_use(sql: sqlite3.Connection, now: float, *, used: bool) -> None:
    if used:
        sql.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('mail', ?)", (now,))
        return
    for statement in (
        "DELETE FROM meta WHERE name IN ('mail', 'mailed_outages')",
        "DELETE FROM notices",
        "DELETE FROM escalations",
    ):
        sql.execute(statement)


# The inner query is what bounds the work: so many rows of the index of what is pending.
_LATE = f"""
    SELECT owed.seq, coalesce(owed.first_seq, owed.seq) AS episode, owed.route, json_extract(owed.facts, '$.severity'),
        owed.received, owed.urgency, told_seq, incident IS NOT NULL, cases.urgency, resolved, told_at, interval_s,
        changed_at, coalesce(json_extract(body, '$.policy.group_wait'), 0),
        coalesce(json_extract(body, '$.policy.resolve_grace'), 0),
        parked IS NOT NULL OR EXISTS (SELECT 1 FROM pauses WHERE pauses.route IN (cases.route, '*'))
    FROM (
        SELECT case_id, seq FROM intents WHERE state = 'pending' AND (case_id, seq) > (?, ?)
        ORDER BY case_id, seq LIMIT ?
    ) AS portion JOIN intents AS owed USING (seq) JOIN cases ON cases.id = owed.case_id
    JOIN profiles ON profiles.hash = cases.profile
    WHERE owed.kind = 'create' AND owed.received <= ?
    AND NOT EXISTS (SELECT 1 FROM escalations WHERE escalations.episode = coalesce(owed.first_seq, owed.seq))
    AND {STILL_FIRES}
    ORDER BY owed.seq
"""
_PORTION = """
    SELECT case_id, seq FROM intents WHERE state = 'pending' AND (case_id, seq) > (?, ?)
    ORDER BY case_id, seq LIMIT 1 OFFSET ?
"""


def _fetch_late(
    sql: sqlite3.Connection, after: tuple[int, int], before: float
) -> tuple[list[Late], tuple[int, int] | None]:
    last = sql.execute(_PORTION, (*after, MOST_READ - 1)).fetchone()
    rows = sql.execute(_LATE, (*after, MOST_READ, before))
    return [Late(*row) for row in rows], last


def _claim(sql: sqlite3.Connection, late: Sequence[Late], now: float) -> int:
    claimed = 0
    for each in late:
        row = (each.episode, each.seq, each.route)
        if sql.execute("INSERT OR IGNORE INTO escalations (episode, seq, route) VALUES (?, ?, ?)", row).rowcount:
            leave_notice(sql, "escalated", each.route, each.seq, now)
            claimed += 1
    return claimed


_ENDED = """
    SELECT episode, escalations.seq, escalations.route, mailed AND coalesce(state, '') = 'delivered'
    FROM escalations LEFT JOIN intents ON intents.seq = escalations.seq WHERE coalesce(state, '') <> 'pending'
"""


def _settle_arrived(sql: sqlite3.Connection, now: float) -> int:
    arrived = 0
    for episode, seq, route, is_there in list(sql.execute(_ENDED)):
        sql.execute("DELETE FROM escalations WHERE episode = ?", (episode,))
        if is_there:
            leave_notice(sql, "arrived", route, seq, now)
            arrived += 1
    return arrived


_PILES = "SELECT kind, route, min(at), max(id) FROM notices GROUP BY kind, route ORDER BY min(id)"
_UNMAPPED = "FROM events WHERE id > coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0)"
_OWED = f"SELECT (SELECT count(*) FROM intents WHERE state = 'pending'), (SELECT count(*) {_UNMAPPED})"


def _fetch_unmapped(sql: sqlite3.Connection, before: float) -> Unmapped | None:
    oldest = sql.execute(f"SELECT received {_UNMAPPED} ORDER BY id LIMIT 1").fetchone()
    if oldest is None or oldest[0] > before:
        return None
    count = sql.execute(f"SELECT count(*) {_UNMAPPED}").fetchone()[0]
    # of the first ones: to go through all of them is too much for a word in a mail
    few = f"SELECT DISTINCT topic FROM (SELECT topic {_UNMAPPED} ORDER BY id LIMIT 1000) LIMIT ?"
    topics = sql.execute(few, (_MOST_TOPICS,))
    return Unmapped(int(count), float(oldest[0]), tuple(bytes(row[0]).decode("utf-8", "replace") for row in topics))
