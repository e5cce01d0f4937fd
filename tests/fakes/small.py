"""A world that fits in memory: the journal's SQL without a disk, iTop without a network, and a state that can be taken
back. Some milliseconds a step, for searches that try everything."""

import asyncio
import contextlib
import copy
import itertools
import logging
import sqlite3
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from rig import profile_of
from world import Wire, World

from itop_bridge.alert import State
from itop_bridge.itop.answer import parse_answer
from itop_bridge.itop.client import encode_operation
from itop_bridge.itop.error import NoReplyError
from itop_bridge.itop.operation import Operations
from itop_bridge.journal.schema import load_migrations, migrate
from itop_bridge.simulator.answer import Delivery
from itop_bridge.simulator.rest import HttpRequest, answer_call
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.simulator.store import Row

_GHOSTS = (
    *("writes", "deeds", "gone", "overwritten", "held"),
    *("episodes", "markers", "tenants", "told", "one_shots", "latest", "stirs"),
)
"""What the world remembers beside iTop and the journal, for the oracle."""


@contextlib.contextmanager
def _quiet():
    """Nobody reads what is logged in thousands of steps."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Memory:
    """The journal's store without its file and threads: the same SQL, one transaction a write."""

    def __init__(self):
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        self.sql.execute("PRAGMA page_size = 512")
        migrate(self.sql, load_migrations())

    async def read(self, query):
        return query(self.sql)

    async def write(self, query):
        self.sql.execute("BEGIN")
        try:
            result = query(self.sql)
        except BaseException:
            self.sql.execute("ROLLBACK")
            raise
        self.sql.execute("COMMIT")
        return result


class Direct(Operations):
    """Calls of the simulator without HTTP. What is called is carried out to the end, whoever still waits."""

    def __init__(self, simulator):
        self._simulator = simulator
        self._calls = set()

    async def call(self, operation):
        form = {"auth_user": "admin", "auth_pwd": "admin", "json_data": encode_operation(operation)}
        request = HttpRequest(query={"version": "1.4"}, form=form)
        call = asyncio.ensure_future(answer_call(self._simulator, request))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        answer = await asyncio.shield(call)
        if answer.delivery is Delivery.HANG:
            await asyncio.Event().wait()
        if answer.delivery is not Delivery.SEND or "Content-Encoding" in answer.headers:
            raise NoReplyError("no whole answer from iTop")
        return parse_answer(answer.status, answer.headers, answer.body, operation)

    async def close(self):
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


class _Steady:
    """Dice that always fall the same way."""

    def random(self):
        return 0.5

    def seed(self, number):
        pass


@dataclass(frozen=True)
class Snapshot:
    """All that a world is, at a moment at which nothing is under way."""

    now: float
    journal: bytes
    tickets: dict[int, Row]
    counters: tuple[int, dict[str, int]]
    calls: tuple[Any, ...]
    alarms: dict[str, Any]
    memory: tuple[Any, ...]
    """Of the process."""
    ghosts: dict[str, Any]
    landed: int


class Small(World):
    """`alert("F1")` lands an alert: F fires, U fires as critical, G goes on with other content, R resolves; f fires
    without a time and always with the same bytes; `R1@OTH` is another organisation's."""

    def __init__(self, *given):
        super().__init__(*given)
        self.dice = _Steady()
        self.landed = 0
        self.group = "g"
        self.latest: dict[str, float | None] = {}
        """Of each alert: the time of its last firing."""
        self._compiled: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        self._organizations: dict[str, Any] = {}
        self._direct = Direct(self.simulator)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, profile=None, **given):
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_quiet())
            simulator = Simulator(lambda: world.now, sleep=lambda _: asyncio.sleep(0))
            store = Memory()
            stack.callback(store.sql.close)
            world = cls(store, simulator, "", profile or profile_of(), **given)
            await world.triage.record_profile(world.profile.hash, world.profile.body)
            world.watch(stack.enter_context(pytest.MonkeyPatch.context()))
            await world.start()
            stack.push_async_callback(world._direct.close)
            stack.push_async_callback(world.stop)
            yield world

    async def compose(self):
        await super().compose()
        # compiling the texts takes longer than all the rest
        self.delivery._styles._profiles, self.delivery._styles._styles = self._compiled
        self.delivery._references._organizations = self._organizations

    async def open_wire(self):
        return Wire(self._direct, self.life)

    def new_token(self):
        return f"{self.store.sql.execute('SELECT count(*) FROM attempts').fetchone()[0] + 1:016x}"

    # alerts

    async def alert(self, word):
        """Land an alert; returns its intent, or None if triage dropped it."""
        told, _, org = word.partition("@")
        how, name, org = told[0], f"a{told[1:]}", org or "EXC"
        self.landed += 1
        self.stirs += 1
        if how in "FUf":
            self.latest[f"{name}@{org}"] = self.now if how != "f" else None
        return await self.land(
            f"M{self.landed:04}",
            name,
            State.RESOLVED if how == "R" else State.FIRING,
            case=(org, self.group),
            kind="resolve" if how == "R" else "create",
            episode=self.latest.get(f"{name}@{org}") if how != "R" else None,
            content="always" if how == "f" else f"{word} {self.landed}",
            urgency=1 if how == "U" else 2,
            host=f"srv-{name}",
            one_shot=False,
        )

    # states

    def save(self):
        store, memory = self.simulator.store, self.delivery
        return Snapshot(
            self.now,
            self.store.sql.serialize(),
            {row.id: row.copy() for row in store._tables.get("Ticket", {}).values()},
            (store.ticket_count, dict(store._last_id)),
            tuple(self.simulator.calls),
            dict(self.alarms._active),
            (
                dict(memory._rests.until),
                memory._server_clock.offset_s,
                set(memory._sender.closed_ways),
                memory._expire_at,
                self.deaths,
            ),
            {name: copy.copy(getattr(self, name)) for name in _GHOSTS},
            self.landed,
        )

    async def load(self, snapshot):
        await self.stop()
        self.now = snapshot.now
        self.store.sql.deserialize(snapshot.journal)
        store = self.simulator.store
        store._tables["Ticket"] = {row.id: row.copy() for row in snapshot.tickets.values()}
        store.ticket_count, store._last_id = snapshot.counters[0], dict(snapshot.counters[1])
        self.simulator.calls[:] = snapshot.calls
        self.alarms._active.clear()
        self.alarms._active.update(snapshot.alarms)
        for name, value in snapshot.ghosts.items():
            setattr(self, name, copy.copy(value))
        self.landed = snapshot.landed
        self._events = itertools.count(self.landed + 1)
        await self.compose()
        memory = self.delivery
        rests, memory._server_clock.offset_s, ways, memory._expire_at, self.deaths = snapshot.memory
        memory._rests.until, memory._sender.closed_ways = dict(rests), set(ways)
