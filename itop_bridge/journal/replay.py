"""Replay: journaled events to be mapped again, each element by what became of it before; and recorded alerts, taken in
as events, each once."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from itop_bridge.alert import Event
from itop_bridge.journal.intake import Received
from itop_bridge.journal.landing import Element, Landing, Seen
from itop_bridge.journal.store import Store

REPLAYED = 0
"""What stands for the connection of an event that none brought: the broker never sends it again."""
MOST_REMEMBERED = 100_000
"""Alerts that a rehearsal knows of itself; over that it forgets them, and may take a repeat for new."""


@dataclass(frozen=True, slots=True)
class ElementTraces:
    """What became of an element so far, by route ("" where none took it, or none is known)."""

    landed: frozenset[str] = frozenset()
    drops: Mapping[str, str] = field(default_factory=dict)
    """The reasons."""
    letters: tuple[int, ...] = ()
    """Its open dead letters, the oldest first."""
    open: frozenset[str] = frozenset()
    """Their routes."""
    given_up: frozenset[str] = frozenset()
    """The routes of those that an operator gave up."""


def decide_left(traces: ElementTraces, route: str) -> str | None:
    """Why what a route makes of an element now is left alone; None: it may land. Pure.

    Where something landed, only what is known to have been dropped or dead lands beside it: a route that was renamed,
    or added since, would double it.
    """
    unsettled = traces.open | traces.drops.keys()
    if traces.landed and (route in traces.landed or route not in unsettled):
        return "landed_before"
    if not traces.open and traces.given_up & {route, ""}:
        return "given_up"
    return None


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an element that was replayed."""

    element: Element
    outcome: str
    """landed, dropped or dead; landed_before or given_up for what was left alone."""
    reason: str | None = None


@dataclass(slots=True)
class Rehearsal:
    """A replay of which nothing is stored: what its earlier parts would have told the later ones."""

    seen: dict[tuple[str, str], Seen | None] = field(default_factory=dict)

    def forget_if_large(self) -> None:
        """Memory is bounded, whatever is replayed."""
        if len(self.seen) > MOST_REMEMBERED:
            self.seen.clear()


class Undone(Exception):  # noqa: N818 - not an error: it takes back what a rehearsal wrote
    """Carries the endings out of a write that must not be kept."""

    def __init__(self, endings: list[Ending]) -> None:
        super().__init__("a rehearsal")
        self.endings = endings


class Span(NamedTuple):
    """Ids of events, the first and the last; of an empty span the last is below the first."""

    first: int
    last: int


class Portion(NamedTuple):
    """Events of a span, in order."""

    events: list[Event]
    pruned: int
    """Further ones whose payload is no longer in the journal."""
    last: int
    """The id to go on after."""


