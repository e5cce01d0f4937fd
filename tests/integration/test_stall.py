"""A delivery, a triage or a writer that hangs is noticed; whatever makes it wait on purpose is not taken for that.

The stages are real, and so are the journal, the gate, the pulse and the console; an hour passes at once.
"""

import asyncio
import contextlib
import functools

import aiohttp
import virtual_time
from rig import Rig, profile_of

from itop_bridge.beat import Beats
from itop_bridge.console.console import serve_console
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.delivery.movement import Movement
from itop_bridge.errors import JournalFullError
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.error import ServerError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.operation import Operations
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.operation import Operations as Journal
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.pulse import EVERY_S, WRITER_S, Pulse, keep_writing
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.triage.triage import STALLED_S, Triage

HOUR = 3600.0
TIMEOUT_S = 30.0
WITHIN_S = 2 * (90.0 + TIMEOUT_S + 1.6)
"""In so many seconds delivery must have moved."""


class Disk(Store):
    """The journal, on a disk that can be full, or take nothing and give no answer."""

    full = False
    hangs = False

    async def write(self, query):
        if self.hangs:
            await asyncio.Event().wait()
        if self.full:
            raise JournalFullError("the disk is full")
        return await asyncio.get_running_loop().under_way(super().write(query))


class Way(Operations):
    """To iTop. A call of the kind that `hangs` never ends, whatever time-out there is; `fails` fails the next one."""

    hangs = None
    fails = None

    def __init__(self, client):
        self._client = client

    async def call(self, operation):
        if operation["operation"] == self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            fail, self.fails = self.fails, None
            fail()
        return await self._client.call(operation)


class Bridge:
    """What of the daemon must move, put together as it does that."""

    def __init__(self, disk, simulator, client, url, concurrency):
        self.loop = asyncio.get_running_loop()
        self.disk = disk
        self.simulator = simulator
        self.way = Way(client)
        self.rig = Rig(disk, simulator, url, profile_of(Policy(group_wait=0.0)))
        self.alarms = self.rig.alarms
        self.beats = Beats(self.loop.time)
        self.signs = []
        self.movement = Movement(self.beats, timeout_s=TIMEOUT_S, rate_per_s=10.0)
        pacer = Pacer(10.0, self.loop.time)
        pacer.on_pause = self.movement.stage.wait_for
        self.gate = Gate(
            self.way, pacer, Concurrency(concurrency, self.loop.time), Breaker(self.loop.time), clock=self.clock
        )
        self.gate.on_call = self.movement.note
        self.journal = DeliveryJournal(disk, self.clock)
        pace = Pace(10.0, 60.0, self.clock, self.loop.time)
        self.delivery = Delivery(self.journal, self.gate, self.alarms, pace, movement=self.movement)
        self.triage_journal = TriageJournal(disk, self.clock, self.delivery.wake)
        self.triage = Triage(
            self.triage_journal, [], self.alarms, clock=self.clock, beat=self.beats.begin("triage", STALLED_S)
        )
        self.stop = asyncio.Event()

    def clock(self):
        self.rig.now = 1_790_000_000.0 + self.loop.time()
        return self.rig.now

    def notify(self, state):
        self.signs.append((self.loop.time(), state))

    async def fires(self, count):
        """So many alerts, each of a case of its own."""
        self.clock()
        await self.rig.triage.record_profile(self.rig.profile.hash, self.rig.profile.body)
        for number in range(count):
            await self.rig.fires(f"a{number}", group=f"g{number}")
        self.delivery.wake()

    @contextlib.asynccontextmanager
    async def running(self):
        tasks = [
            asyncio.create_task(each)
            for each in (
                self.delivery.run(self.stop),
                self.triage.run(self.stop),
                Pulse(self.beats, self.alarms, self.notify).run(),
                keep_writing(functools.partial(self.disk.write, len_of_nothing), self.beats),
            )
        ]
        try:
            async with self.gate, serve_console("127.0.0.1", 0, None, None, self.beats.find_stalled) as port:
                self.url = f"http://127.0.0.1:{port}/healthz"
                yield
        finally:
            self.disk.full = False  # an outcome is not broken off before it is stored
            everything = [*tasks, *self.delivery._tasks.values()]
            for task in everything:
                task.cancel()
            ended = await asyncio.gather(*everything, return_exceptions=True)
        assert [each for each in ended if not isinstance(each, asyncio.CancelledError | None)] == []

    async def fetch_health(self):
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            return answer.status, await answer.json()

    async def assert_alive_for(self, seconds):
        """There is a sign of life at every beat, and the console says the same."""
        began, so_far = self.loop.time(), len(self.signs)
        while self.loop.time() < began + seconds:
            await asyncio.sleep(min(600.0, began + seconds - self.loop.time()))
            assert await self.fetch_health() == (200, {"status": "ok"})
        assert self.beats.find_stalled() == {}
        assert "daemon_stalled" not in self.alarms.active
        assert len(self.signs) - so_far >= int(seconds / EVERY_S) - 1

    async def assert_stalls(self, name, within_s):
        """The signs of life end in time, for good, and the console and an alarm name who hangs."""
        began = self.loop.time()
        await asyncio.sleep(within_s - 10.0)
        assert (await self.fetch_health())[0] == 200
        assert self.signs[-1][0] >= self.loop.time() - EVERY_S
        await asyncio.sleep(20.0)
        code, told = await self.fetch_health()
        assert (code, told["status"], list(told["stalled"])) == (503, "stalled", [name])
        assert within_s < told["stalled"][name] <= within_s + 15.0
        assert self.alarms.active["daemon_stalled"].detail.startswith(f"{name} has not moved for ")
        await asyncio.sleep(HOUR)
        assert (await self.fetch_health())[0] == 503
        assert {state for _, state in self.signs} == {"WATCHDOG=1"}
        assert self.signs[-1][0] <= began + within_s + EVERY_S


