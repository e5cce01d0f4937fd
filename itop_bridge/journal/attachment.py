"""Alerts that are to be attached to the incidents that they opened: a queue beside the cases, which come first."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from itop_bridge.journal.case import Settlement
from itop_bridge.journal.store import Store
from itop_bridge.journal.turn import has_due, is_held


@dataclass(frozen=True, slots=True)
class Attachment:
    """An alert as it came, and the incident that it belongs to."""

    id: int
    case_id: int
    case: str
    """The case's digest."""
    route: str
    event_id: int
    iclass: str
    incident: int
    ref: str
    most: int
    """Bytes of it that are attached."""
    tries: int
    payload: bytes | None
    """As much of it as is attached; None if it was pruned."""
    size: int
    """Bytes as sent."""
    is_unknown: bool
    """Whether it may be there: its outcome is not known."""


# what operators hold back stays due, and so does what a route writes that is in the shadow now
_NEXT = """
    SELECT attachments.id, case_id, cases.digest, cases.route, event_id, class, attachments.incident, attachments.ref,
        most, tries, substr(payload, 1, most), coalesce(size, 0), state = 'unknown'
    FROM attachments JOIN cases ON cases.id = case_id JOIN profiles ON profiles.hash = cases.profile
    LEFT JOIN events ON events.id = event_id
    WHERE attachments.due <= ? AND NOT json_extract(body, '$.policy.shadow')
    AND NOT EXISTS (SELECT 1 FROM pauses WHERE route IN (cases.route, '*'))
    ORDER BY attachments.due, attachments.id LIMIT 1
"""
# a number that iTop has given out again is another incident's
_RECORD = """
    INSERT INTO attachments (case_id, event_id, class, incident, ref, most, due)
    SELECT cases.id, event_id, json_extract(body, '$.writing.iclass'), :incident, :ref,
        json_extract(body, '$.policy.attach.most'), 0
    FROM cases JOIN profiles ON profiles.hash = cases.profile JOIN intents ON intents.case_id = cases.id
    WHERE cases.id = :case AND json_extract(body, '$.policy.attach.most') IS NOT NULL
    AND intents.state = 'pending' AND seq <= :through AND kind = 'create' ORDER BY seq LIMIT 1
    ON CONFLICT (class, incident) DO UPDATE SET
        case_id = excluded.case_id, event_id = excluded.event_id, ref = excluded.ref, most = excluded.most,
        state = 'pending', due = 0, tries = 0, detail = ''
    WHERE attachments.case_id <> excluded.case_id OR attachments.ref <> excluded.ref
"""


def record_attachment(sql: sqlite3.Connection, settlement: Settlement) -> None:
    """A case is about to be settled: if that is the creation of an incident, and its route wants it, the alert that
    opened it is owed to the incident. None of a shadow."""
    incident = settlement.changes.get("incident")
    is_created = settlement.state == "delivered" and settlement.reason == "create"
    if is_created and isinstance(incident, int) and incident > 0:
        ref = settlement.changes.get("ref", "")
        through = settlement.through
        sql.execute(_RECORD, {"case": settlement.case_id, "incident": incident, "ref": ref, "through": through})


class AttachmentJournal:
    """The queue."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def fetch_next(self) -> Attachment | None:
        """The next that is due, of those that are not held back; None if there is none."""
        now = self._clock()
        row = await self._store.read(lambda sql: sql.execute(_NEXT, (now,)).fetchone())
        return None if row is None else Attachment(*(*row[:-1], bool(row[-1])))

    async def has_due_cases(self) -> bool:
        """Whether a case waits for its turn."""
        now = self._clock()
        return await self._store.read(lambda sql: has_due(sql, now))

    async def may_send(self, case_id: int) -> bool:
        """False if an operator holds the case's route back."""
        return not await self._store.read(lambda sql: is_held(sql, case_id))

    async def settle(
        self, attachment_id: int, state: str, *, due: float | None, tries: int = 0, detail: str = ""
    ) -> None:
        """Set a state, and when it is to be looked at again (None: never). Raises JournalFullError."""
        values = (state, due, tries, detail[:2000], attachment_id)
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "UPDATE attachments SET state = ?, due = ?, tries = ?, detail = ? WHERE id = ?", values
                ).rowcount
            )
        )

    async def recover(self, look: float) -> int:
        """On start: what may be under way in iTop is looked for from `look` on, and not before. Times that lie ahead
        (the clock jumped) are clamped. Returns how many may be there."""
        return await self._store.write(lambda sql: _recover(sql, look))


def _recover(sql: sqlite3.Connection, look: float) -> int:
    sql.execute("UPDATE attachments SET due = :look WHERE state = 'pending' AND due > :look", {"look": look})
    return sql.execute("UPDATE attachments SET due = ? WHERE state = 'unknown' AND due IS NOT NULL", (look,)).rowcount
