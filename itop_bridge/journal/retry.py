"""Dead letters that are tried again: with what their events hold now, each settled in the commit that lands it."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from itop_bridge.alert import Event
from itop_bridge.journal.landing import MOST_DETAIL, Element
from itop_bridge.outcome import Dropped, Rejected


@dataclass(frozen=True, slots=True)
class Retry:
    """A dead letter that is to be tried again. `event` is None if its payload was pruned."""

    letter: int
    event_id: int
    index: int
    event: Event | None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """The routes by which the journal knows an element, a letter that is tried again left out; "" is any route, from
    before they were kept, or none."""

    landed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()


_MOST_N = 1_000
"""Intents from this number on are the bridge's own: an expiry, an operator's resolve."""

_RETRYING = """
    SELECT letter.id, letter.event_id, letter.idx, letter.route, topic, payload, received, size
    FROM dead_letters AS letter LEFT JOIN events ON events.id = letter.event_id
    WHERE letter.state = 'retrying' ORDER BY letter.id LIMIT ?
"""


WAS_DROPPED = """EXISTS (
    SELECT 1 FROM drops WHERE event_id = {letter}.event_id AND idx = {letter}.idx AND (
        route = coalesce({letter}.route, '')
        OR NOT EXISTS (SELECT 1 FROM intents WHERE event_id = {letter}.event_id AND idx = {letter}.idx)
    )
)"""
"""Of a letter that was tried again: whether that came to a drop, by its own route or as a whole."""


def fetch_retries(sql: sqlite3.Connection, limit: int, most_bytes: int) -> list[Retry]:
    """The next of them, oldest first, with their events: see TriageJournal.fetch_retries."""
    retries: list[Retry] = []
    events: dict[int, Event] = {}
    total = 0
    rows = sql.execute(_RETRYING, (limit,))
    for letter, event_id, index, route, topic, payload, received, size in rows:
        if payload is not None and event_id not in events:
            total += len(payload)
            if retries and total > most_bytes:
                break
            events[event_id] = Event(event_id, topic, payload, received, size)
        retries.append(Retry(letter, event_id, index, events.get(event_id), route))
    rows.close()
    return retries


def find_own(retry: Retry, elements: Sequence[Element], traces: Traces, routes: Collection[str]) -> Sequence[Element]:
    """What a dead letter is tried again with: its element by each route that is still owed, or why there is none any
    more. Empty if it landed. Pure."""
    if retry.event is None:
        return [_reject_own(retry, "payload_pruned", "the payload is no longer in the journal (journal.keep)")]
    own = [element for element in elements if element.index == retry.index]
    if own:
        return _choose_routes(retry, own, traces, routes)
    if len(elements) == 1 and isinstance(elements[0].result, Rejected):  # the event as a whole
        return [replace(elements[0], index=retry.index)]
    count = len({element.index for element in elements})
    return [_reject_own(retry, "element_missing", f"its event has {count} elements as it is read now")]


def _choose_routes(retry: Retry, own: Sequence[Element], traces: Traces, routes: Collection[str]) -> Sequence[Element]:
    """Where nothing else is known of the element: all routes of now, but those with a letter of their own. Else only
    the letter's: what another route did may not be done again under a new name."""
    route = retry.route or ""
    if traces.landed & {route, ""} or (traces.landed and not route):
        return ()
    chosen = [element for element in own if element.route == route]
    if not traces.landed and not traces.dropped:
        chosen += [element for element in own if element.route not in (route, *traces.letters)]
    if chosen:
        return chosen
    if route in routes:
        return [Element(retry.event_id, retry.index, Dropped("filtered", retry.route))]
    detail = f"there is no route {route!r} any more, and the element went to others"
    return [_reject_own(retry, "route_missing", detail, "route")]


def _reject_own(retry: Retry, reason: str, detail: str, field: str = "payload") -> Element:
    return Element(retry.event_id, retry.index, Rejected(reason, detail, field))


def known_indexes(sql: sqlite3.Connection, event_id: int) -> set[int]:
    """The elements of an event that left a trace: what landed, was dropped, or is a dead letter."""
    traces = (
        "SELECT idx FROM intents WHERE event_id = :event UNION SELECT idx FROM drops WHERE event_id = :event"
        " UNION SELECT idx FROM dead_letters WHERE event_id = :event"
    )
    return {index for (index,) in sql.execute(traces, {"event": event_id})}


def fetch_traces(sql: sqlite3.Connection, retry: Retry) -> Traces:
    """The routes by which its element is known."""
    place = (retry.event_id, retry.index)
    landed = sql.execute("SELECT route FROM intents WHERE event_id = ? AND idx = ? AND n < ?", (*place, _MOST_N))
    dropped = sql.execute("SELECT route FROM drops WHERE event_id = ? AND idx = ?", place)
    letters = sql.execute(
        "SELECT coalesce(route, '') FROM dead_letters WHERE event_id = ? AND idx = ? AND id <> ?",
        (*place, retry.letter),
    )
    return Traces(*(frozenset(route for (route,) in rows) for rows in (landed, dropped, letters)))


def next_n(sql: sqlite3.Connection, event_id: int, index: int) -> int:
    """The first `n` that no intent of an element has."""
    query = "SELECT coalesce(max(n) + 1, 0) FROM intents WHERE event_id = ? AND idx = ? AND n < ?"
    return int(sql.execute(query, (event_id, index, _MOST_N)).fetchone()[0])


def is_retrying(sql: sqlite3.Connection, letter: int) -> bool:
    """True if the letter still waits for this."""
    row = sql.execute("SELECT state FROM dead_letters WHERE id = ?", (letter,)).fetchone()
    return row is not None and row[0] == "retrying"


def settle_letter(sql: sqlite3.Connection, letter: int, now: float) -> None:
    """Its element landed, or was dropped."""
    sql.execute("UPDATE dead_letters SET state = 'retried', settled = ? WHERE id = ?", (now, letter))


def reopen_letter(sql: sqlite3.Connection, letter: int, rejected: Rejected) -> None:
    """It failed again, perhaps for another reason."""
    sql.execute(
        "UPDATE dead_letters SET state = 'open', reason = ?, field = ?, detail = ?, route = coalesce(?, route)"
        " WHERE id = ?",
        (rejected.reason, rejected.field, rejected.detail[:MOST_DETAIL], rejected.route, letter),
    )
