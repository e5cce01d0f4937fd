"""Delivery's side of the journal: cases whose turn it is, what they owe, and the attempts to settle it."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import JournalFullError
from itop_bridge.journal.case import Attempt, CaseState, Draft, Opening, Owing, Settlement
from itop_bridge.journal.shadow import ShadowIncident, ShadowWrite, leave_shadow, load_shadows, record_shadow
from itop_bridge.journal.store import Store
from itop_bridge.journal.storm import StormCount, Umbrella, fetch_storm_count, fetch_umbrella

S = TypeVar("S")

LOOK_TOGETHER_S = 2.0
"""A look that is due waits so long for others to share its call."""

_COLUMNS = (
    "id, key, digest, organization, profile, incident, ref, urgency, agent, resolved, entries, log_full,"
    " reopened, told, told_at, told_seq, interval_s, changed_at, previous, replaced_at, failures, parked, resolution,"
    " flaps_until, storm"
)
_CASE_COLUMNS = frozenset(_COLUMNS.replace(" ", "").split(",")) | {"due"}
_ATTEMPT = "id, case_id, kind, token, incident, through, state, sent, look, looks, message, effect"

# what operators hold back stays due, and is not taken: see journal/operation.py
_TAKEN = """
    parked IS NULL AND route NOT IN (SELECT route FROM pauses) AND NOT EXISTS (SELECT 1 FROM pauses WHERE route = '*')
"""
_LOOKED = """
    NOT EXISTS (SELECT 1 FROM cases JOIN pauses ON pauses.route IN (cases.route, '*') WHERE cases.id = case_id)
"""
_HELD = "SELECT 1 FROM cases JOIN pauses ON pauses.route IN (cases.route, '*') WHERE cases.id = ?"

# By urgency; within it the organisations in turn, oldest first.
_DUE = f"""
    SELECT {_COLUMNS} FROM (
        SELECT *, row_number() OVER (PARTITION BY rank, organization ORDER BY coalesce(oldest, due), id) AS turn
        FROM cases WHERE due <= ? AND {_TAKEN}
    ) ORDER BY rank, turn, coalesce(oldest, due), id LIMIT ?
"""
_OLDEST = f"SELECT {_COLUMNS} FROM cases WHERE due <= ? AND {_TAKEN} ORDER BY coalesce(oldest, due), id LIMIT ?"


_OPENINGS = f"""
    SELECT organization, profile, (
        SELECT facts FROM intents
        WHERE case_id = cases.id AND state = 'pending' AND kind = 'create' ORDER BY seq LIMIT 1
    ) AS lead
    FROM cases WHERE due <= ? AND incident IS NULL AND {_TAKEN} AND lead IS NOT NULL
    ORDER BY rank, coalesce(oldest, due), id LIMIT ?
