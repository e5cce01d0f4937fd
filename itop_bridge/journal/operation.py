"""What operators do to the journal: dead letters tried again or given up, routes held back, cases resolved."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from itop_bridge.journal.inhibition import release_alerts
from itop_bridge.journal.store import Store

EVERY_ROUTE = "*"
_OPERATOR_N = 1_000_000
"""An operator's resolve has the event and index of the case's last intent, and a number from here on: what a factory
makes of an alert, and what stands for its expiry, lie below."""


class Operations:
    """Each operation is one commit, and may be done again: what is done already is not counted, and left alone.

    `on_due` is called when delivery may have something to do, `on_retry` when triage has.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        on_due: Callable[[], None] = lambda: None,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_due = on_due
        self._on_retry = on_retry

    async def retry_letters(self, ids: Sequence[int]) -> int:
        """Try open dead letters again. Returns how many: those that are not open are left alone.

        An element is mapped anew by triage, with the configuration of then, which settles the letter. A parked case has
        its turn again. An entry that was lost is looked for, and written again if it is not there.
        """
        now = self._clock()
        changed = await self._store.write(lambda sql: _each(ids, lambda letter: _retry_letter(sql, letter, now)))
        if changed:
            self._on_retry()
            self._on_due()
        return changed

    async def drop_letters(self, ids: Sequence[int]) -> int:
        """Give open dead letters up. Returns how many: those that are not open are left alone.

        What a parked case owes is dropped as `dead_letter_dropped`; what comes for it later goes on as usual.
        """
        now = self._clock()
        changed = await self._store.write(lambda sql: _each(ids, lambda letter: _drop_letter(sql, letter, now)))
        if changed:
            self._on_due()  # delivery tells whether any case is parked still
        return changed

    async def pause(self, route: str | None) -> bool:
        """Hold the delivery of a route back, or of all (None); calls under way end normally. False if it was so."""
        row = (EVERY_ROUTE if route is None else route, self._clock())
        return await self._change_pauses("INSERT OR IGNORE INTO pauses (route, since) VALUES (?, ?)", row)

    async def resume(self, route: str | None) -> bool:
        """End the pause of a route, or the one of all (None): each is ended by itself. False if there was none."""
        row = (EVERY_ROUTE if route is None else route,)
        return await self._change_pauses("DELETE FROM pauses WHERE route = ?", row)

    async def _change_pauses(self, statement: str, row: tuple[object, ...]) -> bool:
        changed = await self._store.write(lambda sql: sql.execute(statement, row).rowcount > 0)
        self._on_due()  # also to tell of it
        return changed

    async def fetch_pauses(self) -> dict[str, float]:
        """The routes that are held back ('*' is every route), and since when, in seconds since the epoch."""
        return await self._store.read(lambda sql: dict(sql.execute("SELECT route, since FROM pauses ORDER BY route")))

    async def find_resolvable(self, route: str, since: float) -> list[int]:
        """The cases of a route whose incident is open, as far as is known, and was opened since `since`.

        That is when its creation was sent; of an incident that was found in iTop, when the case began.
        """
        return await self._store.read(lambda sql: [row[0] for row in sql.execute(_RESOLVABLE, (route, since))])

    async def resolve_cases(self, ids: Sequence[int]) -> int:
        """Resolve cases as if the SIEM had resolved all their alerts: delivery does the rest, by their route's rules.

        Returns how many owe that now, whether they were asked before or not; a case that is parked, or has no open
        incident, is left alone.
        """
        now = self._clock()
        changed = await self._store.write(lambda sql: _each(ids, lambda case_id: _resolve_case(sql, case_id, now)))
        if changed:
            self._on_due()
        return changed

    async def count_owed(self, ids: Sequence[int]) -> int:
        """How many of these cases still owe what `resolve_cases` asked for."""
        return await self._store.read(lambda sql: int(sql.execute(_OWED, (json.dumps(list(ids)),)).fetchone()[0]))


def _each(ids: Sequence[int], change: Callable[[int], bool]) -> int:
    return sum(change(each) for each in ids)


# dead letters

_LETTER = "SELECT event_id, case_id, reason, detail FROM dead_letters WHERE id = ? AND state = 'open'"
_SETTLE = "UPDATE dead_letters SET state = ?, settled = ? WHERE id = ?"


