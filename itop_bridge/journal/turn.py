"""Whose turn it is: the cases that are due, and the attempts to look for."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from itop_bridge.journal.case import Attempt, CaseState, Opening
from itop_bridge.journal.owed import ATTEMPT, COLUMNS, complete_case, read_attempt

LOOK_TOGETHER_S = 2.0
"""A look that is due waits so long for others to share its call."""

# what operators hold back stays due, and is not taken: see journal/operation.py
_TAKEN = """
    parked IS NULL AND route NOT IN (SELECT route FROM pauses) AND NOT EXISTS (SELECT 1 FROM pauses WHERE route = '*')
"""
_LOOKED = """
    NOT EXISTS (SELECT 1 FROM cases JOIN pauses ON pauses.route IN (cases.route, '*') WHERE cases.id = case_id)
"""
_HELD = "SELECT 1 FROM cases JOIN pauses ON pauses.route IN (cases.route, '*') WHERE cases.id = ?"

# By urgency; within it the organisations in turn, oldest first. All that is due is sorted: by its id alone.
_DUE = f"""
    SELECT {COLUMNS} FROM cases JOIN (
        SELECT id AS due_id, rank AS due_rank, turn, since FROM (
            SELECT id, rank, coalesce(oldest, due) AS since,
                row_number() OVER (PARTITION BY rank, organization ORDER BY coalesce(oldest, due), id) AS turn
            FROM cases WHERE due <= ? AND {_TAKEN}
        ) ORDER BY rank, turn, since, id LIMIT ?
    ) ON due_id = id ORDER BY due_rank, turn, since, id
"""
_OLDEST = f"SELECT {COLUMNS} FROM cases WHERE due <= ? AND {_TAKEN} ORDER BY coalesce(oldest, due), id LIMIT ?"
_OPENINGS = f"""
    SELECT organization, profile, (
        SELECT facts FROM intents
        WHERE case_id = cases.id AND state = 'pending' AND kind = 'create' ORDER BY seq LIMIT 1
    ) AS lead
    FROM cases WHERE due <= ? AND incident IS NULL AND {_TAKEN} AND lead IS NOT NULL
    ORDER BY rank, coalesce(oldest, due), id LIMIT ?
"""


def fetch_due(sql: sqlite3.Connection, now: float, limit: int) -> list[CaseState]:
    """See DeliveryJournal.fetch_due."""
    rows = list(sql.execute(_DUE, (now, limit)))
    oldest = list(sql.execute(_OLDEST, (now, max(1, limit // 10))))
    order = {row[0]: row for row in _interleave(rows, oldest)}
    return [complete_case(sql, row) for row in list(order.values())[:limit]]


def _interleave(rows: Sequence[Any], oldest: Sequence[Any]) -> Iterable[Any]:
    """Every tenth turn goes to the oldest of all, so that none waits for ever."""
    old = iter(oldest)
    for position, row in enumerate(rows, 1):
        if position % 10 == 0:
            yield from (aged for aged in (next(old, None),) if aged is not None)
        yield row


def fetch_openings(sql: sqlite3.Connection, now: float, limit: int) -> list[Opening]:
    """See DeliveryJournal.fetch_openings."""
    rows = sql.execute(_OPENINGS, (now, limit))
    return [Opening(organization, profile, json.loads(facts)) for organization, profile, facts in rows]


def has_due(sql: sqlite3.Connection, now: float) -> bool:
    """Whether it is any case's turn."""
    return sql.execute(f"SELECT 1 FROM cases WHERE due <= ? AND {_TAKEN} LIMIT 1", (now,)).fetchone() is not None


def is_held(sql: sqlite3.Connection, case_id: int) -> bool:
    """Whether an operator holds the case's route back."""
    return sql.execute(_HELD, (case_id,)).fetchone() is not None


def fetch_looks(sql: sqlite3.Connection, now: float, limit: int) -> list[Attempt]:
    """See DeliveryJournal.fetch_looks."""
    rows = sql.execute(
        f"SELECT {ATTEMPT} FROM attempts WHERE look <= ? AND {_LOOKED} ORDER BY look, id LIMIT ?", (now, limit)
    )
    return [read_attempt(row) for row in rows]


def next_due(sql: sqlite3.Connection, *, looks: bool) -> float | None:
    """See DeliveryJournal.next_due."""
    due = sql.execute(f"SELECT due FROM cases WHERE due IS NOT NULL AND {_TAKEN} ORDER BY due LIMIT 1").fetchone()
    look = sql.execute(
        f"SELECT look FROM attempts WHERE look IS NOT NULL AND {_LOOKED} ORDER BY look LIMIT 1"
    ).fetchone()
    known = [] if due is None else [float(due[0])]
    known += [] if look is None or not looks else [look[0] + LOOK_TOGETHER_S]
    return min(known) if known else None
