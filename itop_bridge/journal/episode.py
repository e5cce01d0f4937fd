"""How episodes of alerts end other than by a resolve: a person dealt with them, or nothing was heard of them."""

import sqlite3

from itop_bridge.journal.settling import requeue_case

# an episode was told if its first intent was, and began when that was received
_THEIRS = """
    {0}.first_seq <= (SELECT told_seq FROM cases WHERE id = :case)
    AND coalesce((SELECT began.received FROM intents AS began WHERE began.seq = {0}.first_seq), 0) <= :dealt
"""
_HANDLE = f"""
    UPDATE alerts SET handled = 1
    WHERE case_id = :case AND state IN ('firing', 'expired') AND one_shot = 0 AND handled = 0
    AND {_THEIRS.format("alerts")}
"""
_DROP_HANDLED = f"""
    UPDATE intents SET state = 'dropped', reason = 'handled_by_person'
    WHERE case_id = :case AND state = 'pending' AND kind <> 'resolve' AND first_seq < seq
    AND {_THEIRS.format("intents")}
"""


def mark_handled(sql: sqlite3.Connection, case_id: int, dealt_at: float | None) -> bool:
    """See DeliveryJournal.mark_handled."""
    theirs = {"case": case_id, "dealt": 2.0**62 if dealt_at is None else dealt_at}
    handled = sql.execute(_HANDLE, theirs).rowcount
    dropped = sql.execute(_DROP_HANDLED, theirs).rowcount
    return handled + dropped > 0


_EXPIRED = """
    SELECT alerts.scope, alerts.id, alerts.case_id, alerts.first_seq, json_extract(body, '$.policy.expired')
    FROM alerts JOIN cases ON cases.id = alerts.case_id JOIN profiles ON profiles.hash = cases.profile
    WHERE alerts.state = 'firing' AND alerts.one_shot = 0
    AND alerts.heard < ? - json_extract(body, '$.policy.firing_expires') LIMIT ?
"""
_RESOLVE_EXPIRED = """
    INSERT OR IGNORE INTO intents
        (event_id, idx, n, case_id, kind, state, reason, received, urgency, impact, alert_id, first_seq, facts)
    SELECT event_id, idx, n + 1000, ?, 'resolve', 'pending', 'expired', ?, 4, 3, alert_id, first_seq, facts
    FROM intents WHERE seq = ?
"""


def any_expired(sql: sqlite3.Connection, now: float) -> bool:
    """Whether nothing was heard for too long of any: the reader may search long for it, the writer may not."""
    return sql.execute(_EXPIRED, (now, 1)).fetchone() is not None


def expire_firing(sql: sqlite3.Connection, now: float, most: int) -> int:
    """End at most so many. Returns how many."""
    expired = list(sql.execute(_EXPIRED, (now, most)))
    for scope, alert_id, case_id, first_seq, manner in expired:
        state = "resolved" if manner == "resolve" else "expired"  # of which a resolve may still come
        sql.execute("UPDATE alerts SET state = ? WHERE scope = ? AND id = ?", (state, scope, alert_id))
        if manner == "resolve":
            sql.execute(_RESOLVE_EXPIRED, (case_id, now, first_seq))
            requeue_case(sql, case_id)
    return len(expired)
