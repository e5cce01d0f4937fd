"""Retention: what is settled leaves the journal after `journal.keep`, in small steps between everybody else's commits.

Each kind of row is walked in the order of its key: the reader finds what is old, a few thousand rows at a time, and the
writer removes what is still settled of it, a few hundred rows in a commit.

- A payload goes once no element of its event is owed or a dead letter that is open. One that is still to be attached to
  its incident stays for as long again.
- An event goes with its intents, drops and dead letters, all at once for whoever tries one of them again: what is gone
  leaves no trace of having been done. The newest events stay, since the broker may send them again, and those whose
  results were not told yet.
- A result goes, told or not.
- An alert's id, which tells repeats, stays longer than the broker may keep a message, and while it fires.
- A case goes when nothing is left of it.
"""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import JournalFullError
from itop_bridge.journal.intake import MOST_IN_FLIGHT
from itop_bridge.journal.store import Store
from itop_bridge.log import get_logger

MOST_ROWS = 500
"""In one commit."""
MOST_BYTES = 8 << 20
"""Of payloads, in one commit."""
MOST_READ = 5_000
MOST_PAGES = 256
PAUSE_S = 0.05
FULL_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Until when things are old, in seconds since the epoch."""

    keep: float
    ids: float
    """Of alerts that were last heard of, and of cases."""
    attached: float
    """Of payloads that are still to be attached."""


class Found(NamedTuple):
    """A row that is old: its key, and how many bytes its removal frees, about."""

    key: Any
    size: int


class Portion(NamedTuple):
    """What a walk found, and the last key that it read; None at the end."""

    found: list[Found]
    last: Any


Find = Callable[[sqlite3.Connection, Limits, Any], Portion]
Values = tuple[object, ...] | dict[str, object]
"""Of a statement's parameters."""
Remove = Callable[[sqlite3.Connection, Limits, Sequence[Any]], Counter[str]]
"""Removes what is settled of so many keys. It is called again with them while it removed MOST_ROWS rows."""


