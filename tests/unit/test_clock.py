import pytest
import pytest_asyncio

from itop_bridge.clock import SteadyClock
from itop_bridge.journal.case import Draft
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.store import Store

HOUR = 3600.0


class Machine:
    """Two clocks; `jump` sets the one on the wall."""

    def __init__(self):
        self.wall = 1_000_000.0
        self.monotonic = 5.0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.monotonic)

    def pass_(self, seconds):
        self.wall += seconds
        self.monotonic += seconds

    def jump(self, seconds):
        self.wall += seconds


@pytest.fixture
def machine():
    return Machine()


@pytest_asyncio.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


def test_it_is_the_machines_clock_while_that_is_not_set(machine):
    for _ in range(100):
        machine.pass_(7.0)
        assert machine.clock() == machine.wall


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_is_followed_slowly_and_in_the_end(machine, jump):
    before = machine.clock()
    machine.jump(jump)
    assert machine.clock() == before
    machine.pass_(60.0)
    assert machine.clock() == pytest.approx(before + 60.0 + (6.0 if jump > 0 else -6.0))
    for _ in range(600):
        machine.pass_(60.0)
        assert machine.clock() > before
        before = machine.clock()
    assert machine.clock() == machine.wall


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_token_is_looked_for_when_itop_must_have_given_up_whatever_the_clock_does(store, machine, jump):
    journal = DeliveryJournal(store, machine.clock)
    attempt = await journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "", {}))
    await journal.settle_attempt(attempt.id, "unknown", look=machine.clock() + 60.0)
    machine.jump(jump)
    machine.pass_(50.0)
    assert await journal.fetch_looks(9) == []
    machine.pass_(20.0)
    assert len(await journal.fetch_looks(9)) == 1
