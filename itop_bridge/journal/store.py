"""One SQLite file, one thread that writes it, one that reads: group commit, and the lock against a second daemon."""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from itop_bridge.errors import (
    BridgeError,
    JournalError,
    JournalFormatError,
    JournalFullError,
    JournalLockedError,
    JournalUncertainError,
)
from itop_bridge.journal.checkpoint import Checkpoints
from itop_bridge.journal.schema import check_identity, is_damage, load_migrations, migrate

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], Any]

_MOST_IN_ONE_COMMIT = 256
_MODE = 0o600


@dataclass(slots=True)
class _Write:
    query: Query
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Store:
    """Runs queries on the journal. A write returns when it is on the disk (`synchronous=FULL`).

    Writes that wait while a commit runs share the next one; each is a savepoint of its own, so that one that fails
    does not take the others with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.on_commit: Callable[[float], None] | None = None
        """Takes the seconds that a commit took; called by the writer's thread."""
        self._lock: IO[str] | None = None
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._closed = False
        self._failure: JournalError | None = None
        """Why nothing is written any more: after it, what is on the disk is not known."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the journal. Raises JournalLockedError, JournalFormatError or JournalError."""
        store = cls(path)
        await asyncio.to_thread(store._open)
        return store

    def _open(self) -> None:
        with contextlib.ExitStack() as undo:
            try:
                self._take_lock()
                undo.callback(self._release_lock)
                migrations = load_migrations()
                _create(self.path)
                _check(self.path, len(migrations))
                self._writer = _connect(self.path, "rwc")
                undo.callback(self._writer.close)
                migrate(self._writer, migrations)
                self._checkpoints = Checkpoints(self._writer, self.path)
                self._reader = _connect(self.path, "ro")
            except JournalFormatError as error:
                raise JournalFormatError(f"{self.path}: {error}. Nothing was changed. {self._way_out}") from error
            except (OSError, sqlite3.Error) as error:
                if isinstance(error, sqlite3.Error) and is_damage(error):
                    raise self._damaged(error, "Nothing was changed. ") from error
                raise JournalError(f"the journal {self.path} cannot be opened: {error}") from error
            undo.pop_all()
        self._thread.start()

    @property
    def _way_out(self) -> str:
        return (
            "To go on with an empty journal, stop the daemon, keep the file for inspection"
            f" (mv {self.path} {self.path}.bad, with its -wal and -shm), start again."
        )

    def _damaged(self, error: sqlite3.Error, changed: str = "") -> JournalFormatError:
        told = f"{self.path}: the file is no readable SQLite database ({error}). {changed}{self._way_out}"
        return JournalFormatError(told)

    def _take_lock(self) -> None:
        # a lock on a file of its own: closing any descriptor of the database would drop SQLite's POSIX locks
        path = self.path.with_name(self.path.name + ".lock")
        _create(path)
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with lock:
                lock.seek(0)
                holder = lock.read(32).strip()
            who = f" (process {holder})" if holder.isdecimal() else ""
            raise JournalLockedError(f"the journal {self.path} is in use by another itop-bridge{who}") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    async def write(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` in the writer's transaction and wait for its commit.

        Raises what the query raises (nothing of it is stored), JournalFullError (nothing is stored, later may work) or
        JournalUncertainError (the disk failed: stop).
        """
        if self._closed:
            raise JournalError("the journal is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(query, future))
        # the write goes on when the waiter is cancelled: only its answer is no longer wanted
        result: T = await asyncio.shield(future)
        return result

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on the read-only connection, in its own thread.

        Raises what the query raises; JournalFormatError if the file is damaged, JournalError if it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read, query)

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return query(self._reader)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise self._damaged(error) from error
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
                raise JournalError(f"the journal {self.path} cannot be read: {error}") from error
            raise

    async def close(self) -> None:
        """Finish what was handed in, then close. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._reading.shutdown)
        self._reader.close()
        self._writer.close()
        self._release_lock()

    # the writer's thread

    def _run(self) -> None:
        ending = False
        while not ending:
            batch, ending = self._take()
            if batch:
                self._commit_timed(batch)
                _answer(batch)
                self._checkpoint(self._checkpoints.run_if_due)
        self._checkpoint(lambda: self._checkpoints.run("TRUNCATE"))

    def _take(self) -> tuple[list[_Write], bool]:
        batch: list[_Write] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _MOST_IN_ONE_COMMIT:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit_timed(self, batch: list[_Write]) -> None:
        started = time.perf_counter()
        self._commit(batch)
        if self.on_commit is not None:
            self.on_commit(time.perf_counter() - started)

    def _commit(self, batch: list[_Write]) -> None:
        if self._failure:
            for write in batch:
                write.error = self._failure
            return
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._execute(write)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            failure = self._classify(error)
            if self._writer.in_transaction:
                self._writer.rollback()
            for write in batch:
                write.error = failure

    def _checkpoint(self, run: Callable[[], None]) -> None:
        if self._failure:
            return
        try:
            run()
        except sqlite3.Error as error:
            # whoever waited is answered, and the pages are as safe in the log: a full disk is told by the next write,
            # and a failed one by every write from now on
            self._classify(error)

    def _classify(self, error: sqlite3.Error) -> BridgeError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return JournalFullError(f"the disk is full: {error}")
        if is_damage(error):
            self._failure = self._damaged(error)
            return self._failure
        if code == sqlite3.SQLITE_IOERR:
            self._failure = JournalUncertainError(f"the disk failed while storing: {error}")
            return self._failure
        return JournalError(f"the journal refused a write: {error}")

    def _execute(self, write: _Write) -> None:
        self._writer.execute("SAVEPOINT one")
        try:
            write.result = write.query(self._writer)
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) or (isinstance(error, sqlite3.Error) and is_damage(error)):
                raise  # the disk's or the file's: the whole commit fails
            write.error = error  # the query's own, which belongs to who asked for it
            self._writer.execute("ROLLBACK TO one")
        self._writer.execute("RELEASE one")


def _answer(batch: list[_Write]) -> None:
    """Hand the results to their waiters, with one wake-up per loop."""
    loop = batch[0].future.get_loop()
    try:
        loop.call_soon_threadsafe(_settle, batch)
    except RuntimeError:  # the loop is gone, and with it whoever waited; the rows are stored
        return


def _settle(batch: list[_Write]) -> None:
    for write in batch:
        if write.future.done():
            continue
        if write.error is None:
            write.future.set_result(write.result)
        else:
            write.future.set_exception(write.error)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        if mode != "ro":
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = OFF")  # the rows of one write come in any order
            connection.execute("PRAGMA temp_store = MEMORY")  # a write wants no further file, nor its descriptor
        connection.execute("PRAGMA busy_timeout = 5000")
        # the writer's indexes are what is worth keeping in memory (KiB)
        connection.execute(f"PRAGMA cache_size = {-4_000 if mode == 'ro' else -16_000}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """A new journal or lock is its user's alone, whatever the umask: who can read the lock can take it. SQLite gives
    -wal and -shm the journal's mode. A file that is there is left as it is."""
    with contextlib.suppress(FileExistsError):
        created = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE)
        try:
            os.fchmod(created, _MODE)
        finally:
            os.close(created)


def _check(path: Path, newest: int) -> None:
    """Refuse a foreign file before anything touches it: the writer's pragmas would change its header."""
    if path.exists() and path.stat().st_size:
        with contextlib.closing(_connect(path, "ro")) as connection:
            check_identity(connection, newest)