class Replays:
    """The events to replay. `on_recorded` is called when recorded alerts wait for triage."""

    def __init__(
        self, store: Store, on_recorded: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._on_recorded = on_recorded
        self.clock = clock

    async def find_span(self, since: float, until: float) -> Span:
        """The events that were received in that time (seconds since the epoch) and mapped: what still waits is mapped
        with the configuration of now anyway."""
        return await self._store.read(lambda sql: _find_span(sql, since, until))

    async def fetch_events(self, span: Span, limit: int, most_bytes: int) -> Portion:
        """The first events of a span; at least one if there is any, further ones while they fit `most_bytes`."""
        return await self._store.read(lambda sql: _fetch_events(sql, span, limit, most_bytes))

    async def find_new(self, recorded: Sequence[tuple[Received, int]]) -> list[int]:
        """The places, from 0, of those that were not taken in before: see `record`."""
        return await self._store.read(
            lambda sql: [place for place, (each, n) in enumerate(recorded) if not _is_known(sql, each.digest, n)]
        )

    async def record(self, recorded: Sequence[tuple[Received, int]]) -> list[int]:
        """Take recorded alerts in as events, in one commit. Returns the ids of those that are new.

        Each comes with a number: how many of the same topic and payload go before it in its recording. A recording that
        is given again, whole or in part, finds what it has brought already.
        """
        ids = await self._store.write(lambda sql: _record(sql, recorded))
        if ids:
            self._on_recorded()
        return ids

    async def count_unmapped(self, last: int) -> int:
        """How many events up to `last` wait for triage."""
        row = await self._store.read(
            lambda sql: sql.execute(
                "SELECT max(0, ? - coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0))", (last,)
            ).fetchone()
        )
        return int(row[0])

    async def fetch_outcomes(self, events: Sequence[int]) -> dict[str, int]:
        """What the elements of events came to: how many `landed`, were `dropped`, or are `dead`."""
        ids = json.dumps(list(events))
        return await self._store.read(
            lambda sql: {name: int(sql.execute(query, (ids,)).fetchone()[0]) for name, query in _OUTCOMES.items()}
        )


_THOSE = "event_id IN (SELECT value FROM json_each(?))"
_OUTCOMES = {
    "landed": f"SELECT count(*) FROM (SELECT DISTINCT event_id, idx FROM intents WHERE {_THOSE})",
    "dropped": f"SELECT count(*) FROM drops WHERE {_THOSE}",
    "dead": f"SELECT count(*) FROM dead_letters WHERE {_THOSE} AND state IN ('open', 'retrying')",
}


def _find_span(sql: sqlite3.Connection, since: float, until: float) -> Span:
    mapped = sql.execute("SELECT value FROM meta WHERE name = 'triaged'").fetchone()
    first = _find_first(sql, since)
    after = _find_first(sql, until)
    return Span(first, min(after - 1, int(mapped[0]) if mapped else 0))


def _find_first(sql: sqlite3.Connection, moment: float) -> int:
    """The first event that was received then or later. Events lie in the order of their receipt, and have no index
    (intake's speed rests on that): the span is halved."""
    lowest, highest = sql.execute("SELECT coalesce(min(id), 1), coalesce(max(id), 0) + 1 FROM events").fetchone()
    while lowest < highest:
        middle = (lowest + highest) // 2
        event_id, received = sql.execute(
            "SELECT id, received FROM events WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
        ).fetchone()
        if received >= moment:
            highest = middle
        else:
            lowest = event_id + 1
    return int(lowest)


def _fetch_events(sql: sqlite3.Connection, span: Span, limit: int, most_bytes: int) -> Portion:
    events: list[Event] = []
    pruned = total = 0
    last = span.first - 1
    rows = sql.execute(
        "SELECT id, topic, payload, received, size FROM events WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (*span, limit),
    )
    for event_id, topic, payload, received, size in rows:
        total += len(payload or b"")
        if events and total > most_bytes:
            break
        last = event_id
        if payload is None:
            pruned += 1
        else:
            events.append(Event(event_id, topic, payload, received, size))
    rows.close()
    return Portion(events, pruned, last)


def fetch_element_traces(sql: sqlite3.Connection, event_id: int, index: int) -> ElementTraces:
    """What became of the element so far; nothing, if the journal does not know it."""
    place = (event_id, index)
    landed = sql.execute("SELECT DISTINCT route FROM intents WHERE event_id = ? AND idx = ?", place).fetchall()
    drops = sql.execute("SELECT route, reason FROM drops WHERE event_id = ? AND idx = ?", place).fetchall()
    letters = sql.execute(
        "SELECT id, coalesce(route, ''), state FROM dead_letters WHERE event_id = ? AND idx = ? ORDER BY id", place
    ).fetchall()
    unsettled = [(letter, route) for letter, route, state in letters if state in ("open", "retrying")]
    return ElementTraces(
        frozenset(route for (route,) in landed),
        dict(drops),
        tuple(letter for letter, _ in unsettled),
        frozenset(route for _, route in unsettled),
        frozenset(route for _, route, state in letters if state == "dropped"),
    )


def forget_drop(sql: sqlite3.Connection, event_id: int, index: int, route: str) -> None:
    """It lands, or is dropped once more: by this route, or by one where none took it before."""
    sql.execute("DELETE FROM drops WHERE event_id = ? AND idx = ? AND route IN (?, '')", (event_id, index, route))


def describe_ending(ending: Ending) -> dict[str, Any]:
    """An ending as JSON: event_id, idx, outcome, reason, and, as far as they are known, route, alert, title and case
    (its digest)."""
    element = ending.element
    told: dict[str, Any] = {
        "event_id": element.event_id,
        "idx": element.index,
        "outcome": ending.outcome,
        "reason": ending.reason,
    }
    told["route"] = element.route or None
    result = element.result
    if not isinstance(result, Landing) or not result.intents:
        return {**told, "alert": None, "title": None, "case": None}
    facts = orjson.loads(result.intents[0].facts)
    return {**told, "alert": facts.get("id"), "title": facts.get("title"), "case": result.intents[0].digest}


_INSERT = """
    INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain)
    VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0) RETURNING id
"""


def _is_known(sql: sqlite3.Connection, digest: bytes, n: int) -> bool:
    return sql.execute("SELECT 1 FROM replays WHERE digest = ? AND n = ?", (digest, n)).fetchone() is not None


def _record(sql: sqlite3.Connection, recorded: Sequence[tuple[Received, int]]) -> list[int]:
    ids: list[int] = []
    for each, n in recorded:
        digest = each.digest
        if _is_known(sql, digest, n):
            continue
        row = (REPLAYED, REPLAYED, each.received, each.topic, each.payload, each.size, digest)
        event_id = int(sql.execute(_INSERT, row).fetchone()[0])
        sql.execute("INSERT INTO replays (digest, n, event_id) VALUES (?, ?, ?)", (digest, n, event_id))
        ids.append(event_id)
    return ids
