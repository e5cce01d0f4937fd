"""Notices: what there is to tell people of, and what each of them tells as the journal has it now."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["created", "dead_letters", "escalated", "arrived"]

STILL_FIRES = """
    (owed.first_seq IS NULL OR owed.alert_id IS NULL OR EXISTS (
        SELECT 1 FROM alerts
        WHERE alerts.first_seq = owed.first_seq AND alerts.state = 'firing' AND alerts.one_shot = 0
        AND alerts.handled = 0
    ))
"""
"""Of the intent `owed`: its alert has not ended. One without states, or without an identity, never does."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What notices tell of, as it is now."""

    items: tuple[Mapping[str, Any], ...]
    """The worst, or the newest, of them."""
    count: int
    """Of all: 0 if nothing of it matters any more."""
    counts: Mapping[str, int]
    """By severity, by reason, or by route."""


@dataclass(frozen=True, slots=True)
class _Part:
    """How the notices of a kind are read."""

    columns: str
    source: str
    matters: str
    """What else than these is over, and not told any more."""
    order: str
    counted: str


_THEIRS = "notices.kind = '{kind}' AND notices.route IN (SELECT value FROM json_each(?)) AND notices.id <= ?"
_PROFILE = "JOIN profiles ON profiles.hash = cases.profile"
_OWED = f"notices JOIN intents AS owed ON owed.seq = subject JOIN cases ON cases.id = owed.case_id {_PROFILE}"
_CASE = """
    notices.route AS route, digest, cases.ref AS ref, cases.incident AS incident,
    json_extract(body, '$.writing.iclass') AS iclass
"""
_PARTS: Mapping[Kind, _Part] = {
    "created": _Part(
        f"""
            {_CASE}, sent AS at,
            (SELECT facts FROM intents WHERE case_id = cases.id AND attempt = attempts.id ORDER BY urgency LIMIT 1)
            AS facts
        """,
        f"notices JOIN attempts ON attempts.id = subject JOIN cases ON cases.id = attempts.case_id {_PROFILE}",
        "attempts.incident = cases.incident",
        "notices.id DESC",
        "notices.route",
    ),
    "dead_letters": _Part(
        """
            notices.route AS route, dead_letters.at AS at, dead_letters.id AS id, reason, field, detail,
            (SELECT topic FROM events WHERE id = event_id) AS topic, digest, cases.ref AS ref
        """,
        "notices JOIN dead_letters ON dead_letters.id = subject LEFT JOIN cases ON cases.id = case_id",
        "dead_letters.state IN ('open', 'retrying')",
        "notices.id DESC",
        "reason",
    ),
    "escalated": _Part(
        f"""
            {_CASE}, owed.received AS at, facts, parked,
            EXISTS (SELECT 1 FROM pauses WHERE pauses.route IN (cases.route, '*')) AS paused
        """,
        _OWED,
        f"owed.state = 'pending' AND {STILL_FIRES}",
        "owed.urgency, owed.seq",
        "json_extract(facts, '$.severity')",
    ),
    "arrived": _Part(
        f"{_CASE}, owed.received AS at, facts",
        _OWED,
        "cases.incident > 0",
        "owed.urgency, owed.seq",
        "json_extract(facts, '$.severity')",
    ),
}


def leave_notice(sql: sqlite3.Connection, kind: Kind, route: str, subject: int, now: float) -> None:
    """There is something to tell."""
    sql.execute("INSERT INTO notices (kind, route, subject, at) VALUES (?, ?, ?, ?)", (kind, route, subject, now))


def fetch_contents(sql: sqlite3.Connection, kind: Kind, routes: str, through: int, most: int) -> Contents:
    """What the notices of a kind, of routes (a JSON array) and up to an id tell of; so many are described."""
    part, matter = _PARTS[kind], _what_matters(kind)
    cursor = sql.execute(f"SELECT {part.columns} FROM {matter} ORDER BY {part.order} LIMIT ?", (routes, through, most))
    names = [column[0] for column in cursor.description]
    items = tuple(_describe(dict(zip(names, row, strict=True))) for row in cursor)
    counted = f"SELECT {part.counted} AS part, count(*) FROM {matter} GROUP BY part ORDER BY count(*) DESC, part"
    counts = {str(name): int(count) for name, count in sql.execute(counted, (routes, through))}
    return Contents(items, sum(counts.values()), counts)


def settle_notices(sql: sqlite3.Connection, kind: Kind, routes: str, through: int) -> None:
    """These were told, or need not be."""
    if kind == "escalated":
        told = f"SELECT subject FROM {_what_matters(kind)}"  # not those that were over before the mail was written
        sql.execute(f"UPDATE escalations SET mailed = 1 WHERE seq IN ({told})", (routes, through))
    sql.execute(f"DELETE FROM notices WHERE {_THEIRS.format(kind=kind)}", (routes, through))


def _what_matters(kind: Kind) -> str:
    part = _PARTS[kind]
    return f"{part.source} WHERE {_THEIRS.format(kind=kind)} AND {part.matters}"


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    facts = json.loads(row.pop("facts", None) or "{}")
    topic = row.get("topic")
    return {**row, "alert": facts, "topic": topic.decode("utf-8", "replace") if isinstance(topic, bytes) else None}
