"""How fast and how many at once."""

import asyncio
import bisect
import random
from contextlib import AsyncExitStack

import pytest

from itop_bridge.itop.pace import Concurrency, Pacer


@pytest.fixture
async def start():
    """Start a task that is cancelled at the end."""
    tasks = []

    def start(coroutine):
        tasks.append(asyncio.ensure_future(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def pacer(fake_time):
    return Pacer(10.0, fake_time.clock, fake_time.sleep)


async def _take(pacer, fake_time, turns, name=None):
    await pacer.turn()
    turns.append(fake_time.now if name is None else name)


async def test_the_first_turn_is_at_once(pacer, fake_time):
    await pacer.turn()
    assert fake_time.now == 1_000.0


async def test_no_second_holds_more_turns_than_the_rate(pacer, fake_time, start):
    turns = []
    for _ in range(100):
        start(_take(pacer, fake_time, turns))
    await fake_time.move(10.0)
    most = max(sum(begin <= turn < begin + 1.0 for turn in turns) for begin in turns)
    assert most <= 10
    assert len(turns) in (97, 98)


@pytest.mark.parametrize("rate", [1.0, 10.0, 50.0, 200.0, 1000.0])
@pytest.mark.parametrize("latest_s", [0.0, 0.001, 0.004, 0.3])
async def test_late_wakes_cost_no_turns_and_never_crowd_a_second(rate, latest_s):
    now, dice = 1_000.0, random.Random(7)

    async def sleep(seconds):
        nonlocal now
        now += seconds + dice.random() * latest_s

    pacer = Pacer(rate, lambda: now, sleep)
    turns = []
    for _ in range(int(rate * 20) + 2):
        await pacer.turn()
        turns.append(now)
    most = max(bisect.bisect_left(turns, begin + 1.0) - number for number, begin in enumerate(turns))
    assert most <= rate
    if latest_s < min(0.01, 0.9 / rate):
        assert len(turns) / (turns[-1] - turns[0]) >= 0.97 * rate


async def test_turns_that_were_not_used_are_not_saved_up(pacer, fake_time, start):
    turns = []
    await fake_time.move(60.0)
    for _ in range(5):
        start(_take(pacer, fake_time, turns))
    await fake_time.move(0.15)
    assert len(turns) == 2


async def test_turns_go_first_come_first_served_also_past_one_that_gave_up(pacer, fake_time, start):
    turns = []
    tasks = [start(_take(pacer, fake_time, turns, name)) for name in range(5)]
    await fake_time.settle()
    tasks[1].cancel()
    tasks[3].cancel()
    await fake_time.move(0.25)
    assert turns == [0, 2, 4]


async def test_a_pause_holds_everyone_even_those_already_waiting(pacer, fake_time, start):
    turns = []
    for _ in range(3):
        start(_take(pacer, fake_time, turns))
    await fake_time.settle()
    pacer.pause_for(30.0)
    pacer.pause_until(fake_time.now + 5.0)  # a shorter one does not shorten it
    assert pacer.pause_s == 30.0
    await fake_time.move(29.9)
    assert len(turns) == 1
    await fake_time.move(1.0)
    assert len(turns) == 3
    assert pacer.pause_s == 0.0


async def test_a_pause_is_told_with_what_is_left_of_it(pacer, fake_time):
    told = []
    pacer.on_pause = told.append
    pacer.pause_for(30.0)
    await fake_time.move(10.0)
    pacer.pause_for(5.0)  # the longer one stands
    assert told == [30.0, 20.0]


async def test_a_lowered_rate_recovers_slowly(pacer, fake_time):
    pacer.slow_down()
    assert pacer.rate_per_s == 5.0
    await fake_time.move(150.0)
    assert pacer.rate_per_s == pytest.approx(7.5)
    await fake_time.move(600.0)
    assert pacer.rate_per_s == 10.0


async def test_the_rate_recovers_from_the_end_of_the_pause_on(pacer, fake_time):
    pacer.pause_for(3_600.0)
    pacer.slow_down()
    await fake_time.move(3_600.0)
    assert pacer.rate_per_s == 5.0


async def test_the_rate_is_never_lowered_to_nothing(pacer):
    for _ in range(50):
        pacer.slow_down()
    assert pacer.rate_per_s == 10.0 / 16


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_of_nothing_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        Pacer(rate)


# concurrency


async def _hold(concurrency, name, order, end):
    async with concurrency.slot():
        order.append(name)
        await end.wait()


async def test_no_more_than_the_limit_and_first_come_first_served(fake_time, start):
    concurrency, order, end = Concurrency(2), [], asyncio.Event()
    for name in range(5):
        start(_hold(concurrency, name, order, end))
    await fake_time.settle()
    assert order == [0, 1]
    assert concurrency.running == 2
    end.set()
    await fake_time.settle()
    assert order == [0, 1, 2, 3, 4]
    assert concurrency.running == 0


async def test_who_gives_up_waiting_takes_no_slot(fake_time, start):
    concurrency, order, end = Concurrency(1), [], asyncio.Event()
    tasks = [start(_hold(concurrency, name, order, end)) for name in range(3)]
    await fake_time.settle()
    tasks[1].cancel()
    end.set()
    await fake_time.settle()
    assert order == [0, 2]
    assert concurrency.running == 0


async def test_a_slot_is_not_handed_to_one_that_has_just_given_up(fake_time, start):
    concurrency, order, end = Concurrency(1), [], asyncio.Event()
    tasks = [start(_hold(concurrency, name, order, end)) for name in range(3)]
    await fake_time.settle()
    end.set()  # the first leaves before the second knows that it was cancelled
    tasks[1].cancel()
    await fake_time.settle()
    assert order == [0, 2]
    assert concurrency.running == 0


async def test_a_slot_handed_out_to_one_that_just_gave_up_goes_to_the_next(fake_time, start):
    concurrency, order, end = Concurrency(1), [], asyncio.Event()
    tasks = [start(_hold(concurrency, name, order, end)) for name in range(3)]
    await fake_time.settle()
    end.set()
    await asyncio.sleep(0)  # the first has left and handed its slot to the second, which has not run yet
    tasks[1].cancel()
    await fake_time.settle()
    assert order[-1] == 2
    assert concurrency.running == 0


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="one"):
        Concurrency(0)


def _answer(concurrency, latency_s, times):
    for _ in range(times):
        concurrency.record_latency(latency_s)


def test_the_limit_falls_by_half_when_itop_slows_and_rises_slowly():
    concurrency = Concurrency(8)
    _answer(concurrency, 0.1, 20)
    assert concurrency.limit == 8
    _answer(concurrency, 0.5, 5)
    assert concurrency.limit == 4
    _answer(concurrency, 0.1, Concurrency.CALLS_PER_STEP - 1)
    assert concurrency.limit == 4
    _answer(concurrency, 0.1, 1)
    assert concurrency.limit == 5
    _answer(concurrency, 0.1, 10 * Concurrency.CALLS_PER_STEP)
    assert concurrency.limit == 8


def test_one_slow_call_is_no_slow_itop():
    concurrency = Concurrency(8)
    _answer(concurrency, 0.1, 20)
    _answer(concurrency, 30.0, 1)
    assert concurrency.limit == 8


def test_a_quick_itop_that_is_less_quick_is_not_slow():
    concurrency = Concurrency(8)
    _answer(concurrency, 0.002, 20)
    _answer(concurrency, 0.05, 20)
    assert concurrency.limit == 8


def test_the_limit_falls_with_each_failure_to_one():
    concurrency = Concurrency(8)
    limits = []
    for _ in range(5):
        concurrency.record_failure()
        limits.append(concurrency.limit)
    assert limits == [4, 2, 1, 1, 1]


def test_an_itop_that_stays_slow_becomes_normal():
    concurrency = Concurrency(8)
    _answer(concurrency, 0.1, 20)
    _answer(concurrency, 0.5, 3_000)
    assert concurrency.limit == 8


async def test_a_limit_that_fell_below_what_runs_lets_nothing_in_until_enough_is_done(fake_time, start):
    concurrency, order = Concurrency(4), []
    async with AsyncExitStack() as last:
        await last.enter_async_context(concurrency.slot())
        async with AsyncExitStack() as others:
            for _ in range(3):
                await others.enter_async_context(concurrency.slot())
            concurrency.record_failure()
            concurrency.record_failure()
            start(_hold(concurrency, "next", order, asyncio.Event()))
        await fake_time.settle()
        assert concurrency.running == 1
        assert order == []
    await fake_time.settle()
    assert order == ["next"]


async def test_who_wants_to_know_is_told_how_long_each_turn_was_waited_for(pacer, fake_time, start):
    waits, turns = [], []
    pacer.on_turn = waits.append
    for _ in range(3):
        start(_take(pacer, fake_time, turns))
    await fake_time.move(1.0)
    assert waits == [turn - 1_000.0 for turn in turns]
    assert waits[0] == 0.0
    assert waits[2] > waits[1] > 0.09