class Retention:
    """Prunes the journal, for ever. `session_expiry_s` is how long the broker keeps messages for us."""

    def __init__(
        self,
        store: Store,
        keep_s: float,
        session_expiry_s: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._keep_s = keep_s
        self._ids_s = max(keep_s, 2 * session_expiry_s)
        self._clock = clock
        self._sleep = sleep
        self._log = get_logger()

    async def run(self) -> None:
        """Prune now, and again several times within `keep`."""
        while True:
            try:
                pruned = await self.prune()
            except JournalFullError:  # intake tells of it; removing needs space too
                await self._sleep(FULL_S)
                continue
            if pruned:
                self._log.info("journal.pruned", removed=pruned)
            await self._sleep(min(max(self._keep_s / 24, 300.0), 21_600.0))

    async def prune(self) -> dict[str, int]:
        """Remove what is old now. Returns how much: payloads, events and the like, and pages given back."""
        now = self._clock()
        limits = Limits(now - self._keep_s, now - self._ids_s, now - 2 * self._keep_s)
        pruned: Counter[str] = Counter()
        for find, remove in _WALKS:
            await self._walk(limits, find, remove, pruned)
        await self._vacuum(pruned)
        return {name: count for name, count in pruned.items() if count}

    async def _walk(self, limits: Limits, find: Find, remove: Remove, pruned: Counter[str]) -> None:
        last: Any = None
        while True:
            found, last = await self._store.read(partial(_search, find=find, limits=limits, after=last))
            for keys in _slices(found):
                await self._remove(limits, remove, keys, pruned)
            if last is None:
                return
            await self._sleep(PAUSE_S)

    async def _remove(self, limits: Limits, remove: Remove, keys: Sequence[Any], pruned: Counter[str]) -> None:
        full = True
        while full:
            removed = await self._store.write(partial(_step, remove=remove, limits=limits, keys=keys))
            pruned.update(removed)
            full = removed.total() >= MOST_ROWS
            await self._sleep(PAUSE_S)

    async def _vacuum(self, pruned: Counter[str]) -> None:
        """Give free pages back, but for the few that are soon wanted again."""
        while freed := await self._store.write(_vacuum):
            pruned["pages"] += freed
            await self._sleep(PAUSE_S)


def _slices(found: Sequence[Found]) -> Iterator[list[Any]]:
    keys: list[Any] = []
    size = 0
    for each in found:
        if keys and (len(keys) == MOST_ROWS or size + each.size > MOST_BYTES):
            yield keys
            keys, size = [], 0
        keys.append(each.key)
        size += each.size
    if keys:
        yield keys


def _search(sql: sqlite3.Connection, *, find: Find, limits: Limits, after: Any) -> Portion:
    return find(sql, limits, after)


def _step(sql: sqlite3.Connection, *, remove: Remove, limits: Limits, keys: Sequence[Any]) -> Counter[str]:
    removed = remove(sql, limits, keys)
    if removed.total():
        pass_point("journal.pruning")
    return removed


def _vacuum(sql: sqlite3.Connection) -> int:
    (free,), (pages,) = (sql.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count"))
    if free <= pages // 20:
        return 0
    for _ in range(min(MOST_PAGES, free)):
        sql.execute("PRAGMA incremental_vacuum(1)").fetchall()  # of more pages sqlite3 would free but the first
    pass_point("journal.vacuumed")
    return int(free - sql.execute("PRAGMA freelist_count").fetchone()[0])


# What is old. Events, results and attempts lie in the order of their times: a portion without an old one is the last.


def _find_payloads(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    rows = sql.execute(
        "SELECT id, received < ?, coalesce(length(payload), -1) FROM events"
        " WHERE id > ? AND id <= coalesce((SELECT value FROM meta WHERE name = 'triaged'), 0) ORDER BY id LIMIT ?",
        (limits.keep, after or 0, MOST_READ),
    ).fetchall()
    found = [Found(event_id, size) for event_id, old, size in rows if old and size >= 0]
    return Portion(found, _last(rows) if any(old for _, old, _ in rows) else None)


def _find_events(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    rows = sql.execute(
        "SELECT id, received < ? FROM events WHERE id > ?"
        # as many of the broker's as may come again; what was replayed has the connection 0
        " AND id <= (SELECT id FROM events WHERE connection > 0 ORDER BY id DESC LIMIT 1 OFFSET ?)"
        " AND id <= (SELECT value FROM meta WHERE name = 'triaged') ORDER BY id LIMIT ?",
        (limits.keep, after or 0, MOST_IN_FLIGHT, MOST_READ),
    ).fetchall()
    found = [Found(event_id, 0) for event_id, old in rows if old]
    return Portion(found, _last(rows) if found else None)


def _find_results(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    rows = sql.execute(
        "SELECT id, settled < ? FROM results WHERE id > ? ORDER BY id LIMIT ?", (limits.keep, after or 0, MOST_READ)
    ).fetchall()
    found = [Found(result, 0) for result, old in rows if old]
    return Portion(found, _last(rows) if found else None)


def _find_attempts(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    rows = sql.execute(
        "SELECT id, sent < ? FROM attempts WHERE id > ? ORDER BY id LIMIT ?", (limits.keep, after or 0, MOST_READ)
    ).fetchall()
    found = [Found(attempt_id, 0) for attempt_id, old in rows if old]
    return Portion(found, _last(rows) if found else None)


def _find_letters(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    """Those of cases; those of events go with them."""
    rows = sql.execute(
        "SELECT id, event_id IS NULL AND state IN ('retried', 'dropped') AND coalesce(settled, at) < ?"
        " FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?",
        (limits.keep, after or 0, MOST_READ),
    ).fetchall()
    return Portion([Found(letter, 0) for letter, old in rows if old], _last(rows))


def _find_alerts(sql: sqlite3.Connection, limits: Limits, after: tuple[str, str] | None) -> Portion:
    rows = sql.execute(
        "SELECT scope, id, heard < ? AND (one_shot = 1 OR state IN ('resolved', 'expired')) FROM alerts"
        " WHERE (scope, id) > (?, ?) ORDER BY scope, id LIMIT ?",
        (limits.ids, *(after or ("", "")), MOST_READ),
    ).fetchall()
    found = [Found((scope, alert_id), 0) for scope, alert_id, old in rows if old]
    return Portion(found, rows[-1][:2] if len(rows) == MOST_READ else None)


def _find_cases(sql: sqlite3.Connection, limits: Limits, after: int | None) -> Portion:
    rows = sql.execute(
        f"SELECT id, {_QUIET} FROM cases WHERE id > :after ORDER BY id LIMIT :most",
        {"ids": limits.ids, "after": after or 0, "most": MOST_READ},
    ).fetchall()
    return Portion([Found(case_id, 0) for case_id, quiet in rows if quiet], _last(rows))


def _last(rows: Sequence[Any]) -> Any:
    return rows[-1][0] if len(rows) == MOST_READ else None


# What is settled. Where an id is the row's number, the newest row stays: its number would be given again.

_QUIET = "due IS NULL AND parked IS NULL AND max(opened, told_at, changed_at) < :ids"

_DROP_PAYLOAD = """
    UPDATE events SET payload = NULL WHERE id = ? AND payload IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE event_id = events.id AND state IN ('open', 'retrying'))
    AND NOT EXISTS (SELECT 1 FROM intents WHERE event_id = events.id AND state NOT IN ('delivered', 'dropped'))
    AND (received < ? OR NOT EXISTS (SELECT 1 FROM attachments WHERE event_id = events.id AND due IS NOT NULL))
"""
_SETTLED = """
    SELECT value FROM json_each(?)
    WHERE NOT EXISTS (
        SELECT 1 FROM dead_letters WHERE event_id = value
        AND (state NOT IN ('retried', 'dropped') OR coalesce(settled, at) >= ?)
    )
    AND NOT EXISTS (SELECT 1 FROM intents WHERE event_id = value AND state NOT IN ('delivered', 'dropped'))
    AND NOT EXISTS (SELECT 1 FROM results WHERE event_id = value)
    AND NOT EXISTS (
        SELECT 1 FROM attachments JOIN events ON events.id = event_id
        WHERE event_id = value AND due IS NOT NULL AND payload IS NOT NULL
    )
"""
# Of an episode's first intent is asked when it began and what its alert was like: while the alert fires, and while
# something of it is pending. An operator who resolves a case needs its last one: the one told last (`told_seq`)
# is there, or goes only where another is. It is asked for first: to look for a later one may be to read the whole case.
_DELETE_INTENTS = f"""
    DELETE FROM intents WHERE seq IN (
        SELECT seq FROM intents AS old WHERE event_id IN (SELECT value FROM json_each(:settled))
        AND NOT EXISTS (SELECT 1 FROM alerts WHERE first_seq = old.seq AND state = 'firing' AND one_shot = 0)
        AND NOT EXISTS (
            SELECT 1 FROM intents AS later
            WHERE later.first_seq = old.seq AND later.state = 'pending' AND later.first_seq < later.seq
        )
        AND (
            EXISTS (SELECT 1 FROM cases WHERE id = old.case_id AND (old.seq < told_seq OR ({_QUIET})))
            OR EXISTS (SELECT 1 FROM intents AS later WHERE later.case_id = old.case_id AND later.seq > old.seq)
        ) LIMIT :most
    )
"""
_DELETE_DROPS = """
    DELETE FROM drops WHERE (event_id, idx, route) IN (
        SELECT event_id, idx, route FROM drops WHERE event_id IN (SELECT value FROM json_each(:settled)) LIMIT :most
    )
"""
_DELETE_EVENT_LETTERS = """
    DELETE FROM dead_letters WHERE id IN (
        SELECT id FROM dead_letters WHERE event_id IN (SELECT value FROM json_each(:settled)) LIMIT :most
    )
"""
_DELETE_EVENTS = """
    DELETE FROM events WHERE id IN (
        SELECT value FROM json_each(:settled) WHERE NOT EXISTS (SELECT 1 FROM intents WHERE event_id = value)
        LIMIT :most
    )
"""
_EVENT_PARTS = (
    ("intents", _DELETE_INTENTS),
    ("drops", _DELETE_DROPS),
    ("dead_letters", _DELETE_EVENT_LETTERS),
    ("events", _DELETE_EVENTS),
)
# The tokens of a write that was not found are looked for while anything that it was sent for is pending; an entry that
# was lost can be written again while its dead letter is open.
_DELETE_ATTEMPT = """
    DELETE FROM attempts WHERE id = ? AND look IS NULL AND state IN ('confirmed', 'failed', 'absent', 'shadowed')
    AND id < (SELECT max(id) FROM attempts)
    AND NOT EXISTS (
        SELECT 1 FROM intents
        WHERE case_id = attempts.case_id AND state = 'pending' AND seq <= attempts.through
    )
    AND NOT EXISTS (
        SELECT 1 FROM dead_letters WHERE case_id = attempts.case_id AND state IN ('open', 'retrying')
    )
"""
_DELETE_LETTER = """
    DELETE FROM dead_letters WHERE id = ? AND event_id IS NULL
    AND state IN ('retried', 'dropped') AND coalesce(settled, at) < ?
"""
_DELETE_ALERT = """
    DELETE FROM alerts WHERE scope = ? AND id = ? AND heard < ? AND (one_shot = 1 OR state IN ('resolved', 'expired'))
"""
_DELETE_CASE = f"""
    DELETE FROM cases WHERE id = :case AND {_QUIET}
    AND id < (SELECT max(id) FROM cases)
    AND NOT EXISTS (SELECT 1 FROM alerts WHERE case_id = cases.id)
    AND NOT EXISTS (SELECT 1 FROM intents WHERE case_id = cases.id)
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE case_id = cases.id)
    AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE case_id = cases.id)
"""


def _remove_events(sql: sqlite3.Connection, limits: Limits, ids: Sequence[int]) -> Counter[str]:
    """An event may have thousands of elements: what is over MOST_ROWS is removed by the next call."""
    settled = json.dumps([row[0] for row in sql.execute(_SETTLED, (json.dumps(ids), limits.keep))])
    removed: Counter[str] = Counter()
    for name, query in _EVENT_PARTS:
        values = {"ids": limits.ids, "settled": settled, "most": MOST_ROWS - removed.total()}
        removed[name] = sql.execute(query, values).rowcount
        if removed.total() >= MOST_ROWS:
            break
    return removed


def _remove_each(
    name: str, query: str, values: Callable[[Limits, Any], Values] = lambda _limits, key: (key,)
) -> Remove:
    def remove(sql: sqlite3.Connection, limits: Limits, keys: Sequence[Any]) -> Counter[str]:
        return Counter({name: sql.executemany(query, [values(limits, key) for key in keys]).rowcount})

    return remove


_WALKS: tuple[tuple[Find, Remove], ...] = (
    (_find_results, _remove_each("results", "DELETE FROM results WHERE id = ?")),
    (_find_payloads, _remove_each("payloads", _DROP_PAYLOAD, lambda limits, key: (key, limits.attached))),
    (_find_events, _remove_events),
    (_find_attempts, _remove_each("attempts", _DELETE_ATTEMPT)),
    (_find_letters, _remove_each("dead_letters", _DELETE_LETTER, lambda limits, key: (key, limits.keep))),
    (_find_alerts, _remove_each("alerts", _DELETE_ALERT, lambda limits, key: (*key, limits.ids))),
    (_find_cases, _remove_each("cases", _DELETE_CASE, lambda limits, key: {"ids": limits.ids, "case": key})),
)
