"""A broker to publish at, and a journal with results."""

import asyncio
import contextlib

import pytest
import pytest_asyncio

from itop_bridge.intake.broker import Broker
from itop_bridge.journal.result import ResultJournal
from itop_bridge.journal.store import Store
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import settings_for


@pytest_asyncio.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


class Outbox:
    """Results of drops: the simplest there are."""

    def __init__(self, store):
        self.store = store
        self.results = ResultJournal(store)
        self.events = 0

    async def settle(self, count=1, *, route="r", asked=None):
        for _ in range(count):
            self.events += 1
            await self.store.write(lambda sql: self._settle(sql, route, asked))

    def _settle(self, sql, route, asked):
        sql.execute(
            "INSERT INTO events (id, connection, seen, received, topic, payload, size, digest, qos, retain,"
            " response_topic, correlation) VALUES (?, 1, 1, 1000, 't', '', 0, '', 1, 0, ?, ?)",
            (self.events, asked, b"c"),
        )
        drop = (self.events, route, f"a{self.events}")
        sql.execute("INSERT INTO drops (event_id, idx, reason, route, alert_id) VALUES (?, 0, 'repeat', ?, ?)", drop)


@pytest_asyncio.fixture
async def outbox(store):
    outbox = Outbox(store)
    await outbox.results.record_answered(["r", "s"], who_asks=True)
    return outbox


@contextlib.asynccontextmanager
async def _connected(fake, **changes):
    broker = Broker(settings_for(fake.port, response_prefix=("answers",), **changes))
    await broker.connect()
    try:
        yield broker
    finally:
        if broker.connection:
            broker.connection.drop("the test is over")


@pytest.fixture
def connected():
    """A broker that is connected to a fake one."""
    return _connected


@pytest_asyncio.fixture
async def fake():
    async with FakeBroker() as fake:
        yield fake


@contextlib.asynccontextmanager
async def _running(endless):
    task = asyncio.create_task(endless)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def running():
    """Runs what never ends by itself, and ends it."""
    return _running
