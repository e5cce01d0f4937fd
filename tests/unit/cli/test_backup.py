import contextlib
import json
import sqlite3


def test_the_journal_is_copied_and_the_copy_told(operator, tmp_path):
    code, out, err = operator.run("backup", tmp_path / "copy.db")
    assert (code, err) == (0, "")
    events = operator.query("SELECT max(id) FROM events")[0][0]
    size = (tmp_path / "copy.db").stat().st_size / 2**20
    assert out == f"ok: {tmp_path / 'copy.db'}, {size:.1f} MiB, up to event {events}; checked\n"
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        [(count,)] = copy.execute("SELECT count(*) FROM events")
    assert count == operator.query("SELECT count(*) FROM events")[0][0]


def test_it_is_told_as_json(operator, tmp_path):
    told = json.loads(operator.run("backup", tmp_path / "copy.db", "--json")[1])
    assert told["file"] == str(tmp_path / "copy.db")
    assert told["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert told.keys() == {"file", "bytes", "version", "last_event"}


def test_a_copy_that_is_there_is_not_overwritten(operator, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    code, _, err = operator.run("backup", tmp_path / "copy.db")
    assert (code, (tmp_path / "copy.db").read_text()) == (1, "mine")
    assert "--force" in err
    assert operator.run("backup", tmp_path / "copy.db", "--force")[0] == 0


def test_a_journal_that_is_not_there_is_told_and_not_made(operator, tmp_path):
    operator.journal = tmp_path / "elsewhere.db"
    code, _, err = operator.run("backup", tmp_path / "copy.db")
    assert code == 1
    assert err.startswith(f"there is no journal {operator.journal}")
    assert not operator.journal.exists()
    assert not (tmp_path / "copy.db").exists()


def test_it_is_refused_where_nothing_may_be_done(operator, tmp_path):
    assert operator.run("backup", tmp_path / "copy.db", "--read-only")[0] == 1
    assert operator.run("backup", tmp_path / "copy.db", "--dry-run")[0] == 2
    assert not (tmp_path / "copy.db").exists()
