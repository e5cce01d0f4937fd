"""What waits in the journal, as numbers: cheap enough to be asked every few seconds."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from itop_bridge.journal.retry import WAS_DROPPED
from itop_bridge.journal.store import Store

# of the attempts only those of the index `attempts_open` are looked at, which names its four states
_BACKLOG = """
    SELECT
        max(0, coalesce((SELECT max(id) FROM events), 0)
            - coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0)) AS waiting,
        (SELECT count(*) FROM intents WHERE state = 'pending') AS pending,
        (SELECT count(*) FROM cases WHERE due IS NOT NULL) AS cases,
        (SELECT min(oldest) FROM cases WHERE due IS NOT NULL) AS oldest,
        (SELECT count(*) FROM cases WHERE parked IS NOT NULL) AS parked,
        (SELECT count(*) FROM cases WHERE incident IS NOT NULL AND NOT resolved AND parked IS NULL) AS open,
        (SELECT count(*) FROM attempts WHERE state IN ('in_flight', 'unknown', 'applied', 'absent')
            AND state IN ('in_flight', 'unknown')) AS unverified,
        (SELECT count(*) FROM dead_letters WHERE state = 'open') AS dead_letters
"""

# an element that was tried again and dropped has its drop
_OUTCOMES = f"""
    SELECT
        count(*) FILTER (WHERE state = 'retried' AND event_id IS NOT NULL AND NOT was_dropped) AS landed,
        count(*) FILTER (WHERE state = 'retried' AND event_id IS NOT NULL AND was_dropped) AS dropped,
        count(*) FILTER (WHERE state = 'retried' AND event_id IS NULL) AS released,
        count(*) FILTER (WHERE state = 'open') AS dead,
        count(*) FILTER (WHERE state = 'retrying') AS retrying
    FROM (
        SELECT state, event_id, {WAS_DROPPED.format(letter="dead_letters")} AS was_dropped FROM dead_letters
        WHERE dead_letters.id IN (SELECT value FROM json_each(?))
    )
"""


class Figures:
    """Counts of what is owed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def fetch_backlog(self) -> dict[str, Any]:
        """`waiting` events for triage, `pending` intents of so many `cases`, the `oldest` of them (seconds since the
        epoch, or None), `parked` cases, `open` ones, `unverified` writes, open `dead_letters`."""
        return await self._store.read(lambda sql: _fetch_row(sql, _BACKLOG))

    async def fetch_outcomes(self, letters: Sequence[int]) -> dict[str, int]:
        """What became of dead letters that were tried again: how many elements `landed`, were `dropped`, are `dead`
        again, or are still `retrying`; and how many cases are `released` to delivery."""
        ids = json.dumps(list(letters))
        return await self._store.read(lambda sql: _fetch_row(sql, _OUTCOMES, ids))


def _fetch_row(sql: sqlite3.Connection, query: str, *values: object) -> dict[str, Any]:
    cursor = sql.execute(query, values)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))