def len_of_nothing(_sql):
    return 0


def bridged(test, *, concurrency=4):
    """The test with a bridge in virtual time."""

    @functools.wraps(test)
    def play(tmp_path):
        async def main():
            loop = asyncio.get_running_loop()
            simulator = Simulator(lambda: 1_790_000_000.0 + loop.time())
            async with contextlib.AsyncExitStack() as stack:
                url = await stack.enter_async_context(serve(simulator))
                disk = await Disk.open(tmp_path / "journal.db")
                stack.push_async_callback(disk.close)
                connection = Connection(url, user="admin", password="admin", timeout_s=TIMEOUT_S)
                client = await stack.enter_async_context(Client(connection))
                bridge = Bridge(disk, simulator, client, url, concurrency)
                async with bridge.running():
                    await test(bridge)

        virtual_time.run(main())

    del play.__wrapped__  # pytest would ask for what it takes
    return play


# who waits


@bridged
async def test_an_empty_journal_is_no_hang(bridge):
    await bridge.assert_alive_for(3 * HOUR)


@bridged
async def test_work_is_no_hang(bridge):
    await bridge.fires(30)
    await bridge.assert_alive_for(HOUR)
    assert len(bridge.rig.incidents) == 30


@bridged
async def test_an_itop_that_is_down_is_no_hang(bridge):
    fault = Fault(Kind.REFUSE, times=None)
    bridge.simulator.faults.add(fault)
    await bridge.fires(30)
    await bridge.assert_alive_for(3 * HOUR)
    assert not bridge.gate.state.reachable
    bridge.simulator.faults.clear()
    await bridge.assert_alive_for(HOUR)
    assert len(bridge.rig.incidents) == 30


@bridged
async def test_an_itop_that_answers_nothing_is_no_hang(bridge):
    bridge.simulator.faults.add(Fault(Kind.TIMEOUT_AFTER, times=None))
    await bridge.fires(30)
    await bridge.assert_alive_for(2 * HOUR)


