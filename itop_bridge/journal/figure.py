"""What waits in the journal, as numbers: cheap enough to be asked every few seconds."""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from itop_bridge.journal.retry import WAS_DROPPED
from itop_bridge.journal.store import Store

# of the attempts only those of the index `attempts_open` are looked at, which names its four states
_BACKLOG = """
    SELECT
        max(0, coalesce((SELECT max(id) FROM events), 0)
            - coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0)) AS waiting,
        (SELECT count(*) FROM intents WHERE state = 'pending') AS pending,
        (SELECT count(*) FROM cases JOIN intents ON case_id = cases.id AND state = 'pending'
            WHERE parked IS NOT NULL) AS pending_parked,
        (SELECT count(*) FROM cases WHERE due IS NOT NULL) AS cases,
        (SELECT min(oldest) FROM cases WHERE due IS NOT NULL) AS oldest,
        (SELECT count(*) FROM cases WHERE parked IS NOT NULL) AS parked,
        (SELECT count(*) FROM cases WHERE incident IS NOT NULL AND NOT resolved AND parked IS NULL) AS open,
        (SELECT count(*) FROM attempts WHERE state IN ('in_flight', 'unknown', 'applied', 'absent')
            AND state = 'unknown') AS unverified,
        (SELECT count(*) FROM attempts WHERE state IN ('in_flight', 'unknown', 'applied', 'absent')
            AND state = 'in_flight') AS in_flight,
        (SELECT count(*) FROM dead_letters WHERE state = 'open') AS dead_letters
"""

_BACKOFF_S = 300.0
"""What failed is put off for so long at most; what is due later waits by design."""

# Nothing here waits by design. A new case is late from the end of its `group_wait` on, however often it was put off
# since; any other one from its turn on (0: it came this moment).
_LATE = """
    WITH waits (hash, wait_s) AS MATERIALIZED (
        SELECT hash, coalesce(json_extract(body, '$.policy.group_wait'), 0) FROM profiles
    )
    SELECT rank, count(*) FILTER (WHERE incident IS NULL), min(since) FROM (
        SELECT rank, incident, CASE WHEN incident IS NULL THEN oldest + wait_s ELSE due END AS since
        FROM cases JOIN waits ON hash = profile
        WHERE due <= :now + :backoff AND parked IS NULL AND (CASE WHEN incident IS NULL THEN oldest ELSE due END) > 0
    ) WHERE since <= :now GROUP BY rank
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

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def fetch_backlog(self) -> dict[str, Any]:
        """`waiting` events for triage, `pending` intents of so many `cases` that are due, the `oldest` of them (seconds
        since the epoch, or None), `pending_parked` of them of so many `parked` cases, `open` cases, `unverified`
        writes and those `in_flight`, open `dead_letters`. `late`, by urgency ("1" to "4", where there are any): so many
        `cases` without an incident, and since when the `oldest` of what is owed by now is late."""
        now = self._clock()
        return await self._store.read(lambda sql: {**_fetch_row(sql, _BACKLOG), "late": _fetch_late(sql, now)})

    async def fetch_outcomes(self, letters: Sequence[int]) -> dict[str, int]:
        """What became of dead letters that were tried again: how many elements `landed`, were `dropped`, are `dead`
        again, or are still `retrying`; and how many cases are `released` to delivery."""
        ids = json.dumps(list(letters))
        return await self._store.read(lambda sql: _fetch_row(sql, _OUTCOMES, ids))


def _fetch_late(sql: sqlite3.Connection, now: float) -> dict[str, dict[str, float]]:
    rows = sql.execute(_LATE, {"now": now, "backoff": _BACKOFF_S})
    return {str(urgency): {"cases": cases, "oldest": since} for urgency, cases, since in rows}


def _fetch_row(sql: sqlite3.Connection, query: str, *values: object) -> dict[str, Any]:
    cursor = sql.execute(query, values)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))
