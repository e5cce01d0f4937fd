"""A rig that can be broken anywhere: processes that die at any write or call, a full disk, an iTop that stays silent,
people who act at any moment. What really happened in iTop is recorded beside the journal, for an oracle to compare."""

import asyncio
import contextlib
import inspect
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from rig import TIME_LIMIT_S, TOKEN, Rig

from itop_bridge.alert import State
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.errors import JournalFullError
from itop_bridge.intent import Case
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.error import NoReplyError, NotSentError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.operation import Operations
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.landing import Element, Landing, Owed
from itop_bridge.simulator import operation
from itop_bridge.simulator.failure import RefusedError, RestError
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.triage.repeat import decide_landing

SEVERITY = {1: "critical", 2: "high", 3: "medium", 4: "low"}
OUR_AGENT = "Alice Agent"
_WRITES = ("core/create", "core/update", "core/apply_stimulus")
_SILENT = (Kind.LATE, Kind.TIMEOUT_AFTER)


@dataclass
class Life:
    """One process. Once it is killed, nothing that it does reaches the journal or iTop any more."""

    world: "World"
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    points_left: int | None = None
    """How many more writes and calls, before and after each, until it is killed."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of the journal or of iTop, one at a time and in order: so a timeline goes the same way each time."""

    def pass_point(self):
        if self.points_left is not None and not self.killed.is_set():
            self.points_left -= 1
            if self.points_left < 0:
                self.killed.set()
        if self.killed.is_set():
            raise asyncio.CancelledError

    # as the journal's store

    async def read(self, query):
        async with self.turn:
            return await self.world.store.read(query)

    async def write(self, query):
        if self.world.full_until > self.world.now:
            raise JournalFullError("the disk is full")
        async with self.turn:
            self.pass_point()
            result = await self.world.store.write(query)
            self.pass_point()
        return result


