import asyncio
from types import SimpleNamespace

import pytest

from itop_bridge.errors import JournalFullError
from itop_bridge.outward.outward import Outward


class Recorder:
    answers_who_asks = True
    itop_address = ""
    is_full = False

    def __init__(self):
        self.told = []

    async def tell(self):
        self.told.append("presence")

    def greet(self):
        self.told.append("publisher")

    async def record_answered(self, routes, *, who_asks):
        if self.is_full:
            raise JournalFullError
        self.told.append((list(routes), who_asks))

    def forgive(self):
        self.forgiven = True

    async def run(self):
        await asyncio.Event().wait()


@pytest.fixture
def part():
    return Recorder()


def settings(own=None, **routes):
    return SimpleNamespace(
        routes=[SimpleNamespace(name=name, results=results) for name, results in routes.items()],
        own_incidents=own,
        itop=SimpleNamespace(address="https://itop.example"),
    )


async def test_it_follows_the_configuration(part):
    outward = Outward(part, part, part)
    await outward.follow(settings(a=True, b=False))
    await outward.follow(settings(SimpleNamespace(results=True), b=False))
    assert part.told == [(["a"], True), (["own-incidents"], True)]
    assert part.forgiven
    assert part.itop_address == "https://itop.example"


async def test_on_a_full_disk_it_follows_as_far_as_it_can(part):
    part.is_full = True
    with pytest.raises(JournalFullError):
        await Outward(part, part, part).follow(settings(a=True))
    assert part.forgiven
    assert part.itop_address == "https://itop.example"


async def test_a_connection_is_greeted_with_the_presence_first(part):
    await Outward(part, part, part).greet()
    assert part.told == ["presence", "publisher"]
