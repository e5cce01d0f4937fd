import asyncio
import socket

import pytest
from filled import fill

from itop_bridge.control.address import MOST_BYTES, socket_of
from itop_bridge.control.door import open_door
from itop_bridge.control.error import ControlError, RequestError, SocketError
from itop_bridge.control.request import DropLetters, FetchStatus, Pause, ShowCase
from itop_bridge.control.server import serve_control
from itop_bridge.errors import JournalError, JournalFormatError
from itop_bridge.journal.inquiry import LetterFilter
from itop_bridge.journal.store import Store


@pytest.fixture
async def journal(tmp_path):
    store = await Store.open(tmp_path / "stopped.db")
    await fill(store)
    await store.close()
    return store.path


async def no_sleep(_seconds):
    await asyncio.sleep(0)


async def test_a_daemon_that_runs_is_asked(store, daemon):
    async with serve_control(store.path, daemon.controls), open_door(store.path) as door:
        assert door.is_running
        assert (await door.ask(FetchStatus()))["version"] == "1"


async def test_where_none_runs_the_journal_is_worked_on_under_its_lock(journal):
    async with open_door(journal) as door:
        assert not door.is_running
        assert (await door.ask(DropLetters(LetterFilter(ids=(1,)))))["changed"] == 1
        with pytest.raises(JournalError, match="in use"):
            await Store.open(journal)
    await (await Store.open(journal)).close()


async def test_a_stale_socket_does_not_hinder(journal):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_of(journal)))
    async with open_door(journal) as door:
        assert not door.is_running


async def test_both_doors_refuse_the_same(journal):
    async with open_door(journal, ["wazuh"]) as door:
        with pytest.raises(RequestError):
            await door.ask(ShowCase("\udc80"))
        with pytest.raises(ControlError, match="did you mean wazuh"):
            await door.ask(Pause("wazu"))


@pytest.mark.parametrize("name", ["nothing.db", "folder", "no/folder.db"])
async def test_where_there_is_no_journal_none_is_made(tmp_path, name):
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ControlError, match=r"there is no journal .*--journal FILE"):
        async with open_door(tmp_path / name):
            pass
    assert sorted(tmp_path.rglob("*")) == before


async def test_one_that_cannot_be_reached_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot be reached: Not a directory"):
        async with open_door(tmp_path / "file" / "journal.db"):
            pass


async def test_a_journal_that_is_none_is_told(tmp_path):
    (tmp_path / "j.db").write_bytes(b"something else entirely" * 50)
    with pytest.raises(JournalFormatError):
        async with open_door(tmp_path / "j.db"):
            pass


async def test_one_that_is_locked_and_whose_daemon_is_silent_is_told_after_a_while(store):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    with pytest.raises(SocketError, match=r"is in use, and nobody answers at its control socket.*control\.unavailable"):
        async with open_door(store.path, sleep=sleep):
            pass
    assert sum(slept) == pytest.approx(10.0)


async def test_a_daemon_that_is_just_starting_is_waited_for(store, daemon):
    serving = serve_control(store.path, daemon.controls)
    slept = 0

    async def sleep(_seconds):
        nonlocal slept
        slept += 1
        if slept == 3:
            await serving.__aenter__()

    async with open_door(store.path, sleep=sleep) as door:
        assert door.is_running
    await serving.__aexit__(None, None, None)


async def test_two_commands_at_once_follow_each_other(journal):
    changed = []

    async def drop():
        async with open_door(journal, sleep=no_sleep, patience_s=1000.0) as door:
            changed.append((await door.ask(DropLetters(LetterFilter())))["changed"])

    await asyncio.gather(drop(), drop(), drop())
    assert sorted(changed) == [0, 0, 3]


async def test_a_path_too_long_for_a_socket_is_no_hindrance_where_no_daemon_runs(tmp_path):
    folder = tmp_path / ("x" * MOST_BYTES)
    folder.mkdir()
    store = await Store.open(folder / "journal.db")
    await store.close()
    async with open_door(store.path) as door:
        assert not door.is_running
