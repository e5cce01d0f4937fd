import asyncio
from random import Random

import pytest

from itop_bridge.simulator.chaos import Chaos
from itop_bridge.simulator.fault import Kind


def describe(fault):
    return (fault.kind, fault.times, fault.operation, fault.seconds, fault.stored)


async def test_the_same_seed_brings_the_same_faults(start):
    struck = []
    for _ in range(2):
        simulator, _client = await start()
        chaos = Chaos(simulator, Random(5))
        struck.append([describe(chaos.strike()) for _ in range(30)])
    assert struck[0] == struck[1]


def test_every_kind_comes_in_time_and_each_ends(simulator):
    chaos = Chaos(simulator, Random(5))
    faults = [chaos.strike() for _ in range(500)]
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(1 <= fault.times <= 5 and fault.seconds is not None for fault in faults)
    assert list(simulator.faults) == faults


async def test_faults_that_are_over_are_taken_away(simulator):
    told = []

    async def sleep(_):
        if len(told) == 20:
            raise asyncio.CancelledError
        for fault in simulator.faults:
            fault.hits = fault.times

    simulator.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await Chaos(simulator, Random(5)).rage(1.0, told.append)
    assert len(list(simulator.faults)) == 1
    assert all(line.startswith("fault: ") for line in told)
