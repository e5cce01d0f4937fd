"""Intake's side of the journal: connections, events, and redeliveries told by connection."""

import hashlib
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from itop_bridge.crash_point import pass_point
from itop_bridge.journal.store import Store

MOST_IN_FLIGHT = 65_535
"""MQTT's packet identifiers have 16 bits: no broker has more unacknowledged messages on one connection."""


@dataclass(frozen=True, slots=True)
class Received:
    """One MQTT message as it came."""

    topic: bytes
    payload: bytes
    received: float
    """Seconds since the epoch."""
    size: int
    """Bytes as sent; more than `len(payload)` when only the head was kept."""
    qos: int = 1
    retain: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None

    @property
    def digest(self) -> bytes:
        """What redeliveries are recognised by."""
        hashed = hashlib.blake2b(self.topic, digest_size=16)
        hashed.update(b"\0")
        hashed.update(self.payload)
        return hashed.digest()


class _Candidates:
    """Ids of events by their digest, the oldest first. Small, since there may be 65,535: most digests have one."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._further: defaultdict[bytes, deque[int]] = defaultdict(deque)

    def add(self, digest: bytes, event_id: int) -> None:
        """A later event."""
        if digest in self._first:
            self._further[digest].append(event_id)
        else:
            self._first[digest] = event_id

    def take(self, digest: bytes) -> int | None:
        """The oldest, which is none any more."""
        event_id = self._first.pop(digest, None)
        if event_id is not None and digest in self._further:
            self._first[digest] = self._further[digest].popleft()
            if not self._further[digest]:
                del self._further[digest]
        return event_id

    def put_back(self, digest: bytes, event_id: int) -> None:
        """One that was taken last."""
        if digest in self._first:
            self._further[digest].appendleft(self._first[digest])
        self._first[digest] = event_id


class IntakeJournal:
    """Appends events. A message that the broker sends again after a reconnect finds its row and makes no second one.

    The candidates are the rows whose PUBACK may not have arrived: those of the last connection that brought anything
    new, and what came again since. Each matches one message. Neither DUP nor packet ids are trusted. A broker sends
    again before it sends anything new, so from the first new message on nothing is a candidate (MQTT 4.6: the order of
    the original messages), and a re-fire, byte for byte what came before, is a message of its own.
    """

    def __init__(self, store: Store, on_recorded: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._on_recorded = on_recorded
        self._candidates = _Candidates()

    async def open_connection(self, *, session_present: bool) -> int:
        """Number a new connection. Without the broker's session nothing is redelivered, so nothing is a candidate."""
        self._candidates = _Candidates()
        if session_present:
            for digest, event_id in await self._store.read(_fetch_candidates):
                self._candidates.add(digest, event_id)
        return await self._store.write(_next_connection)

    async def record_events(self, connection: int, batch: Sequence[Received]) -> int:
        """Store a batch in one commit and return how many are new.

        Raises JournalFullError (nothing stored, may be tried again) or JournalUncertainError (stop, acknowledging
        nothing).
        """
        new: list[tuple[object, ...]] = []
        again: list[tuple[bytes, int]] = []
        for message in batch:
            digest = message.digest
            event_id = None if new else self._candidates.take(digest)
            if event_id is not None:
                again.append((digest, event_id))
            else:
                new.append(_row(message, connection, digest))
        try:
            await self._store.write(lambda sql: _insert(sql, connection, new, [event_id for _, event_id in again]))
        except Exception:
            for digest, event_id in reversed(again):
                self._candidates.put_back(digest, event_id)
            raise
        if new:
            self.end_redelivery()
            self._on_recorded()
        return len(new)

    def end_redelivery(self) -> None:
        """What comes from now on is new."""
        self._candidates = _Candidates()

    async def record_acknowledged(self, connection: int) -> None:
        """The broker has read every PUBACK of a connection: what that brought is not sent again."""
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "INSERT OR REPLACE INTO meta (name, value) VALUES ('acknowledged', ?)", (connection,)
                ).rowcount
            )
        )

    async def fetch_filters(self) -> list[str]:
        """The topic filters that the last run subscribed to."""
        text = await self._store.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE name = 'filters'").fetchone()
        )
        return str(text[0]).split("\n") if text and text[0] else []

    async def record_filters(self, filters: Sequence[str]) -> None:
        """Remember what is subscribed, so that a filter that leaves the configuration can be unsubscribed."""
        text = "\n".join(filters)
        await self._store.write(
            lambda sql: sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('filters', ?)", (text,)).rowcount
        )


def _next_connection(sql: sqlite3.Connection) -> int:
    row = sql.execute(
        "INSERT INTO meta (name, value) VALUES ('connection', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
    ).fetchone()
    return int(row[0])


def _fetch_candidates(sql: sqlite3.Connection) -> list[tuple[bytes, int]]:
    # what was replayed has the connection 0: no broker brought it
    last = sql.execute("SELECT connection FROM events WHERE connection > 0 ORDER BY id DESC LIMIT 1").fetchone()
    if last is None:
        return []
    newest = sql.execute(
        "SELECT digest, id FROM (SELECT id, digest, seen FROM events WHERE connection > 0 ORDER BY id DESC LIMIT ?)"
        " WHERE seen >= ? AND seen <> coalesce((SELECT value FROM meta WHERE name = 'acknowledged'), 0) ORDER BY id",
        (MOST_IN_FLIGHT, last[0]),
    )
    return list(newest)


def _row(message: Received, connection: int, digest: bytes) -> tuple[object, ...]:
    return (
        connection,
        connection,
        message.received,
        message.topic,
        message.payload,
        message.size,
        digest,
        message.qos,
        message.retain,
        message.response_topic,
        message.correlation,
    )


def _insert(sql: sqlite3.Connection, connection: int, new: list[tuple[object, ...]], again: list[int]) -> None:
    sql.executemany(
        "INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain, response_topic,"
        " correlation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new,
    )
    sql.executemany("UPDATE events SET seen = ? WHERE id = ?", [(connection, event_id) for event_id in again])
    pass_point("intake.inserted")
