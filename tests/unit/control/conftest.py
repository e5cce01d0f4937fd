import dataclasses

import pytest
import pytest_asyncio
from filled import fill

from itop_bridge.control.controls import Controls, Hooks, Reloaded
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.store import Store


@pytest_asyncio.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    await fill(store)
    yield store
    await store.close()


class FakeDaemon:
    """A daemon whose triage settles letters while an operation sleeps, as `results` says by id: else they land."""

    def __init__(self, store):
        self.store = store
        self.results = {}
        self.reloads = 0
        self.error = None
        self.told = []
        self.routes = ["r", "wazuh"]
        self.controls = Controls(
            Inquiry(store, lambda: 2000.0),
            Operations(store, lambda: 2000.0),
            Figures(store),
            lambda: self.routes,
            Hooks(self.fetch_status, self.reload),
            self.sleep,
        )

    @property
    def stopped(self):
        """The same journal, and no daemon."""
        return dataclasses.replace(self.controls, find_routes=lambda: None, daemon=None)

    async def fetch_status(self):
        return {"ready": True, "version": "1"}

    async def reload(self):
        self.reloads += 1
        if self.error:
            raise self.error
        return Reloaded(self.routes[::-1], ["mqtt.port"])

    async def tell(self, done, total):
        self.told.append((done, total))

    async def sleep(self, _seconds):
        rows = [(self.results.get(each, "retried"), each) for each in await self._retrying()]
        await self.store.write(lambda sql: sql.executemany("UPDATE dead_letters SET state = ? WHERE id = ?", rows[:2]))

    async def _retrying(self):
        query = "SELECT id FROM dead_letters WHERE state = 'retrying' ORDER BY id"
        return [row[0] for row in await self.store.read(lambda sql: list(sql.execute(query)))]


@pytest.fixture
def daemon(store):
    return FakeDaemon(store)
