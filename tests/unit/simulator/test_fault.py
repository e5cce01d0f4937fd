import asyncio
from random import Random

import pytest

from itop_bridge.simulator.fault import Fault, Faults, Kind, draw_latency_s


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        Fault("nonsense")


def test_latencies_add_up_and_one_other_fault_hits():
    faults = Faults()
    late, slow, refuse, more = (faults.add(Fault(kind)) for kind in ("latency", "latency", "refuse", "http_500"))
    assert faults.take("core/get", {}) == [late, slow, refuse]
    assert faults.take("core/get", {}) == [more]
    assert faults.take("core/get", {}) == []


def test_a_fault_without_times_hits_for_ever_and_can_be_removed():
    faults = Faults()
    fault = faults.add(Fault(Kind.HTTP_502, times=None))
    assert [faults.take("x", {}) for _ in range(3)] == [[fault]] * 3
    faults.remove(fault)
    assert faults.take("x", {}) == []


async def test_release_returns_when_every_held_call_is_carried_out():
    fault, done = Fault("late", times=None), []

    async def call(name):
        await fault.hold(asyncio.sleep)
        await asyncio.sleep(0)
        done.append(name)
        fault.settle()

    calls = [asyncio.create_task(call(name)) for name in "ab"]
    await asyncio.sleep(0)
    assert done == []
    await fault.release()
    assert done == ["a", "b"]
    await asyncio.gather(*calls)


async def test_release_of_what_holds_nothing_returns_at_once():
    await Fault("late").release()


def test_a_slow_start_is_over_soon():
    faults = Faults()
    fault = faults.add(Fault("slow_start", times=None, seconds=8.0))
    delays = []
    for _ in range(5):
        faults.take("x", {})
        delays.append(fault.draw_delay_s(Random(1)))
    assert delays == [8.0, 4.0, 2.0, 1.0, 0.5]


@pytest.mark.parametrize("p95_s", [None, 0.0, 0.05])
def test_a_latency_without_a_longer_percentile_is_always_the_same(p95_s):
    assert draw_latency_s(Random(1), 0.1, p95_s) == 0.1
    assert draw_latency_s(Random(1), 0.0, p95_s) == 0.0
