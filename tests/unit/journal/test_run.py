import pytest

from itop_bridge.errors import JournalFullError
from itop_bridge.journal.run import record_start, record_stop
from itop_bridge.journal.store import Store


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


async def test_a_start_tells_how_the_run_before_ended(store):
    assert await record_start(store) == "none"
    assert await record_start(store) == "crashed"
    await record_stop(store)
    assert await record_start(store) == "stopped"
    assert await record_start(store) == "crashed"


async def test_a_full_disk_keeps_nobody_from_starting_and_stopping(store, monkeypatch):
    async def write(_query):
        raise JournalFullError("full")

    monkeypatch.setattr(store, "write", write)
    assert await record_start(store) == "none"
    await record_stop(store)
