import asyncio
from random import Random

import pytest

from itop_bridge.simulator.crowd import Crowd
from itop_bridge.simulator.simulator import Simulator


async def test_the_same_seed_brings_the_same_acts(start):
    told, states = [], []
    for _ in range(2):
        simulator, client = await start()
        for _ in range(3):
            await client.create()
        crowd = Crowd(simulator, Random(7))
        told.append([crowd.act() for _ in range(40)])
        states.append(simulator.objects("Ticket"))
    assert told[0] == told[1]
    assert states[0] == states[1]


async def test_people_do_all_kinds_of_things_under_their_own_names(simulator, client):
    for _ in range(5):
        await client.create()
    crowd = Crowd(simulator, Random(1))
    told = [crowd.act() for _ in range(200)]
    assert {line.split(": ")[0] for line in told} == {"Alice Agent", "Bob Agent"}
    acts = {line.split(": ")[1].split(" ")[0] for line in told}
    assert acts == {"log", "assign", "edit", "resolve", "close", "pending", "reopen"}
    entries = [entry for ticket in simulator.objects("Ticket") for entry in ticket["public_log"]]
    assert {entry["user_login"] for entry in entries} == {"Alice Agent", "Bob Agent"}


@pytest.mark.parametrize("install", ["itil", "simple"])
async def test_people_get_along_with_every_install(start, install):
    simulator, client = await start(install=install, php=7)
    for _ in range(3):
        await client.create("UserRequest")
    crowd = Crowd(simulator, Random(3))
    assert any("close" in (crowd.act() or "") for _ in range(200))


def test_where_there_is_nothing_to_do_nobody_acts(simulator):
    assert Crowd(simulator, Random(1)).act() is None
    assert Crowd(Simulator(sample=False), Random(1)).act() is None


async def test_work_goes_on_with_pauses_until_it_is_cancelled(simulator, client):
    await client.create()
    pauses, told = [], []

    async def sleep(seconds):
        if len(pauses) == 200:
            raise asyncio.CancelledError
        pauses.append(seconds)

    simulator.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await Crowd(simulator, Random(1)).work(3.0, told.append)
    assert 2.0 < sum(pauses) / len(pauses) < 4.0
    assert len(told) > 100
