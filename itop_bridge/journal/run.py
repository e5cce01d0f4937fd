"""How the last run of the daemon ended: an orderly stop leaves a mark, a crash leaves the one of its start."""

import contextlib
import sqlite3
from typing import Literal

from itop_bridge.errors import JournalFullError
from itop_bridge.journal.store import Store

Previous = Literal["stopped", "crashed", "none"]
"""`none`: the journal knows of no run."""


async def record_start(store: Store) -> Previous:
    """A run begins. Returns how the one before ended."""
    previous = await store.read(_fetch_previous)
    with contextlib.suppress(JournalFullError):  # no reason not to start
        await store.write(lambda sql: _mark(sql, "runs"))
    return previous


async def record_stop(store: Store) -> None:
    """The run ends in order."""
    with contextlib.suppress(JournalFullError):  # no reason not to stop
        await store.write(lambda sql: _mark(sql, "stopped"))


def _mark(sql: sqlite3.Connection, state: str) -> None:
    sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('run', ?)", (state,))


def _fetch_previous(sql: sqlite3.Connection) -> Previous:
    row = sql.execute("SELECT value FROM meta WHERE name = 'run'").fetchone()
    if row is None:
        return "none"
    return "stopped" if row[0] == "stopped" else "crashed"
