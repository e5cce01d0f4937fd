"""The journal's file: recognising it, and bringing it up to date by numbered migrations."""

import importlib.resources
import sqlite3

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

    Raises JournalFormatError for a file that is corrupt, another program's, or of a newer version.
    """
    try:
        version = _check_identity(connection, len(migrations))
        for number, script in enumerate(migrations[version:], version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {number}; COMMIT;"
            )
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise JournalFormatError(f"the journal is not a readable SQLite file ({error})") from error
        raise


def _check_identity(connection: sqlite3.Connection, newest: int) -> int:
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
