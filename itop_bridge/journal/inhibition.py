"""Which alerts hold others back: the sources of `inhibit` that fire, as the journal knows them."""

import sqlite3

from itop_bridge.journal.landing import Bearing


def is_inhibited(sql: sqlite3.Connection, bearing: Bearing) -> bool:
    """True if a source fires that the alert is a target of.

    Of two alerts that are both sources and targets of a rule, neither inhibits the other; nor does one inhibit itself.
    """
    query = "SELECT 1 FROM inhibitors WHERE key = ? AND until > ? AND NOT (mutual AND ?) LIMIT 1"
    return any(
        sql.execute(query, (tie.key, bearing.received, tie.mutual)).fetchone() is not None for tie in bearing.targets
    )


def record_bearing(sql: sqlite3.Connection, bearing: Bearing) -> None:
    """The alert inhibits from now on as it says, and no longer as it said before."""
    alert = (bearing.scope, bearing.alert_id)
    sql.execute("DELETE FROM inhibitors WHERE scope = ? AND id = ?", alert)
    sql.executemany(
        "INSERT OR REPLACE INTO inhibitors (key, scope, id, mutual, until) VALUES (?, ?, ?, ?, ?)",
        [(tie.key, *alert, tie.mutual, bearing.received + tie.hold_s) for tie in bearing.sources],
    )


def release_alerts(sql: sqlite3.Connection, case_id: int) -> None:
    """The alerts of a case inhibit nothing any more."""
    sql.execute(
        "DELETE FROM inhibitors WHERE (scope, id) IN (SELECT scope, id FROM alerts WHERE case_id = ?)", (case_id,)
    )


def prune_inhibitors(sql: sqlite3.Connection, now: float) -> None:
    """Remove those that are over."""
    sql.execute("DELETE FROM inhibitors WHERE until <= ?", (now,))
