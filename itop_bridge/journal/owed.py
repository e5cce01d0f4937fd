"""What a case is, and what it owes, as it stands in the journal."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from itop_bridge.journal.case import Attempt, CaseState, Owing

S = TypeVar("S")

COLUMNS = (
    "id, key, digest, organization, profile, incident, ref, urgency, agent, resolved, entries, log_full,"
    " reopened, told, told_at, told_seq, interval_s, changed_at, previous, replaced_at, failures, parked, resolution,"
    " flaps_until, storm"
)
CASE_COLUMNS = frozenset(COLUMNS.replace(" ", "").split(",")) | {"due"}
ATTEMPT = "id, case_id, kind, token, incident, through, state, sent, look, looks, message, effect"


def load_case(sql: sqlite3.Connection, case_id: int) -> CaseState:
    """A case as it is now."""
    return complete_case(sql, sql.execute(f"SELECT {COLUMNS} FROM cases WHERE id = ?", (case_id,)).fetchone())


def complete_case(sql: sqlite3.Connection, row: tuple[Any, ...]) -> CaseState:
    """A case of a row of COLUMNS."""
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    values["told"] = json.loads(values["told"])
    values["resolved"] = bool(values["resolved"])
    values["log_full"] = bool(values["log_full"])
    values["storm"] = bool(values["storm"])
    case_id = values["id"]
    return CaseState(**values, attempts=_open_attempts(sql, case_id), firing=count_firing(sql, case_id))


def _open_attempts(sql: sqlite3.Connection, case_id: int) -> tuple[Attempt, ...]:
    """The attempts whose tokens matter: not settled, to be looked for again, or sent for an intent still pending."""
    oldest = "SELECT min(seq) FROM intents WHERE case_id = ? AND state = 'pending'"
    first = sql.execute(oldest, (case_id,)).fetchone()[0]
    rows = sql.execute(
        f"SELECT {ATTEMPT} FROM attempts WHERE case_id = ? AND state IN ('in_flight', 'unknown', 'applied', 'absent')"
        " AND (state <> 'absent' OR through >= ?) ORDER BY id",
        (case_id, first if first is not None else 2**62),
    )
    return tuple(read_attempt(row) for row in rows)


def read_attempt(row: tuple[Any, ...]) -> Attempt:
    """An attempt of a row of ATTEMPT."""
    values = (*row[:-1], json.loads(row[-1]))
    return Attempt(*values)


def count_firing(sql: sqlite3.Connection, case_id: int) -> int:
    """Alerts of the case that fire now and that no person has dealt with."""
    row = sql.execute(
        "SELECT count(*) FROM alerts WHERE case_id = ? AND state = 'firing' AND one_shot = 0 AND handled = 0",
        (case_id,),
    ).fetchone()
    return int(row[0])


def fold_pending(sql: sqlite3.Connection, span: tuple[int, int, int], fold: Callable[[S, Owing], S], state: S) -> S:
    """The pending intents of a span (case, after one, through another), in order."""
    rows = sql.execute(
        "SELECT seq, kind, received, urgency, impact, facts FROM intents"
        " WHERE case_id = ? AND state = 'pending' AND seq > ? AND seq <= ? ORDER BY seq",
        span,
    )
    for seq, kind, received, urgency, impact, facts in rows:
        state = fold(state, Owing(seq, kind, received, urgency, impact, json.loads(facts)))
    return state


# a resolve that waits, or waited, for its alert is no change
_CHANGES = """
    SELECT received FROM (
        SELECT seq, received, kind = 'resolve' AS ends, lag(kind = 'resolve') OVER (ORDER BY seq) AS ended
        FROM intents WHERE case_id = ? AND received > ? AND until IS NULL
    ) WHERE ends <> ended ORDER BY seq
"""


def fetch_changes(sql: sqlite3.Connection, case_id: int, after: float) -> list[float]:
    """When alerts of the case changed between firing and resolved."""
    resolved = sql.execute(
        "SELECT 1 FROM intents WHERE case_id = ? AND received > ? AND kind = 'resolve' LIMIT 1", (case_id, after)
    ).fetchone()
    return [float(row[0]) for row in sql.execute(_CHANGES, (case_id, after))] if resolved else []
