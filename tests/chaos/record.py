"""What the journal says became of every message. Plain SQL: nothing of the bridge's own code reads it here."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a message, in the order of arrival."""

    event: int
    index: int
    fate: str
    """told, dropped, dead, parked, or owed."""
    reason: str = ""
    token: str = ""
    """Of the write that told it."""
    landed: bool = True
    """False if triage dropped it: it leaves no trace in what is known of the alert."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message as it was journaled."""

    id: int
    topic: str
    head: bytes
    size: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the bridge is."""

    events: int
    triaged: int
    due: int
    looks: int
    """Writes that are still to be seen in iTop."""
    waiting: int
    """Resolves whose alerts have not fired."""
    writes: int
    """That were ever journaled."""

    @property
    def is_settled(self):
        return self.triaged == self.events and not (self.due or self.looks or self.waiting)


HEAD = 1_000
"""Bytes by which a message is recognised, with its size."""

_INTENTS = """
    SELECT event_id, idx, intents.state, coalesce(reason, ''), coalesce(token, ''), parked FROM intents
    JOIN cases ON cases.id = intents.case_id LEFT JOIN attempts ON attempts.id = attempt
"""
_PROGRESS = """
    SELECT coalesce((SELECT max(id) FROM events), 0),
    coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0),
    (SELECT count(*) FROM cases WHERE due IS NOT NULL),
    (SELECT count(*) FROM attempts WHERE look IS NOT NULL AND state <> 'absent'),
    (SELECT count(*) FROM intents WHERE state = 'waiting'),
    (SELECT count(*) FROM attempts)
"""


def read_progress(path):
    """How far the bridge is, while it runs."""
    with closing(_open(path)) as sql:
        return Progress(*sql.execute(_PROGRESS).fetchone())


def read_events(path):
    """Every message with what became of its elements, in the order of arrival."""
    with closing(_open(path)) as sql:
        rows = sorted(_read_rows(sql), key=lambda row: (row.event, row.index))
        by_event = {}
        for row in rows:
            by_event.setdefault(row.event, []).append(row)
        return [
            Event(event, bytes(topic).decode(), payload, size, tuple(by_event.get(event, ())))
            for event, topic, payload, size in sql.execute(
                f"SELECT id, topic, substr(payload, 1, {HEAD}), size FROM events ORDER BY id"
            )
        ]


def _open(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _read_rows(sql):
    for event, index, state, reason, token, parked in sql.execute(_INTENTS):
        if state == "delivered":
            yield Row(event, index, "told", token=token)
        elif state in ("dropped", "dead"):
            yield Row(event, index, state, reason)
        else:
            yield Row(event, index, "parked" if parked else "owed", parked or state)
    for event, index, reason in sql.execute("SELECT event_id, idx, reason FROM drops"):
        yield Row(event, index, "dropped", reason, landed=False)
    for event, index, reason in sql.execute(
        "SELECT event_id, idx, reason FROM dead_letters WHERE event_id IS NOT NULL AND state = 'open'"
    ):
        yield Row(event, index, "dead", reason, landed=False)
