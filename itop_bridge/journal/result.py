"""Results: what became of alerts, in the journal until the broker has it. The schema's triggers record them."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from itop_bridge.crash_point import pass_point
from itop_bridge.journal.store import Store

WHO_ASKS = "*"
"""Stands in `answered` for every sender that names a response topic."""

MOST_TRIMMED = 500
"""Rows that one commit removes of what is over the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an alert by one of its routes. Times are seconds since the epoch."""

    id: int
    """Grows with each result."""
    event_id: int
    index: int
    part: int | None
    """Counts what a factory asked for by this alert; None if it never came so far."""
    alert_id: str | None
    """As its SIEM gave it."""
    route: str | None
    by_route: bool
    """Whether the route publishes its results; else only who asked is answered."""
    case: str | None
    """The key in the incident's title."""
    outcome: str
    """delivered, shadowed, dropped or dead."""
    action: str | None
    """What was done in iTop: create, append, resolve or reopen."""
    reason: str | None
    incident: int | None
    """Its id in iTop; None where there is none, and for one that only would have been."""
    ref: str | None
    iclass: str | None
    """The incident's class in iTop."""
    received: float | None
    settled: float
    response_topic: str | None
    correlation: bytes | None


_NEXT = """
    SELECT results.id, results.event_id, results.idx, intents.n, facts, results.alert_id, results.route, by_route,
        cases.digest, outcome, action, results.reason, results.incident, results.ref,
        json_extract(body, '$.writing.iclass') AS iclass,
        coalesce(events.received, intents.received) AS received, settled, response_topic, correlation
    FROM results
    LEFT JOIN events ON events.id = results.event_id
    LEFT JOIN intents ON intents.seq = results.intent
    LEFT JOIN cases ON cases.id = results.case_id
    LEFT JOIN profiles ON profiles.hash = cases.profile
    ORDER BY results.id LIMIT ?
"""
# ids are given without a gap, and go from the oldest on
_WAITING = "SELECT coalesce((SELECT max(id) FROM results) - (SELECT min(id) FROM results) + 1, 0)"
_TRIM = "DELETE FROM results WHERE id <= (SELECT max(id) FROM results) - ? AND id < (SELECT min(id) FROM results) + ?"


class ResultJournal:
    """What is to be told, in the order in which it was settled."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record_answered(self, routes: Iterable[str], *, who_asks: bool) -> None:
        """From now on results are recorded of these routes, and, with `who_asks`, of what names a response topic."""
        wanted = {*routes, *([WHO_ASKS] if who_asks else [])}
        await self._store.write(lambda sql: _record_answered(sql, wanted))

    async def fetch_next(self, limit: int) -> list[Result]:
        """The oldest of what is not told."""
        return await self._store.read(lambda sql: [_read(row) for row in sql.execute(_NEXT, (limit,))])

    async def count_waiting(self) -> int:
        """How many are not told."""
        return int(await self._store.read(lambda sql: sql.execute(_WAITING).fetchone()[0]))

    async def settle_through(self, result_id: int) -> None:
        """Those up to this one were told."""
        await self._store.write(lambda sql: _settle_through(sql, result_id))

    async def trim(self, most: int) -> int:
        """Give up the oldest, so that about `most` are left; not too many at once. Returns how many it gave up."""
        return await self._store.write(lambda sql: sql.execute(_TRIM, (most, MOST_TRIMMED)).rowcount)


def _record_answered(sql: sqlite3.Connection, wanted: set[str]) -> None:
    if wanted != {route for (route,) in sql.execute("SELECT route FROM answered")}:
        sql.execute("DELETE FROM answered")
        sql.executemany("INSERT INTO answered (route) VALUES (?)", [(route,) for route in sorted(wanted)])


def _settle_through(sql: sqlite3.Connection, result_id: int) -> None:
    sql.execute("DELETE FROM results WHERE id <= ?", (result_id,))
    pass_point("results.settled")


def _read(row: tuple[Any, ...]) -> Result:
    (id_, event_id, index, part, facts, alert_id, route, by_route, case, outcome, action, reason, incident, ref, iclass,
     received, settled, response_topic, correlation) = row  # fmt: skip
    return Result(
        id=id_,
        event_id=event_id,
        index=index,
        part=part,
        alert_id=alert_id if facts is None else orjson.loads(facts).get("id"),
        route=route or None,
        by_route=bool(by_route),
        case=case,
        outcome=outcome,
        action=action,
        reason=reason,
        incident=incident if incident is not None and incident > 0 else None,
        ref=ref,
        iclass=iclass,
        received=received,
        settled=settled,
        response_topic=response_topic,
        correlation=correlation,
    )
