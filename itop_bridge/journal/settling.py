"""How a case goes on: a write is about to be sent, settles what it covered, or fails; and what a crash left behind."""

import json
import sqlite3

from itop_bridge.crash_point import pass_point
from itop_bridge.journal.attachment import record_attachment
from itop_bridge.journal.case import Attempt, Draft, Settlement
from itop_bridge.journal.owed import CASE_COLUMNS


def record_attempt(sql: sqlite3.Connection, draft: Draft, now: float) -> Attempt:
    """A write that is about to be sent."""
    attempt_id = sql.execute(
        "INSERT INTO attempts (case_id, kind, token, incident, through, state, sent, message, effect)"
        " VALUES (?, ?, ?, ?, ?, 'in_flight', ?, ?, ?) RETURNING id",
        (
            draft.case_id,
            draft.kind,
            draft.token,
            draft.incident,
            draft.through,
            now,
            draft.message,
            json.dumps(draft.effect),
        ),
    ).fetchone()[0]
    return Attempt(
        attempt_id,
        draft.case_id,
        draft.kind,
        draft.token,
        draft.incident,
        draft.through,
        "in_flight",
        now,
        None,
        0,
        draft.message,
        draft.effect,
    )


def settle_case(sql: sqlite3.Connection, settlement: Settlement) -> None:
    """What was pending up to `through` is settled, with what follows for the case."""
    case_id, through = settlement.case_id, settlement.through
    if settlement.attempt is not None:
        sql.execute(
            "UPDATE attempts SET state = ?, look = ?, looks = looks + 1, incident = coalesce(incident, ?) WHERE id = ?",
            (settlement.attempt_state, settlement.look, settlement.changes.get("incident"), settlement.attempt),
        )
    record_attachment(sql, settlement)
    change_case(sql, case_id, dict(settlement.changes))
    # after the case: an intent's result names the incident that the case has now
    sql.execute(
        "UPDATE intents SET state = ?, reason = ?, attempt = ? WHERE case_id = ? AND state = 'pending' AND seq <= ?",
        (settlement.state, settlement.reason, settlement.attempt, case_id, through),
    )
    if settlement.state == "delivered":
        sql.execute("UPDATE cases SET told_seq = max(told_seq, ?) WHERE id = ?", (through, case_id))
    sql.execute("UPDATE cases SET failures = 0 WHERE id = ?", (case_id,))
    requeue_case(sql, case_id)
    pass_point("delivery.settled")


def change_case(sql: sqlite3.Connection, case_id: int, changes: dict[str, object]) -> None:
    """Set columns of a case. Raises ValueError if it has no such column."""
    if not changes:
        return
    unknown = changes.keys() - CASE_COLUMNS
    if unknown:
        raise ValueError(f"no such columns of a case: {sorted(unknown)}")
    values = [json.dumps(value) if isinstance(value, dict) else value for value in changes.values()]
    assignments = ", ".join(f"{name} = ?" for name in changes)
    sql.execute(f"UPDATE cases SET {assignments} WHERE id = ?", (*values, case_id))


def defer_case(sql: sqlite3.Connection, case_id: int, due: float, after: int, changes: dict[str, object]) -> None:
    """Put a case off, unless what landed after the intent `after` presses."""
    pressing = sql.execute(
        "SELECT 1 FROM intents JOIN cases ON cases.id = intents.case_id WHERE case_id = ? AND state = 'pending'"
        " AND seq > ? AND (kind = 'resolve' OR intents.urgency < coalesce(cases.urgency, 4)) LIMIT 1",
        (case_id, after),
    ).fetchone()
    change_case(sql, case_id, {**changes, "due": 0 if pressing else due})


def requeue_case(sql: sqlite3.Connection, case_id: int) -> None:
    """Its turn, by what it owes now."""
    oldest, rank = sql.execute(
        "SELECT min(received), min(urgency) FROM intents WHERE case_id = ? AND state = 'pending'", (case_id,)
    ).fetchone()
    # what is left, or came meanwhile, has its turn at once: the plan says when it is really due
    sql.execute(
        "UPDATE cases SET oldest = :oldest, rank = coalesce(:rank, 4),"
        " due = CASE WHEN :oldest IS NULL OR parked IS NOT NULL THEN NULL ELSE 0 END WHERE id = :case",
        {"oldest": oldest, "rank": rank, "case": case_id},
    )


def record_lost(sql: sqlite3.Connection, attempt: Attempt, now: float) -> None:
    """Its log entry is a dead letter."""
    sql.execute("UPDATE attempts SET state = 'confirmed', look = NULL WHERE id = ?", (attempt.id,))
    sql.execute(
        "INSERT INTO dead_letters (case_id, route, reason, detail, at)"
        " SELECT id, route, 'entry_lost', ?, ? FROM cases WHERE id = ?",
        (attempt.message, now, attempt.case_id),
    )


def park_case(sql: sqlite3.Connection, case_id: int, letter: tuple[object, ...]) -> None:
    """`letter`: reason, field, detail, time."""
    sql.execute("UPDATE cases SET parked = ?, due = NULL WHERE id = ?", (letter[0], case_id))
    sql.execute(
        "INSERT INTO dead_letters (case_id, route, reason, field, detail, at)"
        " SELECT id, route, ?, ?, ?, ? FROM cases WHERE id = ?",
        (*letter, case_id),
    )


def release_parked(sql: sqlite3.Connection, now: float) -> int:
    """All parked cases have their turn. Returns how many."""
    # an entry that was lost stays lost, whatever becomes of its case
    sql.execute(
        "UPDATE dead_letters SET state = 'retried', settled = ? WHERE state = 'open' AND reason <> 'entry_lost'"
        " AND case_id IN (SELECT id FROM cases WHERE parked IS NOT NULL)",
        (now,),
    )
    return sql.execute("UPDATE cases SET parked = NULL, failures = 0, due = 0 WHERE parked IS NOT NULL").rowcount


# the four states are those of the index `attempts_open`: the table has every write of `journal.keep`
LEFT_IN_FLIGHT = """
    UPDATE attempts SET state = 'unknown', look = ?
    WHERE state = 'in_flight' AND state IN ('in_flight', 'unknown', 'applied', 'absent')
"""


def recover_all(sql: sqlite3.Connection, now: float, look: float, latest_due: float) -> int:
    """See DeliveryJournal.recover."""
    found = sql.execute(LEFT_IN_FLIGHT, (look,)).rowcount
    release_parked(sql, now)
    sql.execute("UPDATE attempts SET look = :latest WHERE look > :latest", {"latest": latest_due})
    sql.execute("UPDATE cases SET due = :latest WHERE due > :latest", {"latest": latest_due})
    _clamp(sql, now, look)
    return found


def _clamp(sql: sqlite3.Connection, now: float, look: float) -> None:
    """What lies ahead was written before the clock was put back: nothing waits for that hour to pass again."""
    sql.execute(
        "UPDATE attempts SET sent = :now, look = :look WHERE look IS NOT NULL AND state = 'unknown' AND sent > :now",
        {"now": now, "look": look},
    )
    sql.execute(
        "UPDATE cases SET told_at = min(told_at, :now), changed_at = min(changed_at, :now),"
        " replaced_at = min(replaced_at, :now), due = CASE WHEN due IS NOT NULL THEN 0 END"
        " WHERE max(told_at, changed_at, replaced_at) > :now",
        {"now": now},
    )
