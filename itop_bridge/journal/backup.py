"""A copy of the journal, as it is at one moment, beside the daemon that goes on writing."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from itop_bridge.errors import BridgeError, JournalFormatError
from itop_bridge.journal.schema import check_identity, load_migrations

_PAGES_AT_A_TIME = 1024
_MODE = 0o600
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock", ".control")
"""What the names of the files of a journal end with."""

Advance = Callable[[int, int], None]
"""Takes how many bytes were copied, of how many."""


class BackupError(BridgeError):
    """The journal could not be copied."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a copy holds: the journal's version, the copy's size, and the last event's number."""

    version: int
    size_bytes: int
    last_event: int


def back_up(
    journal: Path, target: Path, *, force: bool = False, advance: Advance = lambda _done, _total: None
) -> Backup:
    """Copy the journal to `target`, for its owner only; what is returned was read from the copy, which was checked.

    `target` is there whole or not at all; one that exists is replaced with `force` only, a journal in its place never.
    Raises JournalFormatError if
    the journal is damaged or no journal, BackupError if it cannot be read or the copy cannot be written.
    """
    if _is_in_use(journal, target):
        raise BackupError(f"{target} belongs to a journal, and no backup takes its place: choose another name")
    if target.exists() and not force:
        raise BackupError(f"{target} is there already: --force replaces it")
    part = target.with_name(f"{target.name}.part")
    try:
        with _removed_unless_done(part):
            _make_private(part)
            _copy(journal, part, advance)
            backup = _check(part)
            _sync(part)
            part.replace(target)
            _sync(target.parent)
    except OSError as error:
        raise BackupError(f"{error.filename or target} cannot be written: {error.strerror}") from error
    return backup


def _is_in_use(journal: Path, target: Path) -> bool:
    """Whether the target is a journal of a bridge, this one's or another's, or a file beside ours: a daemon would go
    on writing into what was replaced, and lose it."""
    names = {journal.name + end for end in _BESIDE}
    own = target.name in names and target.parent.resolve() == journal.parent.resolve()
    return own or target.resolve().with_name(f"{target.resolve().name}.lock").exists()


@contextlib.contextmanager
def _removed_unless_done(part: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + end).unlink(missing_ok=True)


def _make_private(part: Path) -> None:
    part.unlink(missing_ok=True)  # of a backup that was broken off
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))


def _copy(journal: Path, part: Path, advance: Advance) -> None:
    try:
        with contextlib.closing(_connect(journal, "ro")) as ours, contextlib.closing(_connect(part, "rw")) as copy:
            check_identity(ours, len(load_migrations()))
            page_bytes = int(ours.execute("PRAGMA page_size").fetchone()[0])
            # one reading from the first page to the last: else SQLite begins anew whenever the daemon commits
            ours.execute("BEGIN")
            ours.execute("SELECT count(*) FROM sqlite_master").fetchone()

            def tell(_status: int, remaining: int, total: int) -> None:
                advance((total - remaining) * page_bytes, total * page_bytes)

            ours.backup(copy, pages=_PAGES_AT_A_TIME, progress=tell)
            # a file by itself, without a log beside it; the daemon that gets it makes its own
            copy.execute("PRAGMA journal_mode = DELETE")
    except JournalFormatError as error:
        raise JournalFormatError(f"{journal}: {error}") from error
    except sqlite3.Error as error:
        raise BackupError(f"the journal {journal} cannot be copied to {part.parent}: {error}") from error


def _check(part: Path) -> Backup:
    """Raises JournalFormatError if the copy is damaged, as what it was copied from then is."""
    try:
        with contextlib.closing(_connect(part, "ro")) as copy:
            found = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise JournalFormatError(f"the journal is damaged, and no copy was kept: {' '.join(found)}")
            version = check_identity(copy, len(load_migrations()))
            last = copy.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
    except sqlite3.Error as error:
        raise JournalFormatError(f"the journal is damaged, and no copy was kept: {error}") from error
    return Backup(version, part.stat().st_size, int(last))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
