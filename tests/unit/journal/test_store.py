import asyncio
import contextlib
import os
import sqlite3

import pytest

from itop_bridge.errors import (
    JournalError,
    JournalFormatError,
    JournalFullError,
    JournalLockedError,
    JournalUncertainError,
)
from itop_bridge.journal.checkpoint import Checkpoints
from itop_bridge.journal.schema import load_migrations, migrate
from itop_bridge.journal.store import Store


def put(name, value):
    return lambda sql: sql.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value)).rowcount


def get(name):
    return lambda sql: sql.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()


async def test_a_write_is_readable_when_it_returns(store):
    await store.write(put("a", 1))
    assert await store.read(get("a")) == (1,)


async def test_what_was_written_is_there_after_reopening(tmp_path):
    store = await Store.open(tmp_path / "j.db")
    await store.write(put("a", 1))
    await store.close()
    store = await Store.open(tmp_path / "j.db")
    assert await store.read(get("a")) == (1,)
    await store.close()


async def test_a_write_that_fails_does_not_take_its_neighbours_with_it(store):
    def broken(sql):
        sql.execute("INSERT INTO meta (name, value) VALUES ('half', 1)")
        raise KeyError("bug")

    results = await asyncio.gather(
        store.write(put("before", 1)), store.write(broken), store.write(put("after", 1)), return_exceptions=True
    )
    assert isinstance(results[1], KeyError)
    assert await store.read(get("before")) == (1,)
    assert await store.read(get("after")) == (1,)
    assert await store.read(get("half")) is None


async def test_writes_that_wait_share_a_commit(store, monkeypatch):
    commits = []
    commit = Store._commit
    monkeypatch.setattr(Store, "_commit", lambda self, batch: (commits.append(len(batch)), commit(self, batch))[1])
    await asyncio.gather(*[store.write(put(f"n{n}", n)) for n in range(50)])
    assert sum(commits) == 50
    assert len(commits) < 50


async def test_a_write_goes_on_when_its_waiter_is_cancelled(store):
    task = asyncio.create_task(store.write(put("kept", 1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(put("next", 1))
    assert await store.read(get("kept")) == (1,)


async def test_a_second_daemon_is_refused(store):
    with pytest.raises(JournalLockedError, match=f"in use by another itop-bridge .process {os.getpid()}.$"):
        await Store.open(store.path)


def foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TABLE theirs (a)")
        sql.commit()


def newer(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as sql:
        migrate(sql, load_migrations())
        sql.execute("PRAGMA user_version = 99")


def junk(path):
    path.write_bytes(b"not a database at all" * 100)


def bad_page(path):
    """The page that holds the schema is overwritten."""
    newer(path)
    page = path.read_bytes()
    path.write_bytes(page[:100] + b"\xff" * 3996 + page[4096:])


@pytest.mark.parametrize(
    ("make", "told"),
    [(foreign, "another program"), (newer, "newer itop-bridge"), (junk, "no readable"), (bad_page, "no readable")],
)
async def test_a_file_that_is_no_journal_of_ours_is_refused_with_the_way_out_and_left_as_it_is(tmp_path, make, told):
    path = tmp_path / "j.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(JournalFormatError, match=rf"{told}.*Nothing was changed.*mv .*j\.db") as failure:
        await Store.open(path)
    assert "\n" not in str(failure.value)
    assert path.read_bytes() == before
    path.unlink()
    await (await Store.open(path)).close()  # nothing holds the lock


async def test_a_page_that_is_damaged_later_ends_reads_and_writes_with_the_way_out(tmp_path):
    path = tmp_path / "j.db"
    store = await Store.open(path)
    (page,) = await store.read(
        lambda sql: sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'meta'").fetchone()
    )
    await store.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    store = await Store.open(path)
    try:
        with pytest.raises(JournalFormatError, match=r"mv .*j\.db"):
            await store.read(get("a"))
        with pytest.raises(JournalFormatError, match=r"mv .*j\.db"):
            await store.write(put("b", 1))
        with pytest.raises(JournalFormatError, match=r"mv .*j\.db"):
            await store.write(lambda _: None)
    finally:
        await store.close()


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"):
        await Store.open(tmp_path / "missing" / "j.db")


async def test_a_full_disk_stores_nothing_and_heals(store):
    pages = await store.read(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await store.write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
    with pytest.raises(JournalFullError):
        await store.write(put("big", "x" * 100_000))
    assert await store.read(get("big")) is None
    await store.write(lambda sql: sql.execute("PRAGMA max_page_count = 100000").fetchone())
    await store.write(put("big", "x" * 100_000))
    assert await store.read(get("big"))


def failing(code):
    def query(_sql):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    return query


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE])
async def test_a_disk_that_fails_leaves_the_outcome_unknown_and_nothing_is_written_after_it(store, code):
    with pytest.raises(JournalUncertainError):
        await store.write(failing(code))
    with pytest.raises(JournalUncertainError):
        await store.write(put("a", 1))
    assert await store.read(get("a")) is None


async def test_a_disk_that_fails_in_a_checkpoint_fails_every_write_from_then_on(store, monkeypatch):
    monkeypatch.setattr(Checkpoints, "run_if_due", failing(sqlite3.SQLITE_IOERR_FSYNC))
    await store.write(put("a", 1))
    with pytest.raises(JournalUncertainError):
        await store.write(put("b", 1))
    assert await store.read(get("a")) == (1,)


async def test_a_full_disk_in_a_checkpoint_is_told_by_nobody_and_heals(store, monkeypatch):
    monkeypatch.setattr(Checkpoints, "run_if_due", failing(sqlite3.SQLITE_FULL))
    await store.write(put("a", 1))
    await store.write(put("b", 1))
    assert await store.read(get("b")) == (1,)


async def test_a_closed_journal_refuses_writes(tmp_path):
    store = await Store.open(tmp_path / "j.db")
    await store.close()
    await store.close()
    with pytest.raises(JournalError, match="closed"):
        await store.write(put("a", 1))


async def test_the_journal_is_durable_at_each_commit(store):
    assert await store.write(lambda sql: sql.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert await store.write(lambda sql: sql.execute("PRAGMA journal_mode").fetchone()) == ("wal",)


async def test_who_wants_to_know_is_told_what_each_commit_took(store):
    took = []
    store.on_commit = took.append
    for _ in range(3):
        await store.write(lambda sql: None)
    assert len(took) == 3
    assert min(took) > 0.0


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_a_new_journal_is_its_users_alone_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        store = await Store.open(tmp_path / "j.db")
        await store.write(put("a", 1))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    await store.close()
    assert modes == dict.fromkeys(("j.db", "j.db-wal", "j.db-shm", "j.db.lock"), 0o600)


async def test_a_journal_that_is_there_keeps_its_mode(tmp_path):
    path = tmp_path / "j.db"
    await (await Store.open(path)).close()
    path.chmod(0o640)
    store = await Store.open(path)
    await store.close()
    assert path.stat().st_mode & 0o777 == 0o640