"""


class DeliveryJournal:
    """What is owed to iTop."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def fetch_due(self, limit: int) -> list[CaseState]:
        """Cases whose turn it is: the most urgent first, organisations in turn, and every tenth the oldest of all.

        None of a route that is held back.
        """
        now = self._clock()
        return await self._store.read(lambda sql: _fetch_due(sql, now, limit))

    async def fetch_openings(self, limit: int) -> list[Opening]:
        """The alerts that the next new cases open their incidents with; about in the order of their turns."""
        now = self._clock()
        rows = await self._store.read(lambda sql: list(sql.execute(_OPENINGS, (now, limit))))
        return [Opening(organization, profile, json.loads(facts)) for organization, profile, facts in rows]

    async def fetch_cases(self, ids: Iterable[int]) -> dict[int, CaseState]:
        """Cases as they are now, by id."""
        return await self._store.read(lambda sql: {case_id: _load_case(sql, case_id) for case_id in ids})

    async def fetch_case(self, case_id: int) -> CaseState:
        """One case as it is now."""
        return await self._store.read(lambda sql: _load_case(sql, case_id))

    async def fetch_pauses(self) -> list[str]:
        """The routes that are held back; '*' is every route."""
        return await self._store.read(lambda sql: [str(row[0]) for row in sql.execute("SELECT route FROM pauses")])

    async def may_send(self, case_id: int) -> bool:
        """False if an operator holds the case's route back."""
        held = await self._store.read(lambda sql: sql.execute(_HELD, (case_id,)).fetchone())
        return held is None

    async def next_due(self, *, looks: bool = True) -> float | None:
        """When the next case or look is due, of those that are not held back; None if nothing is."""
        return await self._store.read(lambda sql: _next_due(sql, looks=looks))

    async def fetch_looks(self, limit: int) -> list[Attempt]:
        """Attempts whose token is to be looked for by now, oldest first; none of what is held back."""
        now = self._clock()
        return await self._store.read(lambda sql: _fetch_looks(sql, now, limit))

    async def postpone_looks(self, attempts: Iterable[int], look: float) -> None:
        """Look for these attempts' tokens later."""
        rows = [(look, attempt_id) for attempt_id in attempts]
        await self._store.write(lambda sql: sql.executemany("UPDATE attempts SET look = ? WHERE id = ?", rows).rowcount)

    async def fetch_profile(self, hashed: str) -> str:
        """The settings that a case is written with."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT body FROM profiles WHERE hash = ?", (hashed,)).fetchone()
        )
        return str(row[0])

    async def fold_pending(
        self, case_id: int, fold: Callable[[S, Owing], S], state: S, *, after: int = 0, through: int = 2**62
    ) -> S:
        """Fold a case's pending intents after one and up to another, in order, as a stream."""
        return await self._store.read(lambda sql: _fold(sql, (case_id, after, through), fold, state))

    async def count_pending(self, case_id: int, *, through: int) -> int:
        """How many intents up to `through` the case owes."""
        row = await self._store.read(
            lambda sql: sql.execute(
                "SELECT count(*) FROM intents WHERE case_id = ? AND state = 'pending' AND seq <= ?", (case_id, through)
            ).fetchone()
        )
        return int(row[0])

    async def fetch_changes(self, case_id: int, after: float) -> list[float]:
        """When the alerts of a case changed between firing and resolved, by their receipt after a time, in order."""
        return await self._store.read(lambda sql: _fetch_changes(sql, case_id, after))

    async def fetch_storm_count(self, case_id: int, through: int) -> StormCount:
        """What the case of a storm stands for, when its intents up to `through` are told."""
        return await self._store.read(lambda sql: fetch_storm_count(sql, case_id, through))

    async def fetch_umbrella(self, case: CaseState) -> Umbrella | None:
        """The incident of the storm that holds now where the case belongs; None if there is none."""
        now = self._clock()
        return await self._store.read(lambda sql: fetch_umbrella(sql, case.id, now))

    async def count_firing(self, case_id: int) -> int:
        """Alerts of the case that fire now and that no person has dealt with."""
        return await self._store.read(lambda sql: _count_firing(sql, case_id))

    async def record_attempt(self, draft: Draft) -> Attempt:
        """Journal a write that is about to be sent."""
        now = self._clock()
        return await self._store.write(lambda sql: _record_attempt(sql, draft, now))

    async def settle(self, settlement: Settlement) -> None:
        """Settle a case's pending intents up to `through`, and what follows for the case, in one commit."""
        await self._store.write(lambda sql: _settle(sql, settlement))

    async def fetch_shadows(self, ids: Sequence[int]) -> dict[int, ShadowIncident]:
        """Incidents that only would have been, by id."""
        return await self._store.read(lambda sql: load_shadows(sql, ids))

    async def record_shadow(self, write: ShadowWrite) -> None:
        """Keep a write instead of sending it, and settle its case as if it had been sent, in one commit."""
        now = self._clock()
        await self._store.write(lambda sql: _settle(sql, record_shadow(sql, write, now)))

    async def leave_shadow(self, case_id: int) -> None:
        """Let a case begin anew that has a shadow incident."""
        await self._store.write(lambda sql: leave_shadow(sql, case_id))

    async def requeue(self, case_id: int) -> None:
        """Give a case its turn if it owes anything, else none."""
        await self._store.write(lambda sql: _requeue(sql, case_id))

    async def settle_attempt(self, attempt_id: int, state: str, *, look: float | None, detail: str = "") -> None:
        """Set an attempt's state, and when to look for its token (None: never again)."""
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "UPDATE attempts SET state = ?, look = ?, looks = looks + 1, detail = ? WHERE id = ?",
                    (state, look, detail[:2000], attempt_id),
                ).rowcount
            )
        )

    async def confirm(self, attempts: Iterable[int]) -> None:
        """These attempts' entries stayed: they are not looked for any more."""
        rows = [(attempt_id,) for attempt_id in attempts]
        if rows:
            await self._store.write(
                lambda sql: (
                    sql.executemany(
                        "UPDATE attempts SET state = 'confirmed', look = NULL, looks = looks + 1 WHERE id = ?", rows
                    ).rowcount
                )
            )

    async def defer(self, case_id: int, due: float, after: int, **changes: object) -> None:
        """Put a case off until `due` (0: its turn is now), and set `changes` (columns of the case).

        Not if a resolve or a more urgent alert landed after the intent `after`, the last that the decision knew.
        """
        await self._store.write(lambda sql: _defer(sql, case_id, due, after, changes))

    async def change(self, case_id: int, **changes: object) -> None:
        """Set columns of a case."""
        await self._store.write(lambda sql: _change(sql, case_id, changes))

    async def park(self, case_id: int, reason: str, detail: str, field_name: str | None) -> None:
        """Put a case aside as one dead letter: what comes joins it without a call."""
        now = self._clock()
        await self._store.write(lambda sql: _park(sql, case_id, (reason, field_name, detail[:2000], now)))

    async def record_lost(self, attempt: Attempt) -> None:
        """A log entry that iTop does not keep, as a dead letter with its text; the attempt is not looked for again."""
        now = self._clock()
        await self._store.write(lambda sql: _record_lost(sql, attempt, now))

    async def mark_handled(self, case_id: int, dealt_at: float | None) -> bool:
        """A person resolved or closed the incident: the episodes it was told of are theirs now.

        They never reopen it nor open another; pending updates of them are dropped, also where the alert has ended
        since. An episode that began after `dealt_at` (None: not known) is not theirs. True if that changed anything.
        """
        return await self._store.write(lambda sql: _mark_handled(sql, case_id, dealt_at))

    async def expire_firing(self, most: int = 1_000) -> int:
        """End the episodes that nothing was heard of for `firing_expires`, at most so many. Returns how many.

        Where the route says `expired: resolve`, they are resolved in iTop as if the SIEM had said so.
        """
        now = self._clock()
        # the reader may search long; the writer is asked only where there is something to write
        if not await self._store.read(lambda sql: sql.execute(_EXPIRED, (now, 1)).fetchone()):
            return 0
        return await self._store.write(lambda sql: _expire_firing(sql, now, most))

    async def has_space(self) -> bool:
        """True if something can be stored."""
        now = self._clock()
        try:
            await self._store.write(
                lambda sql: (
                    sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('stored', ?)", (now,)).rowcount
                )
            )
        except JournalFullError:
            return False
        return True

    async def record_server_offset(self, offset_s: float | None) -> None:
        """Keep how far iTop's dates are from this machine's clock, in seconds."""
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "INSERT OR REPLACE INTO meta (name, value) VALUES ('server_offset', ?)", (offset_s,)
                ).rowcount
            )
        )

    async def fetch_server_offset(self) -> float | None:
        """What was kept; None if nothing was."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE name = 'server_offset'").fetchone()
        )
        return None if row is None or row[0] is None else float(row[0])

    async def release_parked(self) -> int:
        """Try every parked case once more. Returns how many."""
        now = self._clock()
        return await self._store.write(lambda sql: _release_parked(sql, now))

    async def recover(self, look: float, latest_due: float) -> int:
        """On start: what is in flight is unknown, to be looked for from `look` on; parked cases are tried once more,
        since the configuration may have been mended; times far ahead (the clock jumped) are clamped. Returns how many
        attempts are unknown."""
        now = self._clock()
        return await self._store.write(lambda sql: _recover(sql, now, look, latest_due))


def _fetch_due(sql: sqlite3.Connection, now: float, limit: int) -> list[CaseState]:
    rows = list(sql.execute(_DUE, (now, limit)))
    oldest = list(sql.execute(_OLDEST, (now, max(1, limit // 10))))
    order = {row[0]: row for row in _interleave(rows, oldest)}
    return [_complete(sql, row) for row in list(order.values())[:limit]]


def _interleave(rows: Sequence[Any], oldest: Sequence[Any]) -> Iterable[Any]:
    """Every tenth turn goes to the oldest of all, so that none waits for ever."""
    old = iter(oldest)
    for position, row in enumerate(rows, 1):
        if position % 10 == 0:
            yield from (aged for aged in (next(old, None),) if aged is not None)
        yield row


def _load_case(sql: sqlite3.Connection, case_id: int) -> CaseState:
    return _complete(sql, sql.execute(f"SELECT {_COLUMNS} FROM cases WHERE id = ?", (case_id,)).fetchone())


def _complete(sql: sqlite3.Connection, row: tuple[Any, ...]) -> CaseState:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["told"] = json.loads(values["told"])
    values["resolved"] = bool(values["resolved"])
    values["log_full"] = bool(values["log_full"])
    values["storm"] = bool(values["storm"])
    case_id = values["id"]
    return CaseState(**values, attempts=_open_attempts(sql, case_id), firing=_count_firing(sql, case_id))


def _count_firing(sql: sqlite3.Connection, case_id: int) -> int:
    row = sql.execute(
        "SELECT count(*) FROM alerts WHERE case_id = ? AND state = 'firing' AND one_shot = 0 AND handled = 0",
        (case_id,),
    ).fetchone()
    return int(row[0])


def _open_attempts(sql: sqlite3.Connection, case_id: int) -> tuple[Attempt, ...]:
    """The attempts whose tokens matter: not settled, to be looked for again, or sent for an intent still pending."""
    first = sql.execute("SELECT min(seq) FROM intents WHERE case_id = ? AND state = 'pending'", (case_id,)).fetchone()[
        0
    ]
    rows = sql.execute(
        f"SELECT {_ATTEMPT} FROM attempts WHERE case_id = ? AND state IN ('in_flight', 'unknown', 'applied', 'absent')"
        " AND (state <> 'absent' OR through >= ?) ORDER BY id",
        (case_id, first if first is not None else 2**62),
    )
    return tuple(_attempt(row) for row in rows)


def _attempt(row: tuple[Any, ...]) -> Attempt:
    values = (*row[:-1], json.loads(row[-1]))
    return Attempt(*values)


def _fetch_looks(sql: sqlite3.Connection, now: float, limit: int) -> list[Attempt]:
    rows = sql.execute(
        f"SELECT {_ATTEMPT} FROM attempts WHERE look <= ? AND {_LOOKED} ORDER BY look, id LIMIT ?", (now, limit)
    )
    return [_attempt(row) for row in rows]


def _next_due(sql: sqlite3.Connection, *, looks: bool) -> float | None:
    due = sql.execute(f"SELECT due FROM cases WHERE due IS NOT NULL AND {_TAKEN} ORDER BY due LIMIT 1").fetchone()
    look = sql.execute(
        f"SELECT look FROM attempts WHERE look IS NOT NULL AND {_LOOKED} ORDER BY look LIMIT 1"
    ).fetchone()
    known = [] if due is None else [float(due[0])]
    known += [] if look is None or not looks else [look[0] + LOOK_TOGETHER_S]
    return min(known) if known else None


def _fold(sql: sqlite3.Connection, span: tuple[int, int, int], fold: Callable[[S, Owing], S], state: S) -> S:
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


def _fetch_changes(sql: sqlite3.Connection, case_id: int, after: float) -> list[float]:
    resolved = sql.execute(
        "SELECT 1 FROM intents WHERE case_id = ? AND received > ? AND kind = 'resolve' LIMIT 1", (case_id, after)
    ).fetchone()
    return [float(row[0]) for row in sql.execute(_CHANGES, (case_id, after))] if resolved else []


def _change(sql: sqlite3.Connection, case_id: int, changes: dict[str, object]) -> None:
    if not changes:
        return
    unknown = changes.keys() - _CASE_COLUMNS
    if unknown:
        raise ValueError(f"no such columns of a case: {sorted(unknown)}")
    values = [json.dumps(value) if isinstance(value, dict) else value for value in changes.values()]
    assignments = ", ".join(f"{name} = ?" for name in changes)
    sql.execute(f"UPDATE cases SET {assignments} WHERE id = ?", (*values, case_id))


def _defer(sql: sqlite3.Connection, case_id: int, due: float, after: int, changes: dict[str, object]) -> None:
    pressing = sql.execute(
        "SELECT 1 FROM intents JOIN cases ON cases.id = intents.case_id WHERE case_id = ? AND state = 'pending'"
        " AND seq > ? AND (kind = 'resolve' OR intents.urgency < coalesce(cases.urgency, 4)) LIMIT 1",
        (case_id, after),
    ).fetchone()
    _change(sql, case_id, {**changes, "due": 0 if pressing else due})


def _record_attempt(sql: sqlite3.Connection, draft: Draft, now: float) -> Attempt:
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


def _settle(sql: sqlite3.Connection, settlement: Settlement) -> None:
    case_id, through = settlement.case_id, settlement.through
    sql.execute(
        "UPDATE intents SET state = ?, reason = ?, attempt = ? WHERE case_id = ? AND state = 'pending' AND seq <= ?",
        (settlement.state, settlement.reason, settlement.attempt, case_id, through),
    )
    if settlement.attempt is not None:
        sql.execute(
            "UPDATE attempts SET state = ?, look = ?, looks = looks + 1, incident = coalesce(incident, ?) WHERE id = ?",
            (settlement.attempt_state, settlement.look, settlement.changes.get("incident"), settlement.attempt),
        )
    _change(sql, case_id, dict(settlement.changes))
    if settlement.state == "delivered":
        sql.execute("UPDATE cases SET told_seq = max(told_seq, ?) WHERE id = ?", (through, case_id))
    sql.execute("UPDATE cases SET failures = 0 WHERE id = ?", (case_id,))
    _requeue(sql, case_id)
    pass_point("delivery.settled")


def _requeue(sql: sqlite3.Connection, case_id: int) -> None:
    oldest, rank = sql.execute(
        "SELECT min(received), min(urgency) FROM intents WHERE case_id = ? AND state = 'pending'", (case_id,)
    ).fetchone()
    # what is left, or came meanwhile, has its turn at once: the plan says when it is really due
    sql.execute(
        "UPDATE cases SET oldest = ?1, rank = coalesce(?2, 4),"
        " due = CASE WHEN ?1 IS NULL OR parked IS NOT NULL THEN NULL ELSE 0 END WHERE id = ?3",
        (oldest, rank, case_id),
    )


def _record_lost(sql: sqlite3.Connection, attempt: Attempt, now: float) -> None:
    sql.execute("UPDATE attempts SET state = 'confirmed', look = NULL WHERE id = ?", (attempt.id,))
    sql.execute(
        "INSERT INTO dead_letters (case_id, route, reason, detail, at)"
        " SELECT id, route, 'entry_lost', ?, ? FROM cases WHERE id = ?",
        (attempt.message, now, attempt.case_id),
    )


def _park(sql: sqlite3.Connection, case_id: int, letter: tuple[object, ...]) -> None:
    sql.execute("UPDATE cases SET parked = ?, due = NULL WHERE id = ?", (letter[0], case_id))
    sql.execute(
        "INSERT INTO dead_letters (case_id, route, reason, field, detail, at)"
        " SELECT id, route, ?, ?, ?, ? FROM cases WHERE id = ?",
        (*letter, case_id),
    )


# an episode was told if its first intent was, and began when that was received
_THEIRS = """
    {0}.first_seq <= (SELECT told_seq FROM cases WHERE id = ?1)
    AND coalesce((SELECT began.received FROM intents AS began WHERE began.seq = {0}.first_seq), 0) <= ?2
