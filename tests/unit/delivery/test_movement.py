"""Delivery's loop and its tasks: a call of any of them moves the stage, and each answers for itself."""

import asyncio
import contextlib

import pytest

from itop_bridge.beat import Beats
from itop_bridge.delivery.movement import Movement, count_most

CALL_S = 90.0 + 30.0 + 1.6


class Scene:
    def __init__(self):
        self.now = 1000.0
        self.beats = Beats(lambda: self.now)
        self.movement = Movement(self.beats, timeout_s=30.0, rate_per_s=10.0)

    @property
    def stalled(self):
        return list(self.beats.find_stalled())

    async def hang(self):
        await asyncio.Event().wait()

    async def call_every(self, step_s, times):
        """Calls that end, one after the other, while the test's loop waits for its own."""
        for _ in range(times):
            self.now += step_s
            self.movement.note()
            await asyncio.sleep(0)


@pytest.fixture
def scene():
    return Scene()


async def end(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_loop_that_turns_does_not_hang(scene):
    scene.movement.begin()
    for _ in range(100):
        scene.now += 60.0
        scene.movement.note()
        assert scene.stalled == []


async def test_a_loop_that_makes_no_call_and_does_not_turn_hangs(scene):
    scene.movement.begin()
    scene.now += 2 * CALL_S + 1.0
    assert scene.stalled == ["delivery"]


async def test_while_calls_of_its_tasks_end_a_loop_only_waits_for_its_turn(scene):
    scene.movement.begin()
    await scene.movement.start(scene.call_every(30.0, 40), "case-a")
    assert scene.now == 1000.0 + 1200.0
    assert scene.stalled == []


async def test_what_others_do_is_not_delivery(scene):
    other = asyncio.create_task(scene.call_every(30.0, 40), name="survey")
    scene.movement.begin()
    await other
    assert scene.stalled == ["delivery"]


async def test_a_task_that_hangs_is_named_though_the_loop_turns(scene):
    scene.movement.begin()
    task = scene.movement.start(scene.hang(), "case-abc")
    for _ in range(59):
        scene.now += 60.0
        scene.movement.note()
    assert scene.stalled == []  # the hour that iTop may ask for
    scene.now += count_most(10.0) * CALL_S + 100.0
    scene.movement.note()
    assert scene.stalled == ["delivery: case-abc"]
    await end(task)
    assert scene.stalled == []


async def test_what_a_task_starts_moves_the_task(scene):
    """An outcome is stored in a task of its own, which cannot be broken off."""
    scene.movement.begin()

    async def store():
        scene.movement.note()

    async def work():
        for _ in range(100):
            scene.now += 600.0
            await asyncio.ensure_future(store())

    await scene.movement.start(work(), "case-abc")
    assert scene.stalled == []


async def test_a_longer_time_out_gives_longer_and_a_shorter_one_cuts_nothing_short(scene):
    before = scene.movement.stage.within_s
    scene.movement.allow(600.0)
    longer = scene.movement.stage.within_s
    assert longer == before + 2 * 570.0
    scene.movement.allow(5.0)
    assert scene.movement.stage.within_s == longer


async def test_a_loop_that_is_over_need_not_move(scene):
    scene.movement.begin()
    scene.movement.end()
    scene.now += 10_000.0
    assert scene.stalled == []


def test_a_slow_rate_still_has_some_cases_in_work():
    assert count_most(0.001) == 4
    assert count_most(10.0) == 20