class Wire(Operations):
    """The way to iTop of one life. A call is given up at once if iTop will stay silent, not after the time-out."""

    def __init__(self, way, life):
        self._way = way
        self._life = life

    async def call(self, operation):
        async with self._life.turn:
            return await self._call(operation)

    async def _call(self, operation):
        world = self._life.world
        self._life.pass_point()
        if world.unreachable:
            world.unreachable -= 1
            raise NotSentError("no connection to iTop")
        calling = asyncio.ensure_future(self._way.call(operation))
        hushed = asyncio.get_running_loop().create_future()
        entry = (orjson.loads(orjson.dumps(dict(operation))), hushed)
        world.calling.append(entry)
        try:
            await asyncio.wait({calling, hushed}, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                for _ in range(20):  # what is carried out at once has been by then
                    await asyncio.sleep(0)
                raise NoReplyError("no answer from iTop in time")
            answer = await calling
        finally:
            world.calling.remove(entry)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        self._life.pass_point()
        return answer


@dataclass
class Write:
    """What a call of the bridge's changed in iTop."""

    at: float
    operation: str
    incident: int
    before: dict[str, Any]
    """The incident's values as they were; empty for a create."""
    request: dict[str, Any]

    @property
    def tokens(self):
        return TOKEN.findall(str(self.request["fields"]))


@dataclass
class Told:
    """What a SIEM said of one alert last, whatever triage makes of it."""

    state: str
    """firing, ended, or early (ended before it fired)."""
    at: float
    episode: float | None
    case: tuple[str, str]


@dataclass
class Deed:
    """What a person did."""

    at: float
    verb: str
    incident: int


async def _finish(act):
    if inspect.isawaitable(act):
        await act


class World(Rig):
    """A rig with faults, deaths and people."""

    def __init__(self, *given):
        super().__init__(*given)
        self.log = self.profile.writing.log
        self.full_until = 0.0
        self.revoked_until = 0.0
        self.unreachable = 0
        self.calling: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        """Calls under way, and how to tell that no answer will come."""
        self.held: list[tuple[float, Callable[[], Awaitable[None]]]] = []
        """Calls that iTop has taken and not yet carried out: when it will."""
        self.interposed: list[Any] = []
        """Acts of people between a call's arrival and its being carried out."""
        self.writes: list[Write] = []
        self.deeds: list[Deed] = []
        self.gone: dict[int, list[str]] = {}
        """The log entries of incidents that people deleted."""
        self.overwritten: set[str] = set()
        """Tokens of entries that were lost at least once."""
        self.episodes: dict[int, tuple[str, int]] = {}
        """Of each intent: its alert, and the first intent of the alert's episode."""
        self.markers: dict[int, str] = {}
        """Of each intent: the word in its title that tells it."""
        self.told: dict[str, Told] = {}
        """Of each alert that has states."""
        self.tenants: dict[str, str] = {}
        """Of each such word: its organisation."""
        self.one_shots: set[str] = set()
        """The ids of alerts that never resolve."""
        self.our_agent = 3 if ("agent_id", "Person", OUR_AGENT) in self.profile.writing.references else 0
        self.faults: list[Fault] = []
        self.stirs = 0
        """What happened that delivery may have to call iTop for."""
        self.deaths = 0
        self.busiest = 0
        """The most rounds that were needed at one moment."""
        self.dice = random.Random(0)

    # a process

    async def start(self):
        await self.compose()
        full, self.full_until = self.full_until, 0.0  # a start needs the disk: it is tried until it works
        await self.delivery.recover()
        self.full_until = full

    async def compose(self):
        """A process, before it has done anything."""
        self.life = self.new_life()
        self.journal = DeliveryJournal(self.life, self.clock)
        self._stack = contextlib.AsyncExitStack()
        wire = await self.open_wire()
        pacer = Pacer(100_000.0, clock=self.clock, sleep=self.sleep)
        breaker = Breaker(self.clock, self.dice.random)
        self.gate = await self._stack.enter_async_context(
            Gate(wire, pacer, Concurrency(1), breaker, clock=self.clock, sleep=self.sleep)
        )
        pace = Pace(10.0, TIME_LIMIT_S, self.clock, self.clock, self.dice.random, self.sleep)
        self.delivery = Delivery(self.journal, self.gate, self.alarms, pace, new_token=self.new_token)

    def new_life(self):
        return Life(self)

    def new_token(self):
        return secrets.token_hex(8)

    async def open_wire(self):
        connection = Connection(self.url, user="admin", password="admin", timeout_s=30.0)
        return Wire(await self._stack.enter_async_context(Client(connection)), self.life)

    async def crash(self):
        self.life.killed.set()
        self.deaths += 1
        await super().crash()

    async def round(self):
        """One turn of `Delivery.run`. True if there was something to do."""
        work = asyncio.create_task(self._round())
        dying = asyncio.create_task(self.life.killed.wait())
        await asyncio.wait({work, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if self.life.killed.is_set():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self.crash()
            return True
        return work.result()

    async def _round(self):
        await self.gate.wait_open()
        busy = await self.delivery._turn()
        await self.delivery.finish()
        return busy

    async def deliver(self, most=60):
        """Rounds until nothing is due at this moment; where the clock moves meanwhile, the moment is another."""
        rounds, moment = 0, self.now
        while await self.round():
            rounds = rounds + 1 if self.now == moment else 0
            moment = self.now
            self.busiest = max(self.busiest, rounds)
            assert rounds < most, "a hot loop: delivery does not come to rest"

    async def live(self, seconds, most=200):
        """Let time pass, with delivery at work whenever something is due."""
        until = self.now + seconds
        for _ in range(most):
            await self.deliver()
            due = await self.journal.next_due()
            if due is None or due > until or self.now >= until:
                break
            await self.pass_time(max(due - self.now, 0.02))
        else:
            raise AssertionError("delivery never comes to rest")
        await self.pass_time(until - self.now)
        await self.deliver()

    # time

    async def sleep(self, seconds):
        await self.pass_time(seconds)
        await asyncio.sleep(0)

    async def pass_time(self, seconds):
        """Move the clock; what iTop still holds is carried out at its time."""
        until = self.now + max(seconds, 0.0)
        while self.held and min(at for at, _ in self.held) <= until:
            first = min(self.held, key=lambda each: each[0])
            self.held.remove(first)
            self.now = max(self.now, first[0])
            await first[1]()
        self.now = max(self.now, until)
        if self.now >= self.revoked_until:
            self.simulator.accounts["admin"].enabled = True

    # alerts

    async def land(self, marker, alert_id, state, *, case, kind, episode, content, urgency, host, one_shot):
        """An alert comes out of triage; returns its intent, or None if it was dropped there."""
        org, group = case
        key = Case(f"code:{org}", "wazuh", ("generic", group))
        told = {
            "id": alert_id,
            "format": "generic",
            "title": marker,
            "severity": SEVERITY[urgency],
            "state": state,
            "time": None,
            "host": host,
            "observables": {},
        }
        policy = self.profile.policy
        self.tenants[marker] = org
        if not one_shot:
            self._note_told(f"code:{org}|wazuh {alert_id}", state, episode, case)
        urgency, impact = (4, 3) if kind != "create" else (urgency, 2)
        owed = Owed(kind, key.key, key.digest, key.organization, urgency, impact, orjson.dumps(told))
        landing = Landing(
            f"code:{org}|wazuh",
            alert_id,
            state,
            one_shot,
            episode,
            content,
            self.now,
            (owed,),
            self.profile.hash,
            policy.duplicate_window,
            policy.resolve_wait,
            policy.group_wait,
            self.profile.route,
        )
        event_id = next(self._events)
        await self.triage.record([Element(event_id, 0, landing)], decide_landing, through=event_id)
        row = await self.store.read(
            lambda sql: sql.execute(
                "SELECT seq, alerts.first_seq FROM intents JOIN alerts ON alerts.id = alert_id AND alerts.scope = ?"
                " WHERE event_id = ?",
                (landing.scope, event_id),
            ).fetchone()
        )
        if row is None:
            return None
        self.episodes[row[0]] = (f"{landing.scope} {alert_id}", row[1] if state is State.FIRING else 0)
        self.markers[row[0]] = marker
        if one_shot:
            self.one_shots.add(alert_id)
        return row[0]

    def _note_told(self, name, state, episode, case):
        before = self.told.get(name)
        if state is State.RESOLVED:
            if before is None:
                self.told[name] = Told("early", self.now, episode, case)
            elif before.state == "firing" and (None in (episode, before.episode) or episode >= before.episode):
                self.told[name] = Told("ended", self.now, before.episode, before.case)
            return
        wait = self.profile.policy.resolve_wait
        if before is not None and before.state == "early" and self.now - before.at < wait:
            self.told[name] = Told("ended", self.now, episode, case)
            return
        dated = before is not None and None not in (episode, before.episode)
        if dated and (episode < before.episode or (episode == before.episode and before.state == "ended")):
            return  # of an episode that is over
        goes_on = before is not None and before.state == "firing" and (not dated or episode == before.episode)
        self.told[name] = Told("firing", self.now, episode, before.case if goes_on else case)

    # iTop

    def watch(self, patch):
        """Record what the bridge's calls change, and let people in between."""
        for verb in _WRITES:
            told, original = operation.VERBS[verb]
            patch.setitem(operation.VERBS, verb, (told, self._watched(verb, original)))

    def _watched(self, verb, original):
        async def carry_out(context, request):
            if verb != "core/create" and self.interposed:
                await _finish(self.interposed.pop(0)())
            before = {row.id: dict(row.values) for row in self._rows()}
            reply = await original(context, request)
            if context.wrote and request.get("class") == "Incident":
                (shown,) = reply["objects"].values()
                incident = int(shown["key"])
                self.writes.append(Write(self.now, verb, incident, before.get(incident, {}), dict(request)))
            return reply

        return carry_out

    def break_(self, kind, operation, times, *, stored=False, delay=0.0):
        """Put a fault in. What is held is carried out after `delay`."""
        fault = Fault(Kind(kind), times, operation, stored=stored)
        if fault.kind in _SILENT:
            fault.when = lambda request: self._hush(fault, request, delay)
        self.faults.append(fault)
        self.simulator.faults.add(fault)

    def _hush(self, fault, request, delay):
        hushed = next((each for call, each in self.calling if call == request and not each.done()), None)
        if hushed is not None:  # else who called is dead
            hushed.set_result(None)
        if fault.kind is Kind.LATE:
            self.held.append((self.now + delay, fault.release))
        return True

    def revoke(self, seconds):
        """The bridge's user may not log in for a while."""
        self.revoked_until = self.now + seconds
        self.simulator.accounts["admin"].enabled = seconds == 0.0

    def overwrite(self, incident, token):
        """A log is saved as it was before the entry that holds `token`."""
        self.overwritten.add(token)
        row = self.simulator.store.get("Incident", incident)
        if row is not None:
            log = row.values[self.log]
            row.values[self.log] = type(log)(tuple(entry for entry in log.entries if token not in entry.text))

    def person(self, verb, pick, *, name="Bob Agent"):
        """A person does something to an incident; nothing if iTop does not let them. A second later than anything
        else: within one second iTop shows no difference (DESIGN: it is not a lock)."""
        rows = list(self._rows())
        if not rows:
            return
        self.act(verb, rows[min(int(pick * len(rows)), len(rows) - 1)], pick, name)

    def act(self, verb, row, pick, name="Bob Agent"):
        self.now += 1.0
        person = self.simulator.person(name)
        acts = {
            "assign": lambda: person.assign(row.id),
            "pending": lambda: person.pending(row.id, "waits"),
            "resolve": lambda: person.resolve(row.id, "done"),
            "close": lambda: person.close(row.id),
            "reopen": lambda: person.reopen(row.id),
            "delete": lambda: self._delete(person, row),
            "title": lambda: person.edit(row.id, title=f"Mine {row.id}"),
            "urgency": lambda: person.edit(row.id, urgency=str(1 + int(pick * 1000) % 4)),
            "log": lambda: person.log(row.id, "a note", self.log),
        }
        with contextlib.suppress(RestError, RefusedError):
            acts[verb]()
            self.deeds.append(Deed(self.now, verb, row.id))
        self.now += 1.0

    def _delete(self, person, row):
        self.gone[row.id] = [entry.text for entry in row.values[self.log].entries]
        person.delete(row.id)

    def _rows(self):
        return self.simulator.store.scan("Incident")

    def logs(self):
        """The log entries of every incident that there is."""
        return {row.id: [entry.text for entry in row.values[self.log].entries] for row in self._rows()}

    def standing(self):
        """Every token in every log, with how often it stands there."""
        return Counter(token for log in self.logs().values() for text in log for token in TOKEN.findall(text))

    async def rows(self, query, *values):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query, values)])
