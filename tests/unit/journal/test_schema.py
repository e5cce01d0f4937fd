import sqlite3

import pytest

from itop_bridge.errors import JournalFormatError
from itop_bridge.journal.schema import APPLICATION_ID, check_identity, is_damage, load_migrations, migrate


@pytest.fixture
def sql():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def schema_of(sql):
    return sql.execute("SELECT type, name FROM sqlite_master ORDER BY type, name").fetchall()


def test_an_empty_file_gets_every_version(sql):
    migrate(sql, load_migrations())
    assert check_identity(sql, len(load_migrations())) == len(load_migrations()) >= 2
    assert sql.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert ("table", "pauses") in schema_of(sql)


def test_a_journal_of_the_first_version_keeps_its_rows(sql):
    migrate(sql, load_migrations()[:1])
    sql.execute("INSERT INTO profiles VALUES ('h', '{\"route\": \"wazuh\"}')")
    sql.execute("INSERT INTO cases (key, digest, organization, profile, opened) VALUES ('k', 'd', 'o', 'h', 1)")
    sql.execute("INSERT INTO alerts VALUES ('s', 'a', 1, 'firing', 0, NULL, 'c', 7, 0, 1, 0)")
    sql.execute("INSERT INTO dead_letters (reason, detail, at) VALUES ('r', '', 1)")
    migrate(sql, load_migrations())
    assert sql.execute("SELECT key, route FROM cases").fetchall() == [("k", "wazuh")]
    assert sql.execute("SELECT id, heard FROM alerts").fetchall() == [("a", 7.0)]
    assert sql.execute("SELECT reason, state, settled FROM dead_letters").fetchall() == [("r", "open", None)]
    new = sqlite3.connect(":memory:", isolation_level=None)
    migrate(new, load_migrations())
    assert schema_of(sql) == schema_of(new)
    new.close()


def test_a_migration_that_fails_leaves_the_version_before(tmp_path):
    path = tmp_path / "j.db"
    sql = sqlite3.connect(path, isolation_level=None)
    migrate(sql, load_migrations())
    with pytest.raises(sqlite3.OperationalError):
        migrate(sql, [*load_migrations(), "CREATE TABLE more (a); INSERT INTO nowhere VALUES (1);"])
    sql.close()
    sql = sqlite3.connect(path)
    assert check_identity(sql, 99) == len(load_migrations())
    assert ("table", "more") not in schema_of(sql)
    sql.close()


def test_a_file_of_another_program_is_refused(sql):
    sql.execute("CREATE TABLE theirs (a)")
    with pytest.raises(JournalFormatError, match="another program"):
        migrate(sql, load_migrations())
    assert schema_of(sql) == [("table", "theirs")]


def test_a_newer_version_is_refused(sql):
    migrate(sql, load_migrations())
    sql.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalFormatError, match="version 99, this program knows"):
        migrate(sql, load_migrations())


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_FULL, False),
        (None, False),
    ],
)
def test_a_damaged_file_is_told_by_the_error(code, damaged):
    error = sqlite3.DatabaseError("what it says")
    if code is not None:
        error.sqlite_errorcode = code
    assert is_damage(error) is damaged