@functools.partial(bridged, concurrency=1)
async def test_an_itop_that_takes_half_a_minute_for_each_call_is_no_hang(bridge):
    bridge.simulator.faults.add(Fault(Kind.LATENCY, times=None, seconds=TIMEOUT_S - 1.0))
    await bridge.fires(60)
    await bridge.assert_alive_for(6 * HOUR)
    assert len(bridge.rig.incidents) == 60


@bridged
async def test_a_front_that_wants_an_hour_of_quiet_is_no_hang(bridge):
    bridge.simulator.faults.add(Fault(Kind.RATE_LIMIT, times=5, retry_after="3600"))
    await bridge.fires(30)
    await bridge.assert_alive_for(6 * HOUR)
    assert len(bridge.rig.incidents) == 30


@bridged
async def test_a_read_that_failed_and_whose_probe_must_wait_an_hour_is_no_hang(bridge):
    def fail():
        bridge.loop.call_later(0.01, bridge.gate.pause_for, HOUR)  # another call was answered so just then
        raise ServerError("the web server says 500", status=500)

    bridge.way.fails = fail
    await bridge.fires(1)
    await bridge.assert_alive_for(2 * HOUR)
    assert bridge.way.fails is None
    assert len(bridge.rig.incidents) == 1


@bridged
async def test_a_pause_by_operators_is_no_hang(bridge):
    await Journal(bridge.disk, bridge.clock, on_due=bridge.delivery.wake).pause(None)
    await bridge.fires(30)
    await bridge.assert_alive_for(3 * HOUR)
    assert "delivery_paused" in bridge.alarms.active
    assert bridge.rig.incidents == []


@bridged
async def test_a_full_disk_is_no_hang(bridge):
    bridge.simulator.faults.add(Fault(Kind.LATENCY, operation="core/create", times=None, seconds=2.0))
    await bridge.fires(30)
    await asyncio.sleep(2.0)
    bridge.disk.full = True  # while calls are under way: their outcomes wait to be stored
    await bridge.assert_alive_for(3 * HOUR)
    assert bridge.delivery._tasks
    assert "journal_full" in bridge.alarms.active
    bridge.disk.full = False
    await bridge.assert_alive_for(HOUR)
    assert len(bridge.rig.incidents) == 30


# who hangs


@bridged
async def test_a_delivery_that_hangs_in_the_journal_is_noticed(bridge):
    async def never():
        await asyncio.Event().wait()

    await bridge.assert_alive_for(HOUR)
    bridge.journal.fetch_pauses = never
    bridge.delivery.wake()
    await asyncio.sleep(0)
    await bridge.assert_stalls("delivery", WITHIN_S)


@bridged
async def test_a_delivery_whose_read_never_ends_is_noticed(bridge):
    bridge.way.hangs = "core/get"
    await bridge.fires(1)
    await bridge.assert_stalls("delivery", WITHIN_S)


@bridged
async def test_a_delivery_that_hangs_while_itop_is_down_is_noticed(bridge):
    async def never():
        await asyncio.Event().wait()

    bridge.simulator.faults.add(Fault(Kind.REFUSE, times=None))
    await bridge.fires(1)
    await bridge.assert_alive_for(HOUR)
    bridge.journal.fetch_pauses = never
    await bridge.assert_stalls("delivery", WITHIN_S)


@bridged
async def test_a_write_that_never_ends_is_noticed_though_others_go_on(bridge):
    bridge.way.hangs = "core/create"
    await bridge.fires(1)
    await asyncio.sleep(1.0)
    (task,) = bridge.delivery._tasks.values()
    await bridge.assert_stalls(f"delivery: {task.get_name()}", HOUR + 20 * WITHIN_S / 2)


@bridged
async def test_a_triage_that_hangs_is_noticed(bridge):
    async def never(*_):
        await asyncio.Event().wait()

    bridge.triage_journal.fetch_waiting = never
    bridge.triage.wake()
    await bridge.assert_stalls("triage", STALLED_S)


@bridged
async def test_a_writer_that_hangs_is_noticed(bridge):
    await bridge.assert_alive_for(60.0)
    bridge.disk.hangs = True
    await bridge.assert_stalls("writer", WRITER_S)
