"""Triage's side of the journal: events that wait, and what they turned out to be, stored in one transaction."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from itop_bridge.alert import Event
from itop_bridge.crash_point import pass_point
from itop_bridge.journal.anew import replay_elements, retry_letters
from itop_bridge.journal.batch import Batch
from itop_bridge.journal.inhibition import prune_inhibitors
from itop_bridge.journal.landing import Decide, Element, Tally
from itop_bridge.journal.replay import Ending, Rehearsal, Undone
from itop_bridge.journal.retry import Retry, fetch_retries
from itop_bridge.journal.source import record_heard
from itop_bridge.journal.store import Store
from itop_bridge.journal.storm import EndedStorm, fetch_ended_storms, record_storms_told


class TriageJournal:
    """Events in order of arrival, and where their elements land."""

    def __init__(self, store: Store, clock: Callable[[], float], on_landed: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._on_landed = on_landed

    async def fetch_waiting(self, limit: int, most_bytes: int) -> list[Event]:
        """The next events, oldest first; at least one if there is any, further ones while they fit `most_bytes`."""
        return await self._store.read(lambda sql: _fetch_waiting(sql, limit, most_bytes))

    async def count_waiting(self) -> int:
        """How many events triage is behind."""
        return await self._store.read(_count_waiting)

    async def record_profile(self, hashed: str, body: str) -> None:
        """Store settings to write with, under their hash."""
        await self._store.write(
            lambda sql: (
                sql.execute("INSERT OR IGNORE INTO profiles (hash, body) VALUES (?, ?)", (hashed, body)).rowcount
            )
        )

    async def record(
        self, elements: Sequence[Element], decide: Decide, *, through: int, heard: Mapping[str, float] | None = None
    ) -> Tally:
        """Land elements, in order, and move the cursor to event `through`, all in one commit.

        `heard` are the routes whose silence is watched and of which there were events, with the receipt of the last.
        """
        now = self._clock()
        tally = await self._store.write(lambda sql: _land(Batch(sql, decide, now), elements, through, heard or {}))
        if tally.accepted:
            self._on_landed()
        return tally

    async def fetch_retries(self, limit: int, most_bytes: int) -> list[Retry]:
        """The dead letters that are to be tried again, oldest first, with their events; at least one if there is any,
        further ones while the payloads of their events fit `most_bytes`."""
        return await self._store.read(lambda sql: fetch_retries(sql, limit, most_bytes))

    async def record_retries(
        self, retried: Sequence[tuple[Retry, Sequence[Element]]], decide: Decide, *, routes: Collection[str]
    ) -> Tally:
        """Land the elements of dead letters, each with what its event holds now, and settle the letters, in one commit.

        Of an event only the letter's own element lands, and those of which the journal knows nothing: a letter may
        stand for all that could not be read. What was settled before is left alone. `routes` are the names of all that
        there are now.
        """
        now = self._clock()
        tally = await self._store.write(lambda sql: retry_letters(Batch(sql, decide, now), retried, routes))
        if tally.accepted:
            self._on_landed()
        return tally

    async def record_replay(
        self, elements: Sequence[Element], decide: Decide, rehearsal: Rehearsal | None = None
    ) -> list[Ending]:
        """Land elements of events that were mapped before, in one commit, and tell what became of each.

        What landed is left alone, and so is what an operator gave up. What was dropped or dead may land, and its drop
        or its letter is settled. With `rehearsal` nothing is stored.
        """
        now = self._clock()
        if rehearsal is not None:
            return await self._rehearse(elements, decide, rehearsal, now)
        endings = await self._store.write(lambda sql: replay_elements(Batch(sql, decide, now), elements))
        if any(ending.outcome == "landed" for ending in endings):
            self._on_landed()
        return endings

    async def _rehearse(
        self, elements: Sequence[Element], decide: Decide, rehearsal: Rehearsal, now: float
    ) -> list[Ending]:
        rehearsal.forget_if_large()

        def write(sql: sqlite3.Connection) -> None:
            raise Undone(replay_elements(Batch(sql, decide, now, rehearsal.seen), elements))

        try:
            await self._store.write(write)
        except Undone as undone:
            return undone.endings
        raise AssertionError("a rehearsal is always undone")

    async def expire_waiting(self) -> int:
        """Drop the resolves whose alert never fired within `resolve_wait`. Returns how many."""
        now = self._clock()
        return await self._store.write(lambda sql: _expire_waiting(sql, now))

    async def settle_storms(self) -> tuple[list[EndedStorm], bool]:
        """The storms that are over and of which that was not told yet, and whether any holds."""
        now = self._clock()
        ended, holds = await self._store.read(lambda sql: fetch_ended_storms(sql, now))
        if ended:
            await self._store.write(lambda sql: record_storms_told(sql, now))
        return ended, holds


def _cursor(sql: sqlite3.Connection) -> int:
    row = sql.execute("SELECT value FROM meta WHERE name = 'triaged'").fetchone()
    return int(row[0]) if row else 0


def _fetch_waiting(sql: sqlite3.Connection, limit: int, most_bytes: int) -> list[Event]:
    events: list[Event] = []
    total = 0
    rows = sql.execute(
        "SELECT id, topic, payload, received, size FROM events WHERE id > ? ORDER BY id LIMIT ?", (_cursor(sql), limit)
    )
    for event_id, topic, payload, received, size in rows:
        total += len(payload)
        if events and total > most_bytes:
            break
        events.append(Event(event_id, topic, payload, received, size))
    rows.close()
    return events


def _count_waiting(sql: sqlite3.Connection) -> int:
    newest = sql.execute("SELECT max(id) FROM events").fetchone()[0]
    return max(0, int(newest or 0) - _cursor(sql))


def _expire_waiting(sql: sqlite3.Connection, now: float) -> int:
    prune_inhibitors(sql, now)
    sql.execute(
        "UPDATE alerts SET state = 'resolved' WHERE state = 'waiting' AND (case_id, id) IN"
        " (SELECT case_id, alert_id FROM intents WHERE state = 'waiting' AND until <= ?)",
        (now,),
    )
    return sql.execute(
        "UPDATE intents SET state = 'dropped', reason = 'never_fired' WHERE state = 'waiting' AND until <= ?", (now,)
    ).rowcount


def _land(batch: Batch, elements: Iterable[Element], through: int, heard: Mapping[str, float]) -> Tally:
    for element in elements:
        batch.take(element)
    batch.flush()
    record_heard(batch.sql, heard)
    batch.sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('triaged', ?)", (through,))
    pass_point("triage.landed")
    return batch.tally
