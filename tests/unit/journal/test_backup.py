import contextlib
import sqlite3

import pytest
from filled import fill

from itop_bridge.errors import JournalFormatError
from itop_bridge.journal.backup import BackupError, back_up
from itop_bridge.journal.schema import load_migrations
from itop_bridge.journal.store import Store


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    await fill(store)
    yield store
    await store.close()


def dump(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sql:
        return list(sql.iterdump())


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


async def test_a_copy_beside_the_running_daemon_holds_what_was_committed(store, tmp_path):
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    backup = back_up(store.path, target)
    assert dump(target) == dump(store.path)
    assert (backup.version, backup.size_bytes) == (len(load_migrations()), target.stat().st_size)
    assert backup.last_event == await store.read(lambda sql: sql.execute("SELECT max(id) FROM events").fetchone()[0])
    assert names_of(target.parent) == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600


async def test_a_copy_is_a_journal(store, tmp_path):
    back_up(store.path, tmp_path / "copy.db")
    other = await Store.open(tmp_path / "copy.db")
    events = "SELECT count(*) FROM events"
    try:
        assert await other.read(lambda sql: sql.execute(events).fetchone()[0]) == await store.read(
            lambda sql: sql.execute(events).fetchone()[0]
        )
    finally:
        await other.close()


async def test_what_is_committed_meanwhile_neither_begins_it_anew_nor_stands_in_it(store, tmp_path):
    await store.write(lambda sql: sql.execute("CREATE TABLE ballast AS SELECT zeroblob(20000000) AS a"))
    told = []

    def advance(done, total):
        told.append((done, total))
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None, timeout=5)) as daemon:
            daemon.execute("INSERT INTO meta (name, value) VALUES (?, 1)", (f"meanwhile-{len(told)}",))

    back_up(store.path, tmp_path / "copy.db", advance=advance)
    assert len(told) > 3
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len({total for _, total in told}) == 1
    assert told[-1][0] == told[-1][1] == (tmp_path / "copy.db").stat().st_size
    assert not [line for line in dump(tmp_path / "copy.db") if "meanwhile" in line]


async def test_a_journal_whose_daemon_was_killed_is_copied_with_its_log(store, tmp_path):
    dead = tmp_path / "dead"
    dead.mkdir()
    for end in ("", "-wal"):  # as a kill leaves them
        (dead / f"journal.db{end}").write_bytes(store.path.with_name(f"journal.db{end}").read_bytes())
    assert (dead / "journal.db-wal").stat().st_size > 0
    back_up(dead / "journal.db", tmp_path / "copy.db")
    assert dump(tmp_path / "copy.db") == dump(store.path)


async def test_a_copy_is_not_overwritten_unless_told(store, tmp_path):
    (tmp_path / "copy.db").write_text("of yesterday")
    with pytest.raises(BackupError, match="is there already: --force replaces it"):
        back_up(store.path, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "of yesterday"
    back_up(store.path, tmp_path / "copy.db", force=True)
    assert dump(tmp_path / "copy.db") == dump(store.path)


@pytest.mark.parametrize("name", ["journal.db", "../{folder}/journal.db", "journal.db-wal", "journal.db.lock"])
async def test_a_journal_is_never_replaced_by_its_copy(store, tmp_path, name):
    target = tmp_path / name.format(folder=tmp_path.name)
    with pytest.raises(BackupError, match="belongs to a journal"):
        back_up(store.path, target, force=True)
    assert await store.write(lambda sql: sql.execute("SELECT 1").fetchone()) == (1,)


async def test_nor_is_the_journal_of_another_bridge(store, tmp_path):
    other = await Store.open(tmp_path / "other.db")
    try:
        with pytest.raises(BackupError, match="belongs to a journal"):
            back_up(store.path, tmp_path / "other.db", force=True)
        (tmp_path / "link").symlink_to("other.db")
        with pytest.raises(BackupError, match="belongs to a journal"):
            back_up(store.path, tmp_path / "link", force=True)
    finally:
        await other.close()


async def test_a_copy_that_is_broken_off_leaves_nothing_and_the_one_of_before(store, tmp_path):
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    target.write_text("of yesterday")

    def interrupt(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(store.path, target, force=True, advance=interrupt)
    assert names_of(target.parent) == ["copy.db"]
    assert target.read_text() == "of yesterday"


async def test_the_rest_of_one_that_was_killed_is_no_hindrance(store, tmp_path):
    (tmp_path / "copy.db.part").write_text("half")
    back_up(store.path, tmp_path / "copy.db")
    assert dump(tmp_path / "copy.db") == dump(store.path)


async def test_a_damaged_journal_gives_no_copy(store, tmp_path):
    await store.close()
    content = bytearray(store.path.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    store.path.write_bytes(content)
    with pytest.raises(JournalFormatError, match="damaged, and no copy was kept"):
        back_up(store.path, tmp_path / "copy.db")
    assert "copy.db" not in names_of(tmp_path)


def test_what_is_no_journal_is_not_copied(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as sql:
        sql.execute("CREATE TABLE a (b)")
    with pytest.raises(JournalFormatError, match=r"other\.db: the file is an SQLite database of another program"):
        back_up(tmp_path / "other.db", tmp_path / "copy.db")
    (tmp_path / "text").write_text("something else entirely" * 100)
    with pytest.raises(BackupError, match="not a database"):
        back_up(tmp_path / "text", tmp_path / "copy.db")
    assert names_of(tmp_path) == ["other.db", "text"]


async def test_a_folder_that_is_not_there_is_told(store, tmp_path):
    with pytest.raises(BackupError, match=r"nowhere/copy\.db\.part cannot be written: No such file"):
        back_up(store.path, tmp_path / "nowhere" / "copy.db")
