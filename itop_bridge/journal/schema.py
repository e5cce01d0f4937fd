"""The journal's file: recognising it, and bringing it up to date by numbered migrations."""

import importlib.resources
import sqlite3

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import JournalFormatError

APPLICATION_ID = 0x69544272
"""Written in the file's header, so that a foreign SQLite file is recognised."""


def load_migrations() -> list[str]:
    """The SQL scripts `migration/NNNN.sql`, in order; the n-th brings a journal to version n."""
    folder = importlib.resources.files("itop_bridge.journal") / "migration"
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [script.read_text(encoding="utf-8") for script in scripts]


def migrate(connection: sqlite3.Connection, migrations: list[str]) -> None:
    """Bring the journal to the newest version, one transaction per version.

    Raises what `check_identity` does, and sqlite3.Error.
    """
    version = check_identity(connection, len(migrations))
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};"
        )
        pass_point("journal.migrated")
        connection.execute("COMMIT")


def is_damage(error: sqlite3.Error) -> bool:
    """True if the file itself is at fault: a page that is none, or no database at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def check_identity(connection: sqlite3.Connection, newest: int) -> int:
    """The journal's version, 0 for an empty file; changes nothing.

    Raises JournalFormatError for a file of another program or of a newer version, sqlite3.Error for a damaged one.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not empty and application != APPLICATION_ID:
        raise JournalFormatError("the file is an SQLite database of another program")
    if version > newest:
        raise JournalFormatError(
            f"the journal has version {version}, this program knows {newest}: it was written by a newer itop-bridge"
        )
    return version