"""
_HANDLE = f"""
    UPDATE alerts SET handled = 1 WHERE case_id = ?1 AND state IN ('firing', 'expired') AND one_shot = 0 AND handled = 0
    AND {_THEIRS.format("alerts")}
"""
_DROP_HANDLED = f"""
    UPDATE intents SET state = 'dropped', reason = 'handled_by_person'
    WHERE case_id = ?1 AND state = 'pending' AND kind <> 'resolve' AND first_seq < seq
    AND {_THEIRS.format("intents")}
"""


def _mark_handled(sql: sqlite3.Connection, case_id: int, dealt_at: float | None) -> bool:
    theirs = (case_id, 2.0**62 if dealt_at is None else dealt_at)
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


def _expire_firing(sql: sqlite3.Connection, now: float, most: int) -> int:
    expired = list(sql.execute(_EXPIRED, (now, most)))
    for scope, alert_id, case_id, first_seq, manner in expired:
        state = "resolved" if manner == "resolve" else "expired"  # of which a resolve may still come
        sql.execute("UPDATE alerts SET state = ? WHERE scope = ? AND id = ?", (state, scope, alert_id))
        if manner == "resolve":
            sql.execute(_RESOLVE_EXPIRED, (case_id, now, first_seq))
            _requeue(sql, case_id)
    return len(expired)


def _release_parked(sql: sqlite3.Connection, now: float) -> int:
    # an entry that was lost stays lost, whatever becomes of its case
    sql.execute(
        "UPDATE dead_letters SET state = 'retried', settled = ? WHERE state = 'open' AND reason <> 'entry_lost'"
        " AND case_id IN (SELECT id FROM cases WHERE parked IS NOT NULL)",
        (now,),
    )
    return sql.execute("UPDATE cases SET parked = NULL, failures = 0, due = 0 WHERE parked IS NOT NULL").rowcount


# the four states are those of the index `attempts_open`: the table has every write of `journal.keep`
_LEFT_IN_FLIGHT = """
    UPDATE attempts SET state = 'unknown', look = ?
    WHERE state = 'in_flight' AND state IN ('in_flight', 'unknown', 'applied', 'absent')
"""


def _recover(sql: sqlite3.Connection, now: float, look: float, latest_due: float) -> int:
    found = sql.execute(_LEFT_IN_FLIGHT, (look,)).rowcount
    _release_parked(sql, now)
    sql.execute("UPDATE attempts SET look = ?1 WHERE look > ?1", (latest_due,))
    sql.execute("UPDATE cases SET due = ?1 WHERE due > ?1", (latest_due,))
    _clamp(sql, now, look)
    return found


def _clamp(sql: sqlite3.Connection, now: float, look: float) -> None:
    """What lies ahead was written before the clock was put back: nothing waits for that hour to pass again."""
    sql.execute(
        "UPDATE attempts SET sent = ?1, look = ?2 WHERE look IS NOT NULL AND state = 'unknown' AND sent > ?1",
        (now, look),
    )
    sql.execute(
        "UPDATE cases SET told_at = min(told_at, ?1), changed_at = min(changed_at, ?1),"
        " replaced_at = min(replaced_at, ?1), due = CASE WHEN due IS NOT NULL THEN 0 END"
        " WHERE max(told_at, changed_at, replaced_at) > ?1",
        (now,),
    )