def _retry_letter(sql: sqlite3.Connection, letter: int, now: float) -> bool:
    row = sql.execute(_LETTER, (letter,)).fetchone()
    if row is None:
        return False
    event_id, case_id, reason, detail = row
    if event_id is not None:
        sql.execute("UPDATE dead_letters SET state = 'retrying' WHERE id = ?", (letter,))
        return True
    if reason == "entry_lost":
        if not _look_again(sql, case_id, detail, now):
            return False
    else:
        _unpark(sql, case_id, due=0)
    sql.execute(_SETTLE, ("retried", now, letter))
    return True


def _drop_letter(sql: sqlite3.Connection, letter: int, now: float) -> bool:
    row = sql.execute(_LETTER, (letter,)).fetchone()
    if row is None:
        return False
    _, case_id, reason, _ = row
    if case_id is not None and reason != "entry_lost" and _unpark(sql, case_id, due=None):
        sql.execute(
            "UPDATE intents SET state = 'dropped', reason = 'dead_letter_dropped'"
            " WHERE case_id = ? AND state = 'pending'",
            (case_id,),
        )
        sql.execute("UPDATE cases SET oldest = NULL, rank = 4 WHERE id = ?", (case_id,))
    sql.execute(_SETTLE, ("dropped", now, letter))
    return True


def _unpark(sql: sqlite3.Connection, case_id: int, *, due: float | None) -> bool:
    unparked = "UPDATE cases SET parked = NULL, failures = 0, due = ? WHERE id = ? AND parked IS NOT NULL"
    return sql.execute(unparked, (due, case_id)).rowcount > 0


def _look_again(sql: sqlite3.Connection, case_id: int, message: str, now: float) -> bool:
    """Its token tells the entry from every other: the letter has the whole of it."""
    looked = "UPDATE attempts SET state = 'applied', looks = 0, look = ? WHERE case_id = ? AND message = ?"
    return sql.execute(looked, (now, case_id, message)).rowcount > 0


# cases

_OPENED = """
    coalesce((SELECT max(sent) FROM attempts
              WHERE case_id = cases.id AND kind = 'create' AND attempts.incident = cases.incident), opened)
"""
_RESOLVABLE = f"""
    SELECT id FROM cases WHERE route = ? AND incident IS NOT NULL AND resolved = 0 AND parked IS NULL AND {_OPENED} >= ?
    ORDER BY id
"""
_ASKED = "SELECT 1 FROM intents WHERE case_id = {} AND state = 'pending' AND kind = 'resolve' AND reason = 'operator'"
_OWED = f"SELECT count(*) FROM json_each(?) AS asked WHERE EXISTS ({_ASKED.format('asked.value')})"
_LAST = """
    SELECT event_id, idx, alert_id, first_seq, facts FROM intents
    WHERE case_id = (SELECT id FROM cases WHERE id = ? AND incident IS NOT NULL AND resolved = 0 AND parked IS NULL)
    ORDER BY seq DESC LIMIT 1
"""
_RESOLVE = """
    INSERT INTO intents
        (event_id, idx, n, case_id, kind, state, reason, received, urgency, impact, alert_id, first_seq, facts)
    VALUES (
        :event, :idx,
        (SELECT coalesce(max(n) + 1, :n) FROM intents WHERE event_id = :event AND idx = :idx AND n >= :n),
        :case, 'resolve', 'pending', 'operator', :now, 4, 3, :alert, :first, :facts
    )
"""


def _resolve_case(sql: sqlite3.Connection, case_id: int, now: float) -> bool:
    last = sql.execute(_LAST, (case_id,)).fetchone()
    if last is None:
        return False
    if sql.execute(_ASKED.format("?"), (case_id,)).fetchone():
        return True
    event_id, index, alert_id, first_seq, facts = last
    sql.execute(
        "UPDATE alerts SET state = 'resolved' WHERE case_id = ? AND state = 'firing' AND one_shot = 0 AND handled = 0",
        (case_id,),
    )
    release_alerts(sql, case_id)
    sql.execute(
        _RESOLVE,
        {
            "event": event_id,
            "idx": index,
            "n": _OPERATOR_N,
            "case": case_id,
            "now": now,
            "alert": alert_id,
            "first": first_seq,
            "facts": _resolved(orjson.loads(facts)),
        },
    )
    # one that backs off after failures keeps its time
    sql.execute(
        "UPDATE cases SET oldest = coalesce(oldest, ?),"
        " due = CASE WHEN failures > 0 AND due IS NOT NULL THEN due ELSE 0 END WHERE id = ?",
        (now, case_id),
    )
    return True


def _resolved(facts: dict[str, Any]) -> bytes:
    """The alert for the texts; its notes say who resolved it."""
    return orjson.dumps({**facts, "state": "resolved", "notes": [*facts.get("notes", ()), "resolved_by_operator"]})
