"""Shadow incidents: what the bridge would have made of its cases, kept where iTop would keep it."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from itop_bridge.journal.case import Draft, Settlement

PREFIX = "shadow-"


@dataclass(frozen=True, slots=True)
class ShadowIncident:
    """An incident that is not in iTop. Times are seconds since the epoch."""

    id: int
    """Below zero: no id of iTop's is."""
    status: str
    org: int
    urgency: int
    title: str
    changed: float
    resolved: float | None

    @property
    def ref(self) -> str:
        return f"{PREFIX}{-self.id}"


@dataclass(frozen=True, slots=True)
class ShadowWrite:
    """A write that is kept instead of sent, and what the incident is like after it."""

    draft: Draft
    settlement: Settlement
    created: ShadowIncident | None = None
    """Of a create; its id is not known yet."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Columns of `shadows`, for what is no create."""


def is_shadow(incident: int | None) -> bool:
    """True for the id of an incident that is not in iTop."""
    return incident is not None and incident < 0


def load_shadows(sql: sqlite3.Connection, ids: Iterable[int]) -> dict[int, ShadowIncident]:
    """The shadow incidents among `ids`, by id."""
    rows = sql.execute(
        "SELECT -id, status, org, urgency, title, changed, resolved FROM shadows"
        " WHERE id IN (SELECT -value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return {row[0]: ShadowIncident(*row) for row in rows}


def record_shadow(sql: sqlite3.Connection, write: ShadowWrite, now: float) -> Settlement:
    """Keep a write. Returns how its case is to be settled, in the same commit."""
    draft, settlement = write.draft, write.settlement
    incident = draft.incident
    if write.created is not None:
        incident = _insert(sql, write.created)
        own = {"incident": incident, "ref": replace(write.created, id=incident).ref, "agent": 0}
        settlement = replace(settlement, changes={**settlement.changes, **own})
    elif write.changes:
        columns = ", ".join(f"{name} = ?" for name in write.changes)
        sql.execute(f"UPDATE shadows SET {columns} WHERE id = ?", (*write.changes.values(), -(incident or 0)))
    attempt = sql.execute(
        "INSERT INTO attempts (case_id, kind, token, incident, through, state, sent, message, effect)"
        " VALUES (?, ?, ?, ?, ?, 'shadowed', ?, ?, '{}') RETURNING id",
        (draft.case_id, draft.kind, draft.token, incident, draft.through, now, draft.message),
    ).fetchone()[0]
    return replace(settlement, attempt=attempt, attempt_state="shadowed")


def _insert(sql: sqlite3.Connection, incident: ShadowIncident) -> int:
    row = sql.execute(
        "INSERT INTO shadows (status, org, urgency, title, changed, resolved) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        (incident.status, incident.org, incident.urgency, incident.title, incident.changed, incident.resolved),
    ).fetchone()
    return -int(row[0])


def leave_shadow(sql: sqlite3.Connection, case_id: int) -> None:
    """The case has no incident any more, and nothing was told of it: iTop knows nothing of a shadow."""
    sql.execute(
        "UPDATE cases SET incident = NULL, ref = NULL, urgency = NULL, agent = 0, resolved = 0, resolution = NULL,"
        " entries = 0, log_full = 0, reopened = 0, told = '{}', told_at = 0, told_seq = 0, interval_s = 0,"
        " flaps_until = 0, changed_at = 0, previous = NULL, replaced_at = 0 WHERE id = ? AND incident < 0",
        (case_id,),
    )
