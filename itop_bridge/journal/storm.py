"""Storms: above a rate of new cases of a route, one case takes the alerts of what would be further ones."""

import sqlite3
from dataclasses import dataclass, replace

from itop_bridge.intent import Case
from itop_bridge.journal.landing import Landing, Owed
from itop_bridge.settings.policy import Storm

MOST_TITLES = 10
_SCOPE = "storm"
_DAY_S = 86_400.0
MOST_URGENT = 1
"""Alerts of this urgency have incidents of their own even then."""


@dataclass(frozen=True, slots=True)
class Umbrella:
    """The incident of a storm."""

    id: int
    ref: str


@dataclass(frozen=True, slots=True)
class Shelter:
    """Where an alert goes that would open a case: `case_id` is None if it opens its own after all."""

    case_id: int | None
    began: bool = False


@dataclass(frozen=True, slots=True)
class StormCount:
    """What a storm's case stands for."""

    cases: int
    """How many cases were not opened since it began."""
    titles: tuple[tuple[str, int], ...]
    """The commonest titles of what is to be told now, with how often they come."""


@dataclass(frozen=True, slots=True)
class EndedStorm:
    """A storm that is over."""

    route: str
    organization: str
    case: str
    """The digest of its case."""
    cases: int
    """How many cases were not opened while it held."""
    lasted_s: float


def describe_storm(owed: Owed, landing: Landing, now: float) -> Owed:
    """What a storm's case is owed: the alert, with the key of a case that no alert of itself can have."""
    case = Case(owed.organization, f"{_SCOPE}/{landing.route}", (f"{now:.6f}",))
    return replace(owed, case_key=case.key, digest=case.digest)


def find_shelter(sql: sqlite3.Connection, owed: Owed, landing: Landing, rule: Storm, now: float) -> Shelter:
    """The storm's case for an alert whose own case is not there yet, if there is a storm. Counts the case."""
    place = (landing.route, owed.organization)
    row = sql.execute(
        "SELECT case_id FROM storms WHERE route = ? AND organization = ? AND until > ? AND until <= ?"
        " ORDER BY case_id DESC LIMIT 1",
        (*place, now, now + rule.within),  # the clock may have been set back
    ).fetchone()
    if row is None:
        begins = _count_opened(sql, place, now - rule.within) >= rule.cases
        return Shelter(None, began=begins)
    storm = int(row[0])
    if _is_sheltered(sql, storm, owed.case_key):
        return Shelter(storm)
    recent = _count_opened(sql, place, now - rule.within) + _count_sheltered(sql, storm, now - rule.within)
    if recent >= rule.cases:
        sql.execute("UPDATE storms SET until = ? WHERE case_id = ?", (now + rule.within, storm))
    if owed.urgency <= MOST_URGENT:
        return Shelter(None)
    take_shelter(sql, storm, owed.case_key, now)
    return Shelter(storm)


def open_storm(sql: sqlite3.Connection, case_id: int, landing: Landing, organization: str, until: float) -> None:
    """The case is a storm's from now on."""
    sql.execute("UPDATE cases SET storm = 1 WHERE id = ?", (case_id,))
    sql.execute(
        "INSERT INTO storms (case_id, organization, route, until) VALUES (?, ?, ?, ?)",
        (case_id, organization, landing.route, until),
    )


def is_storm(sql: sqlite3.Connection, case_id: int) -> bool:
    """Whether the case is a storm's."""
    return sql.execute("SELECT 1 FROM cases WHERE id = ? AND storm = 1", (case_id,)).fetchone() is not None


def take_shelter(sql: sqlite3.Connection, storm: int, key: str, now: float) -> None:
    """The case of this key is not opened: the storm's takes its alerts."""
    sql.execute("INSERT OR IGNORE INTO sheltered (storm, key, at) VALUES (?, ?, ?)", (storm, key, now))


def fetch_storm_count(sql: sqlite3.Connection, case_id: int, through: int) -> StormCount:
    """What a storm's case stands for, when its intents up to `through` are told."""
    cases = sql.execute("SELECT count(*) FROM sheltered WHERE storm = ?", (case_id,)).fetchone()[0]
    titles = sql.execute(
        "SELECT json_extract(facts, '$.title') AS title, count(*) AS times FROM intents"
        " WHERE case_id = ? AND state = 'pending' AND seq <= ? GROUP BY title ORDER BY times DESC, title LIMIT ?",
        (case_id, through, MOST_TITLES),
    )
    return StormCount(int(cases), tuple((str(title), int(times)) for title, times in titles))


def fetch_umbrella(sql: sqlite3.Connection, case_id: int, now: float) -> Umbrella | None:
    """The incident of the storm that holds now for a case's route and organisation."""
    row = sql.execute(
        "SELECT umbrella.incident, umbrella.ref FROM cases JOIN storms USING (route, organization)"
        " JOIN cases AS umbrella ON umbrella.id = storms.case_id"
        " WHERE cases.id = ? AND until > ? AND umbrella.ref IS NOT NULL ORDER BY storms.case_id DESC LIMIT 1",
        (case_id, now),
    ).fetchone()
    return Umbrella(int(row[0]), str(row[1])) if row else None


def fetch_ended_storms(sql: sqlite3.Connection, now: float) -> tuple[list[EndedStorm], bool]:
    """The storms that ended since that was told last, or else within a day, and whether one holds now."""
    row = sql.execute("SELECT value FROM meta WHERE name = 'storms_told'").fetchone()
    ended = sql.execute(
        "SELECT storms.route, storms.organization, digest,"
        " (SELECT count(*) FROM sheltered WHERE storm = case_id), until - opened"
        " FROM storms JOIN cases ON cases.id = case_id WHERE until > ? AND until <= ? ORDER BY until",
        (float(row[0]) if row else now - _DAY_S, now),
    ).fetchall()
    holds = sql.execute("SELECT 1 FROM storms WHERE until > ? LIMIT 1", (now,)).fetchone() is not None
    return [EndedStorm(*each) for each in ended], holds


def record_storms_told(sql: sqlite3.Connection, now: float) -> None:
    """The end of the storms that ended until now was told."""
    sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('storms_told', ?)", (now,))


def _is_sheltered(sql: sqlite3.Connection, storm: int, key: str) -> bool:
    return sql.execute("SELECT 1 FROM sheltered WHERE storm = ? AND key = ?", (storm, key)).fetchone() is not None


def _count_opened(sql: sqlite3.Connection, place: tuple[str, str], after: float) -> int:
    row = sql.execute(
        "SELECT count(*) FROM cases WHERE route = ? AND organization = ? AND opened > ? AND storm = 0", (*place, after)
    ).fetchone()
    return int(row[0])


def _count_sheltered(sql: sqlite3.Connection, storm: int, after: float) -> int:
    return int(sql.execute("SELECT count(*) FROM sheltered WHERE storm = ? AND at > ?", (storm, after)).fetchone()[0])
