"""The sign of life is given while all move; a reload and the status are told as systemd wants them."""

import asyncio
import contextlib

import pytest

from itop_bridge import pulse
from itop_bridge.beat import Beats
from itop_bridge.console.console import Status
from itop_bridge.errors import JournalError, JournalFullError
from itop_bridge.log import Alarms
from itop_bridge.pulse import LOOP_S, STATUS_S, WRITER_S, Pulse, keep_status, keep_writing, tell_reload


class Machine:
    """A clock, and what the service manager was told."""

    def __init__(self):
        self.now = 1000.0
        self.told = []
        self.alarms = Alarms(clock=lambda: self.now)
        self.beats = Beats(lambda: self.now)

    def notify(self, state):
        self.told.append(state)
        return True


class EnoughError(Exception):
    """The test has seen enough."""


def sleeps(machine, *steps):
    """A sleep that moves the clock by its time and does one step at each turn, and ends after the last."""
    left = list(steps)

    async def sleep(seconds):
        if not left:
            raise EnoughError
        machine.now += seconds
        left.pop(0)()

    return sleep


def nothing():
    pass


@pytest.fixture
def machine():
    return Machine()


def test_while_all_move_systemd_gets_its_sign_of_life(machine):
    each = Pulse(machine.beats, machine.alarms, machine.notify)
    each.beat()
    machine.now += 5.0
    each.beat()
    assert machine.told == ["WATCHDOG=1", "WATCHDOG=1"]


def test_while_one_hangs_there_is_no_sign_of_life_and_an_alarm_names_it(machine):
    each = Pulse(machine.beats, machine.alarms, machine.notify)
    delivery = machine.beats.begin("delivery", 12.0)
    for _ in range(3):
        machine.now += 5.0
        each.beat()
    assert machine.told == ["WATCHDOG=1", "WATCHDOG=1"]
    alarm = machine.alarms.active["daemon_stalled"]
    assert alarm.detail == "delivery has not moved for 15 s"
    assert alarm.facts == {"stalled": {"delivery": 15.0}}

    delivery.move()
    machine.now += 5.0
    each.beat()
    assert len(machine.told) == 3
    assert machine.alarms.active == {}


def test_a_loop_that_stood_still_is_named_and_not_those_who_run_on_it(machine):
    each = Pulse(machine.beats, machine.alarms, machine.notify)
    machine.beats.begin("delivery", 12.0)
    machine.now += LOOP_S + 1.0
    each.beat()
    assert machine.told == []
    assert machine.alarms.active["daemon_stalled"].facts == {"stalled": {"loop": 16.0}}
    machine.now += 5.0
    each.beat()
    assert machine.told == ["WATCHDOG=1"]


@pytest.mark.parametrize(("usec", "every_s"), [(None, 5.0), ("30000000", 5.0), ("4000000", 2.0)])
async def test_it_beats_as_often_as_the_unit_wants_it(machine, monkeypatch, usec, every_s):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if usec:
        monkeypatch.setenv("WATCHDOG_USEC", usec)
    began = machine.now
    with pytest.raises(EnoughError):
        await Pulse(machine.beats, machine.alarms, machine.notify).run(sleeps(machine, nothing, nothing))
    assert machine.now - began == 2 * every_s
    assert machine.told == ["WATCHDOG=1"] * 3


async def test_a_writer_that_ends_no_write_hangs(machine):
    async def write():
        await asyncio.Event().wait()

    writing = asyncio.create_task(keep_writing(write, machine.beats))
    await asyncio.sleep(0)
    machine.now += WRITER_S + 1.0
    assert machine.beats.find_stalled() == {"writer": WRITER_S + 1.0}
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing


async def test_a_writer_that_may_have_a_large_log_to_move_is_given_the_time_for_it(machine):
    async def write():
        await asyncio.Event().wait()

    writing = asyncio.create_task(keep_writing(write, machine.beats, measure_log=lambda: 3_000_000_000))
    await asyncio.sleep(0)
    machine.now += 600.0 + WRITER_S
    assert machine.beats.find_stalled() == {}
    machine.now += 1.0
    assert machine.beats.find_stalled() == {"writer": 601.0 + WRITER_S}
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing


async def test_a_writer_that_finds_the_disk_full_has_moved(machine):
    async def write():
        raise JournalFullError("the disk is full")

    def all_is_well():
        assert machine.beats.find_stalled() == {}

    with pytest.raises(EnoughError):
        await keep_writing(write, machine.beats, sleeps(machine, *[all_is_well] * 100))
    assert machine.now > 1000.0 + WRITER_S


async def test_a_journal_that_can_be_written_no_more_ends_it(machine):
    async def write():
        raise JournalError("fsync failed")

    with pytest.raises(JournalError, match="fsync"):
        await keep_writing(write, machine.beats, sleeps(machine))


class Daemon:
    ready = True
    received = 0

    async def fetch_status(self):
        broker = {"received": self.received, "connected": True, "ready": True}
        itop = {"reachable": True, "reason": None}
        journal = {"waiting": 0, "pending": 0, "dead_letters": 0}
        return Status(self.ready, "1", broker, itop, {}, {}, journal, {})

    async def keep(self, machine, *steps):
        with pytest.raises(EnoughError):
            await keep_status(
                self.fetch_status,
                lambda: self.ready,
                machine.notify,
                sleep=sleeps(machine, *steps),
                monotonic=lambda: machine.now,
            )
        return [told.partition(";")[0].removeprefix("STATUS=") for told in machine.told]


async def test_the_status_is_told_at_once_and_every_half_minute(machine):
    assert await Daemon().keep(machine, *[nothing] * int(2 * STATUS_S)) == ["ready"] * 3
    assert machine.told[0] == "STATUS=ready; 0 messages received, 0 waiting, 0 dead letters; iTop reachable"


async def test_a_change_of_readiness_is_told_within_a_second(machine):
    daemon = Daemon()

    def turn():
        daemon.ready = not daemon.ready

    assert await daemon.keep(machine, nothing, turn, nothing, turn) == ["ready", "degraded", "ready"]


async def test_a_reload_is_told_with_its_time_and_ended_by_ready(machine, monkeypatch):
    monkeypatch.setattr(pulse.time, "clock_gettime_ns", lambda _: 5_000_123_456)
    async with tell_reload(machine.notify):
        assert machine.told == ["RELOADING=1\nMONOTONIC_USEC=5000123"]
    assert machine.told[1:] == ["READY=1"]


async def test_a_reload_that_is_rejected_ends_ready_too(machine):
    with pytest.raises(ValueError, match="bad file"):
        async with tell_reload(machine.notify):
            raise ValueError("bad file")
    assert machine.told[-1] == "READY=1"
