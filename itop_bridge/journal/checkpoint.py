"""Checkpoints: pages go from the write-ahead log into the journal's file, between commits, in the writer's thread.

SQLite's own would run within a commit, while those who wait for it wait. The log's file is cut back when SQLite begins
it anew, so its size tells what is not moved yet. A reader that never finishes keeps SQLite from that: the log grows.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from itop_bridge.crash_point import is_armed, pass_point
from itop_bridge.log import Alarms

EVERY_BYTES = 4 << 20
MOST_BYTES = 256 << 20
"""A log that is larger is an alarm."""
WATCH_S = 15.0


class Checkpoints:
    """Of one connection, the only one that writes. `every_bytes`: so much of the log is moved at a time."""

    def __init__(
        self, sql: sqlite3.Connection, path: Path, *, every_bytes: int = EVERY_BYTES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._sql = sql
        self._path = path
        self._every = every_bytes
        self._most = most_bytes
        self._moved = 0
        sql.execute("PRAGMA wal_autocheckpoint = 0")
        sql.execute(f"PRAGMA journal_size_limit = {every_bytes}")

    def run_if_due(self) -> None:
        """After a commit. Raises sqlite3.Error; what is not moved is as safe in the log."""
        size = measure_log(self._path)
        if size < self._moved:
            self._moved = 0  # SQLite has begun the log anew
        if size > self._most:
            self.run("TRUNCATE")
        elif size - self._moved > self._every:
            self.run("PASSIVE")
            self._moved = size

    def run(self, mode: str) -> None:
        """PASSIVE moves what no reader needs; TRUNCATE empties the log too, unless somebody reads just now."""
        if is_armed("journal.checkpointing"):
            _crash_when_changed(self._path)
        waits = self._sql.execute("PRAGMA busy_timeout").fetchone()[0]
        self._sql.execute("PRAGMA busy_timeout = 0")
        try:
            self._sql.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        finally:
            self._sql.execute(f"PRAGMA busy_timeout = {waits}")


def measure_log(path: Path) -> int:
    """The size of the write-ahead log of a journal, in bytes."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


async def watch_log(
    path: Path,
    give_turn: Callable[[], Awaitable[object]],
    alarms: Alarms,
    *,
    most_bytes: int = MOST_BYTES,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Raise `journal_wal_grows` while a reader keeps the log larger than `most_bytes`, for ever.

    `give_turn` makes the writer commit, and with it try a checkpoint, where nothing else does.
    """
    while True:
        if measure_log(path) > most_bytes:
            await give_turn()
        if (size := measure_log(path)) > most_bytes:
            alarms.raise_("journal_wal_grows", "somebody reads the journal without an end", bytes=size)
        else:
            alarms.clear("journal_wal_grows")
        await sleep(WATCH_S)


def _crash_when_changed(path: Path) -> None:
    before = path.stat().st_mtime_ns

    def watch() -> None:
        while path.stat().st_mtime_ns == before:
            pass
        pass_point("journal.checkpointing")

    threading.Thread(target=watch, name="crash", daemon=True).start()
