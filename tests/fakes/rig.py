"""Delivery on a real SQLite file against the simulator over HTTP, with a clock that a test moves."""

import asyncio
import contextlib
import itertools
import re
from collections import Counter

import orjson

from itop_bridge.alert import State
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.intent import Case
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.landing import Element, Landing, Owed
from itop_bridge.journal.profile import Profile
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.triage.registry import load_registry, read_settings
from itop_bridge.triage.repeat import decide_landing

TIME_LIMIT_S = 60.0
TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")

_FACTORY = load_registry([]).factories["incident-siem"]


def profile_of(policy=None, **settings):
    checked, problems = read_settings(_FACTORY, settings)
    assert not problems, problems
    return Profile("wazuh", "incident-siem", policy or Policy(), _FACTORY.describe_writing(checked))


class Rig:
    """`fires` and `resolves` land alerts, `deliver` runs delivery until nothing is due, `advance` moves the clocks."""

    def __init__(self, store, simulator, url, profile):
        self.now = 1_790_000_000.0
        self.simulator = simulator
        self.store = store
        self.profile = profile
        self.url = url
        self.alarms = Alarms(clock=lambda: self.now)
        self.triage = TriageJournal(store, lambda: self.now)
        self.journal = DeliveryJournal(store, lambda: self.now)
        self._events = itertools.count(1)
        self._stack = contextlib.AsyncExitStack()
        self.delivery = None
        self.gate = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path, profile=None):
        async with contextlib.AsyncExitStack() as stack:
            simulator = Simulator(lambda: rig.now, sleep=lambda _: asyncio.sleep(0))
            url = await stack.enter_async_context(serve(simulator))
            store = await Store.open(path)
            stack.push_async_callback(store.close)
            rig = cls(store, simulator, url, profile or profile_of())
            await rig.triage.record_profile(rig.profile.hash, rig.profile.body)
            await rig.start()
            stack.push_async_callback(rig.stop)
            yield rig

    async def start(self):
        """A daemon's delivery, as after a start."""
        self._stack = contextlib.AsyncExitStack()
        connection = Connection(self.url, user="admin", password="admin", timeout_s=1.0)
        client = await self._stack.enter_async_context(Client(connection))
        self.gate = await self._stack.enter_async_context(
            Gate(
                client,
                Pacer(100_000.0, clock=self.clock, sleep=self.sleep),
                Concurrency(4),
                Breaker(self.clock, lambda: 0.5),
                clock=self.clock,
                sleep=self.sleep,
            )
        )
        pace = Pace(10.0, TIME_LIMIT_S, self.clock, self.clock, lambda: 0.5, self.sleep)
        self.delivery = Delivery(self.journal, self.gate, self.alarms, pace)
        await self.delivery.recover()

    async def stop(self):
        await self._stack.aclose()

    async def crash(self):
        """The process dies and starts again: only the journal is left."""
        for task in self.delivery._tasks.values():
            task.cancel()
        await asyncio.gather(*self.delivery._tasks.values(), return_exceptions=True)
        await self.stop()
        await self.start()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    def advance(self, seconds):
        self.now += seconds

    # alerts

    async def fires(self, alert_id="a1", **facts):
        return await self._land(alert_id, State.FIRING, **facts)

    async def resolves(self, alert_id="a1", **facts):
        return await self._land(alert_id, State.RESOLVED, **facts)

    async def _land(
        self,
        alert_id,
        state,
        *,
        group="g",
        org="EXC",
        urgency=2,
        one_shot=False,
        episode=None,
        dated=True,
        content="",
        **facts,
    ):
        case = Case(f"code:{org}", "wazuh", ("generic", group))
        kind = "create" if state is State.FIRING else "resolve"
        told = {
            "id": alert_id,
            "format": "generic",
            "title": "Brute force",
            "severity": "high",
            "state": state,
            "time": None,
            "host": "srv-01",
            "observables": {},
            **facts,
        }
        owed = Owed(kind, case.key, case.digest, case.organization, urgency, 2, orjson.dumps(told))
        landing = Landing(
            f"code:{org}|wazuh",
            alert_id,
            state,
            one_shot,
            self.now if dated and episode is None and state is State.FIRING else episode,
            content or f"{alert_id} {state} {self.now}",
            self.now,
            (owed,),
            self.profile.hash,
            self.profile.policy.duplicate_window,
            self.profile.policy.resolve_wait,
            self.profile.policy.group_wait,
            self.profile.route,
            self.profile.policy.storm,
        )
        event_id = next(self._events)
        return await self.triage.record([Element(event_id, 0, landing)], decide_landing, through=event_id)

    # delivery

    async def deliver(self):
        """Run rounds until nothing is due at this moment."""
        for _ in range(200):
            busy = await self.delivery.step()
            await self.delivery.finish()
            if not busy:
                return
        raise AssertionError("delivery does not come to rest")

    async def settle(self, seconds=5.0):
        """Let a moment pass, in which the tokens of what was written are looked for."""
        await self.deliver()
        self.advance(seconds)
        await self.deliver()

    # what iTop holds

    @property
    def incidents(self):
        return self.simulator.objects("Incident")

    def incident(self):
        (only,) = self.incidents
        return only

    def entries(self, incident=None):
        return [entry["message"] for entry in (incident or self.incident())["public_log"]]

    def tokens(self):
        """Every token in every log, with how often it stands there."""
        texts = [text for incident in self.incidents for text in self.entries(incident)]
        return Counter(token for text in texts for token in TOKEN.findall(text))

    # what the journal says

    async def intents(self):
        rows = await self.store.read(lambda sql: list(sql.execute("SELECT state, reason FROM intents ORDER BY seq")))
        return [tuple(row) for row in rows]

    async def attempts(self):
        rows = await self.store.read(lambda sql: list(sql.execute("SELECT kind, state FROM attempts ORDER BY id")))
        return [tuple(row) for row in rows]

    async def drops(self):
        rows = await self.store.read(lambda sql: list(sql.execute("SELECT reason FROM drops ORDER BY event_id")))
        return [row[0] for row in rows]

    async def dead_letters(self):
        rows = await self.store.read(lambda sql: list(sql.execute("SELECT reason, field FROM dead_letters")))
        return [tuple(row) for row in rows]
