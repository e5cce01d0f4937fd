import asyncio
import contextlib
import sqlite3

import pytest

from itop_bridge.journal.checkpoint import Checkpoints, measure_log, watch_log
from itop_bridge.journal.store import Store
from itop_bridge.log import Alarms

EVERY = 100_000
MOST = 1_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


@pytest.fixture
def sql(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE rows (a)")
    yield connection
    connection.close()


@pytest.fixture
def checkpoints(sql, path):
    return Checkpoints(sql, path, every_bytes=EVERY, most_bytes=MOST)


def write(sql, checkpoints, size, times=1):
    for _ in range(times):
        sql.execute("INSERT INTO rows VALUES (zeroblob(?))", (size,))
        checkpoints.run_if_due()


@contextlib.contextmanager
def reading(path):
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM rows").fetchone()
    yield
    reader.close()


def test_a_commit_moves_nothing_by_itself(sql, path, checkpoints):
    before = path.read_bytes()
    for _ in range(5):
        sql.execute("INSERT INTO rows VALUES (zeroblob(?))", (EVERY * 10,))
    assert path.read_bytes() == before


def test_pages_are_moved_once_the_log_has_grown_by_so_much(sql, path, checkpoints):
    before = path.stat().st_size
    write(sql, checkpoints, EVERY // 2)
    assert path.stat().st_size == before
    write(sql, checkpoints, EVERY // 2, 2)
    assert path.stat().st_size > before + EVERY // 2


def test_the_log_does_not_grow_for_ever(sql, path, checkpoints):
    write(sql, checkpoints, EVERY // 3, 100)
    assert measure_log(path) < 3 * EVERY


def test_a_reader_that_does_not_finish_lets_the_log_grow_and_it_is_cut_back_when_it_ends(sql, path, checkpoints):
    with reading(path):
        write(sql, checkpoints, EVERY, 15)
        assert measure_log(path) > MOST
        write(sql, checkpoints, 10)
        assert measure_log(path) > MOST
    write(sql, checkpoints, 10)
    assert measure_log(path) == 0
    assert sql.execute("SELECT count(*) FROM rows").fetchone() == (17,)


def test_a_checkpoint_waits_for_nobody(sql, path, checkpoints):
    sql.execute("PRAGMA busy_timeout = 3600000")
    with reading(path):
        write(sql, checkpoints, EVERY, 15)
        checkpoints.run("TRUNCATE")
    assert sql.execute("PRAGMA busy_timeout").fetchone() == (3_600_000,)


def test_a_log_that_is_not_there_is_empty(tmp_path):
    assert measure_log(tmp_path / "none.db") == 0


async def test_a_log_that_grows_is_an_alarm_that_ends_by_itself(sql, path, checkpoints):
    alarms = Alarms()
    seen = []

    async def sleep(_seconds):
        seen.append(set(alarms.active))
        if len(seen) == 1:
            reader.enter_context(reading(path))
            write(sql, checkpoints, EVERY, 15)
        elif len(seen) == 2:
            reader.close()
        elif len(seen) == 3:
            raise asyncio.CancelledError

    async def give_turn():
        checkpoints.run_if_due()

    with contextlib.ExitStack() as reader, pytest.raises(asyncio.CancelledError):
        await watch_log(path, give_turn, alarms, most_bytes=MOST, sleep=sleep)
    assert seen == [set(), {"journal_wal_grows"}, set()]


async def test_the_journal_is_whole_without_its_log_when_it_was_closed(path):
    store = await Store.open(path)
    await store.write(lambda sql: sql.execute("INSERT INTO meta VALUES ('a', 1)").rowcount)
    before = path.read_bytes()
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT 1 FROM meta").fetchall()  # keeps SQLite from removing the log
        await store.close()
        assert measure_log(path) == 0
    assert path.read_bytes() != before
