"""Sources that must not be silent: when each route's topics were heard last, and for how long nothing came since.

Only the time in which the bridge listens counts, so what is silent because nobody was there to hear it is not.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from itop_bridge.journal.intake import Received
from itop_bridge.journal.store import Store

Turn = Literal["lost", "heard"]


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a route's source. Times are seconds since the epoch."""

    route: str
    heard: float
    """Receipt of its last event; before the first, when the watch began."""
    silent_s: float
    lost: float | None = None
    """Since when it counts as silent; None if it does not."""
    turn: Turn | None = None
    """What has just changed."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A route that is watched."""

    route: str
    within_s: float
    """How long it may be silent."""
    describe: Callable[[Source], Received] | None = None
    """The event that tells of a turn to those who handle alerts; None: nothing is told but the alarm."""


class SourceJournal:
    """Who was heard when."""

    def __init__(self, store: Store, clock: Callable[[], float], on_recorded: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._on_recorded = on_recorded

    async def advance(self, watched: Sequence[Watched], listened_s: float) -> list[Source]:
        """Count so many seconds more as silent, and tell how things are. Routes that are not watched are forgotten.

        A turn is stored in one commit with the event that tells of it. Raises JournalFullError.
        """
        now = self._clock()
        sources = await self._store.write(lambda sql: _advance(sql, watched, listened_s, now))
        if any(source.turn for source in sources):
            self._on_recorded()
        return sources


def record_heard(sql: sqlite3.Connection, heard: Mapping[str, float]) -> None:
    """Events of these routes' topics were mapped, the last received then."""
    sql.executemany(
        "UPDATE sources SET heard = max(heard, ?), silent_s = 0 WHERE route = ?",
        [(received, route) for route, received in heard.items()],
    )


def _advance(sql: sqlite3.Connection, watched: Sequence[Watched], listened_s: float, now: float) -> list[Source]:
    names = json.dumps([each.route for each in watched])
    sql.execute("DELETE FROM sources WHERE route NOT IN (SELECT value FROM json_each(?))", (names,))
    sql.executemany("INSERT OR IGNORE INTO sources (route, heard) VALUES (?, ?)", [(w.route, now) for w in watched])
    if not _is_behind(sql):
        # one that spoke meanwhile is silent since then; the clock may have been set back
        silent_s = "CASE WHEN ? < heard THEN ? ELSE min(?, ? - heard) END"
        sql.execute(f"UPDATE sources SET silent_s = silent_s + {silent_s}", (now, listened_s, listened_s, now))
    return [_judge(sql, each, now) for each in watched]


def _is_behind(sql: sqlite3.Connection) -> bool:
    """Whether events wait to be mapped: what was not looked at may be anybody's."""
    newest = sql.execute("SELECT max(id) FROM events").fetchone()[0] or 0
    row = sql.execute("SELECT value FROM meta WHERE name = 'triaged'").fetchone()
    return int(newest) > (int(row[0]) if row else 0)


def _judge(sql: sqlite3.Connection, watched: Watched, now: float) -> Source:
    source = Source(
        *sql.execute("SELECT route, heard, silent_s, lost FROM sources WHERE route = ?", (watched.route,)).fetchone()
    )
    silent = source.silent_s >= watched.within_s
    if silent is (source.lost is not None):
        return source
    lost = now if silent else None
    sql.execute("UPDATE sources SET lost = ? WHERE route = ?", (lost, source.route))
    began = now if source.lost is None else source.lost
    turned = Source(source.route, source.heard, source.silent_s, began, "lost" if silent else "heard")
    if watched.describe is not None:
        record_own_event(sql, watched.describe(turned))
    return turned


def record_own_event(sql: sqlite3.Connection, event: Received) -> None:
    """Append an event of the bridge's own."""
    # connection 0: no broker brought it
    sql.execute(
        "INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain)"
        " VALUES (0, 0, ?, ?, ?, ?, ?, 1, 0)",
        (event.received, event.topic, event.payload, event.size, event.digest),
    )
