"""Dead letters that are tried again: with what their events hold now, each settled in the commit that lands it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from itop_bridge.alert import Event
from itop_bridge.journal.landing import Element
from itop_bridge.outcome import Rejected

MOST_DETAIL = 2_000
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A dead letter that is to be tried again. `event` is None if its payload was pruned."""

    letter: int
    event_id: int
    index: int
    event: Event | None


_RETRYING = """
    SELECT letter.id, letter.event_id, letter.idx, topic, payload, received, size FROM dead_letters AS letter
    LEFT JOIN events ON events.id = letter.event_id WHERE letter.state = 'retrying' ORDER BY letter.id LIMIT ?
"""


def fetch_retries(sql: sqlite3.Connection, limit: int, most_bytes: int) -> list[Retry]:
    """The next of them, oldest first, with their events: see TriageJournal.fetch_retries."""
    retries: list[Retry] = []
    events: dict[int, Event] = {}
    total = 0
    rows = sql.execute(_RETRYING, (limit,))
    for letter, event_id, index, topic, payload, received, size in rows:
        if payload is not None and event_id not in events:
            total += len(payload)
            if retries and total > most_bytes:
                break
            events[event_id] = Event(event_id, topic, payload, received, size)
        retries.append(Retry(letter, event_id, index, events.get(event_id)))
    rows.close()
    return retries


def find_own(retry: Retry, elements: Sequence[Element]) -> Element:
    """The element that a dead letter is tried again with, or why there is none any more. Pure."""
    if retry.event is None:
        return _reject_own(retry, "payload_pruned", "the payload is no longer in the journal (journal.keep)")
    if retry.index < len(elements):  # one for each index, in order
        return elements[retry.index]
    if len(elements) == 1 and isinstance(elements[0].result, Rejected):  # the event as a whole
        return replace(elements[0], index=retry.index)
    return _reject_own(retry, "element_missing", f"its event has {len(elements)} elements as it is read now")


def _reject_own(retry: Retry, reason: str, detail: str) -> Element:
    return Element(retry.event_id, retry.index, Rejected(reason, detail, "payload"))


def known_indexes(sql: sqlite3.Connection, event_id: int) -> set[int]:
    """The elements of an event that left a trace: what landed, was dropped, or is a dead letter."""
    traces = (
        "SELECT idx FROM intents WHERE event_id = ?1 UNION SELECT idx FROM drops WHERE event_id = ?1"
        " UNION SELECT idx FROM dead_letters WHERE event_id = ?1"
    )
    return {index for (index,) in sql.execute(traces, (event_id,))}


def has_landed(sql: sqlite3.Connection, element: Element) -> bool:
    """True if intents of the element are stored."""
    place = (element.event_id, element.index)
    return sql.execute("SELECT 1 FROM intents WHERE event_id = ? AND idx = ?", place).fetchone() is not None


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
