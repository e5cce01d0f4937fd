"""What operators ask of the journal: dead letters, cases, and the whole life of an event. Nothing is changed.

Every answer is JSON-able: times are seconds since the epoch, bytes are text with what cannot be decoded escaped.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from itop_bridge.journal.retry import WAS_DROPPED
from itop_bridge.journal.store import Store

MOST_PAYLOAD = 4_096
"""Bytes of a payload that are shown."""
MOST_TOPIC = 512
"""Bytes of a topic that are shown."""
MOST_DETAIL = 2_000
"""Characters of a reason that are shown."""
MOST_ROWS = 50
"""Of each kind in the life of a case: the latest."""
MOST_ELEMENTS = 500
"""Elements of an event that are shown: the first."""
_MOST_EVENTS = 20


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters, by ascending id; what is None does not matter."""

    ids: tuple[int, ...] | None = None
    route: str | None = None
    reason: str | None = None
    older_than_s: float | None = None
    newer_than_s: float | None = None
    state: str = "open"
    """open, retrying, retried, dropped or all."""
    after: int = 0
    """Only those with a greater id."""
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases, by ascending id; what is None does not matter."""

    route: str | None = None
    organization: str | None = None
    """As the journal has it (`code:EXC`), or only what follows the colon."""
    state: str | None = None
    """parked, waiting (for its incident), open, resolved (by the bridge), or idle (no incident, and owes none)."""
    since: float | None = None
    """Only those that began then or later, in seconds since the epoch."""
    after: int = 0
    """Only those with a greater id."""
    limit: int | None = None


class Inquiry:
    """Reads; each answer is of one moment."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def fetch_letters(self, wanted: LetterFilter) -> list[dict[str, Any]]:
        """The letters: id, state, reason, field, detail, at, settled, route, event_id, idx, case_id, case (its digest),
        topic, and `outcome`: landed or dropped for an element that was tried again, else None."""
        where, values = _where_letter(wanted, self._clock())
        query = f"{_LETTERS} WHERE {where} ORDER BY letter.id LIMIT :limit"
        return [_show_letter(row) for row in await self._fetch(query, values)]

    async def count_letters(self, wanted: LetterFilter) -> int:
        """How many there are, whatever the limit."""
        where, values = _where_letter(wanted, self._clock())
        (row,) = await self._fetch(f"SELECT count(*) AS count FROM dead_letters AS letter WHERE {where}", values)
        return int(row["count"])

    async def find_letters(self, wanted: LetterFilter) -> list[int]:
        """Their ids."""
        where, values = _where_letter(wanted, self._clock())
        query = f"SELECT id FROM dead_letters AS letter WHERE {where} ORDER BY id LIMIT :limit"
        return [row["id"] for row in await self._fetch(query, values)]

    async def fetch_letter(self, letter_id: int) -> dict[str, Any] | None:
        """A letter with its event's `size` and the head of its `payload` (None where it was pruned, or has none)."""
        query = _LETTERS.replace("topic", "topic, size, substr(payload, 1, :most) AS payload", 1)
        rows = await self._fetch(f"{query} WHERE letter.id = :id", {"id": letter_id, "most": MOST_PAYLOAD})
        return _show_letter(rows[0]) if rows else None

    async def fetch_cases(self, wanted: CaseFilter) -> list[dict[str, Any]]:
        """The cases: id, digest, key, organization, route, incident, ref, state (see CaseFilter), urgency, firing and
        pending (counts), due, oldest, opened, failures, parked (why), entries (written in its incident)."""
        return await self._fetch(f"{_CASES} ORDER BY id LIMIT :limit", _case_values(wanted))

    async def fetch_case(self, name: str) -> dict[str, Any] | None:
        """The case of this digest, incident's reference or id, and its life.

        `alerts` that fire or wait, `intents` and `attempts` (the latest 50 of each, latest first), `counts` of its
        intents by state and reason, and its own dead `letters`.
        """
        return await self._store.read(lambda sql: _load_case(sql, name))

    async def fetch_event(self, event_id: int) -> dict[str, Any] | None:
        """An event: id, received, topic, qos, size, payload (its head; None once pruned), `triaged`, and `elements`.

        An element has its idx, `intents` (alert_id, title, case, ref, state, reason …, each with the `attempts` that it
        was sent in), `drops` (each a reason and a route, "" for none) and `letters`. At most 500 are shown;
        `elements_total` is how many there are.
        """
        return await self._store.read(lambda sql: _load_event(sql, event_id))

    async def find_events(self, alert_id: str) -> list[int]:
        """The events that brought an alert, newest first, at most 20, dropped and dead ones too; of what landed, those
        of its last case, where it had several."""
        rows = await self._fetch(_EVENTS, {"id": alert_id, "most": _MOST_EVENTS})
        return [row["event_id"] for row in rows]

    async def fetch_routes(self) -> list[str]:
        """The routes that cases came from, whether they are still configured or not."""
        return [row["route"] for row in await self._fetch("SELECT DISTINCT route FROM cases WHERE route <> ''", {})]

    async def _fetch(self, query: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        return await self._store.read(lambda sql: _load(sql, query, values))


def show_bytes(value: bytes | str | None, most: int) -> str | None:
    """Text of at most `most` bytes; what is no UTF-8 is escaped as `\\xff`."""
    if value is None or isinstance(value, str):
        return value
    return value[:most].decode("utf-8", "backslashreplace")


def _load(sql: sqlite3.Connection, query: str, values: Mapping[str, object] | Sequence[object]) -> list[dict[str, Any]]:
    cursor = sql.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


# dead letters

_LETTERS = f"""
    SELECT letter.id, letter.state, letter.reason, letter.field, letter.detail, letter.at, letter.settled, letter.route,
        letter.event_id, letter.idx, letter.case_id, cases.digest AS "case", events.topic,
        CASE WHEN letter.state = 'retried' AND letter.event_id IS NOT NULL
            THEN iif({WAS_DROPPED.format(letter="letter")}, 'dropped', 'landed') END AS outcome
    FROM dead_letters AS letter LEFT JOIN cases ON cases.id = letter.case_id
    LEFT JOIN events ON events.id = letter.event_id
"""


def _where_letter(wanted: LetterFilter, now: float) -> tuple[str, dict[str, object]]:
    conditions = {
        "letter.id > :after": wanted.after,
        "letter.id IN (SELECT value FROM json_each(:ids))": None if wanted.ids is None else json.dumps(wanted.ids),
        "letter.route = :route": wanted.route,
        "letter.reason = :reason": wanted.reason,
        "letter.at <= :older": None if wanted.older_than_s is None else now - wanted.older_than_s,
        "letter.at >= :newer": None if wanted.newer_than_s is None else now - wanted.newer_than_s,
        "letter.state = :state": None if wanted.state == "all" else wanted.state,
    }
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    values = {condition.rpartition(":")[2].rstrip(")"): value for condition, value in asked.items()}
    return " AND ".join(asked), {**values, "limit": _limit(wanted.limit)}


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's way to say that there is none


def _show_letter(row: dict[str, Any]) -> dict[str, Any]:
    shown = {**row, "detail": row["detail"][:MOST_DETAIL], "topic": show_bytes(row["topic"], MOST_TOPIC)}
    return {**shown, "payload": show_bytes(row["payload"], MOST_PAYLOAD)} if "payload" in row else shown


# cases

_CASES = """
    SELECT * FROM (
        SELECT id, digest, key, organization, route, incident, ref,
            CASE WHEN parked IS NOT NULL THEN 'parked' WHEN resolved THEN 'resolved'
                WHEN incident IS NOT NULL THEN 'open' WHEN due IS NOT NULL THEN 'waiting' ELSE 'idle' END AS state,
            urgency,
            (SELECT count(*) FROM alerts WHERE case_id = cases.id AND state = 'firing' AND one_shot = 0
                AND handled = 0) AS firing,
            (SELECT count(*) FROM intents WHERE case_id = cases.id AND state = 'pending') AS pending,
            due, oldest, opened, failures, parked, entries
        FROM cases WHERE id > :after AND (:route IS NULL OR route = :route) AND (:since IS NULL OR opened >= :since)
        AND (:organization IS NULL OR organization = :organization
            OR substr(organization, instr(organization, ':') + 1) = :organization)
    ) WHERE (:state IS NULL OR state = :state)
"""
_NAMED = """
    SELECT id FROM cases WHERE digest = :name OR ref = :name OR CAST(id AS TEXT) = :name
    ORDER BY digest = :name DESC, ref = :name DESC, id DESC LIMIT 1
"""
_ALERTS = """
    SELECT scope, id, state, episode, received, repeats FROM alerts
    WHERE case_id = :case AND state = 'firing' AND one_shot = 0 AND handled = 0
    UNION ALL SELECT scope, id, state, episode, received, repeats FROM alerts
    WHERE case_id = :case AND state = 'waiting'
    LIMIT :most
"""
_INTENTS = """
    SELECT seq, event_id, idx, n, kind, state, reason, until, received, urgency, alert_id, facts, attempt FROM intents
    WHERE case_id = ? ORDER BY seq DESC LIMIT ?
"""
_ATTEMPTS = """
    SELECT id, kind, state, incident, through, sent, look, looks, detail FROM attempts
    WHERE case_id = ? ORDER BY id DESC LIMIT ?
"""
_COUNTS = "SELECT state, reason, count(*) AS count FROM intents WHERE case_id = ? GROUP BY state, reason ORDER BY 1, 2"


def _case_values(wanted: CaseFilter) -> dict[str, object]:
    return {
        "route": wanted.route,
        "organization": wanted.organization,
        "state": wanted.state,
        "since": wanted.since,
        "after": wanted.after,
        "limit": _limit(wanted.limit),
    }


def _load_case(sql: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    found = _load(sql, _NAMED, {"name": name})
    if not found:
        return None
    case_id = int(found[0]["id"])
    values = {**_case_values(CaseFilter()), "after": case_id - 1, "limit": 1}
    (case,) = _load(sql, f"{_CASES} ORDER BY id LIMIT :limit", values)
    letters = f"{_LETTERS} WHERE letter.case_id = ? ORDER BY letter.id DESC LIMIT ?"
    return {
        **case,
        "alerts": _load(sql, _ALERTS, {"case": case_id, "most": MOST_ROWS}),
        "intents": [_show_intent(row) for row in _load(sql, _INTENTS, (case_id, MOST_ROWS))],
        "counts": _load(sql, _COUNTS, (case_id,)),
        "attempts": [_name_incident(row, case) for row in _load(sql, _ATTEMPTS, (case_id, MOST_ROWS))],
        "letters": [_show_letter(row) for row in _load(sql, letters, (case_id, MOST_ROWS))],
    }


def _show_intent(row: dict[str, Any]) -> dict[str, Any]:
    """With the alert's title instead of all its facts."""
    facts = orjson.loads(row["facts"])
    return {**{name: value for name, value in row.items() if name != "facts"}, "title": facts.get("title")}


def _name_incident(attempt: dict[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    """With the incident's reference, if it is the one that the case has now."""
    own = attempt["incident"] is not None and attempt["incident"] == case["incident"]
    return {**attempt, "ref": case["ref"] if own else None}


# events

_EVENT = """
    SELECT id, received, topic, qos, size, substr(payload, 1, ?) AS payload,
        id <= coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0) AS triaged
    FROM events WHERE id = ?
"""
_TRACES = """
    SELECT idx FROM intents WHERE event_id = :event UNION SELECT idx FROM drops WHERE event_id = :event
    UNION SELECT idx FROM dead_letters WHERE event_id = :event
"""
_OF_ELEMENT = """
    SELECT seq, n, kind, state, reason, until, received, intents.urgency, alert_id, facts, attempt, case_id,
        digest AS "case", organization, coalesce(nullif(intents.route, ''), cases.route) AS route, incident, ref
    FROM intents JOIN cases ON cases.id = case_id WHERE event_id = ? AND idx = ? ORDER BY n
"""
# up to the one that delivered it; of what is pending, all that were sent for it
_SENT = """
    SELECT id, kind, state, incident, sent, look, looks, detail FROM attempts
    WHERE case_id = ? AND through >= ? AND id <= ? ORDER BY id
"""
# what landed by each scope, since an alert's id is unique only within it; the table has no other way to an id. Drops
# are read through, the newest first: an index of random ids would cost each of them much more (migration 0010)
_EVENTS = """
    WITH RECURSIVE scopes (scope) AS (
        SELECT min(scope) FROM alerts
        UNION ALL SELECT (SELECT min(scope) FROM alerts WHERE scope > scopes.scope) FROM scopes WHERE scope IS NOT NULL
    )
    SELECT event_id FROM intents WHERE alert_id = :id AND case_id IN (
        SELECT case_id FROM scopes CROSS JOIN alerts ON alerts.scope = scopes.scope AND alerts.id = :id
    )
    UNION SELECT * FROM (
        SELECT DISTINCT event_id FROM drops WHERE alert_id = :id ORDER BY event_id DESC LIMIT :most
    )
    UNION SELECT * FROM (
        SELECT DISTINCT event_id FROM dead_letters
        WHERE alert_id = :id AND event_id IS NOT NULL ORDER BY event_id DESC LIMIT :most
    )
    ORDER BY event_id DESC LIMIT :most
"""


def _load_event(sql: sqlite3.Connection, event_id: int) -> dict[str, Any] | None:
    found = _load(sql, _EVENT, (MOST_PAYLOAD, event_id))
    if not found:
        return None
    event = found[0]
    indexes = [row["idx"] for row in _load(sql, f"{_TRACES} ORDER BY 1", {"event": event_id})]
    return {
        **event,
        "topic": show_bytes(event["topic"], MOST_TOPIC),
        "payload": show_bytes(event["payload"], MOST_PAYLOAD),
        "triaged": bool(event["triaged"]),
        "elements": [_load_element(sql, event_id, index) for index in indexes[:MOST_ELEMENTS]],
        "elements_total": len(indexes),
    }


def _load_element(sql: sqlite3.Connection, event_id: int, index: int) -> dict[str, Any]:
    place = (event_id, index)
    drops = _load(sql, "SELECT reason, route FROM drops WHERE event_id = ? AND idx = ? ORDER BY route", place)
    letters = _load(sql, f"{_LETTERS} WHERE letter.event_id = ? AND letter.idx = ? ORDER BY letter.id", place)
    return {
        "idx": index,
        "intents": [_load_delivery(sql, row) for row in _load(sql, _OF_ELEMENT, place)],
        "drops": drops,
        "letters": [_show_letter(letter) for letter in letters],
    }


def _load_delivery(sql: sqlite3.Connection, intent: dict[str, Any]) -> dict[str, Any]:
    last = 2**62 if intent["state"] == "pending" else intent["attempt"] or 0
    attempts = _load(sql, _SENT, (intent["case_id"], intent["seq"], last))
    return {**_show_intent(intent), "attempts": [_name_incident(attempt, intent) for attempt in attempts]}
