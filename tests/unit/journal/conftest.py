import pytest
import pytest_asyncio
from case_rig import CaseRig

from itop_bridge.journal.store import Store


@pytest_asyncio.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


@pytest.fixture
def cases(store):
    return CaseRig(store)
