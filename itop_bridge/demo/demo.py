"""The demo: broker, stand-in for iTop and daemon together; what happens in which order."""

import asyncio
import contextlib
import datetime
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt

from itop_bridge.daemon import Daemon, Signals, open_daemon
from itop_bridge.demo.broker import HOST, serve_broker
from itop_bridge.demo.configuration import INSTALLS, write_configuration
from itop_bridge.demo.ledger import Ledger, Progress, find_faults, read_ledger, read_progress
from itop_bridge.demo.report import BOLD, GREEN, RED, render_incidents, render_totals
from itop_bridge.demo.screen import Screen
from itop_bridge.demo.story import Message, opening, resolution, storm
from itop_bridge.errors import BridgeError
from itop_bridge.settings.load import load_settings
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.triage.load import load_routing

ITOP_LATENCY_S = 0.06
"""What a call takes on a small real iTop."""
_STORM_RATE = 200
"""Alerts a second."""
_PUBLISHERS = 5
"""amqtt loses its way with more than ten."""
_CALM_S = 3.0
"""Into the storm: the time of the resolve."""
_READY_S = 15.0
_SETTLED_S = 30.0
_LOOK_EVERY_S = 0.2
_MOST_FAULTS = 10
_EXAMPLE = '{"title": "Tailgating", "severity": "high", "host": "door-17"}'


class DemoError(BridgeError):
    """The demo did not come to its end."""


@dataclass(slots=True)
class Demo:
    """The running parts, and what was sent so far."""

    daemon: Daemon
    running: asyncio.Task[None]
    """The daemon at work."""
    simulator: Simulator
    screen: Screen
    publishers: Sequence[aiomqtt.Client]
    broker_port: int
    itop_address: str
    configuration: Path
    sent: list[Message] = field(default_factory=list)
    _progress: Progress = field(default_factory=Progress)

    async def play(self, alerts: int) -> None:
        """Send everything, and wait until all of it is in iTop, or for a time: the report tells what is not.

        Raises DemoError if it gets stuck before, or JournalError.
        """
        watching = asyncio.create_task(self._watch(), name="demo-watch")
        try:
            if not await self._until(lambda: self.daemon.stages.intake.state.ready, _READY_S):
                raise DemoError(f"the daemon has not subscribed within {_READY_S:.0f} s")
            self.screen.tell("One alert of each kind: a repeat, a hostile one and one that is no JSON too.")
            started = datetime.datetime.now(datetime.UTC)
            await self._publish(self.publishers[0], opening(started))
            if not await self._until(lambda: self._is_told, _SETTLED_S):
                raise DemoError(f"the first alerts are not in iTop within {_SETTLED_S:.0f} s")
            self.screen.tell(f"A storm: {alerts:,} alerts on 5 hosts, {_STORM_RATE} a second, and a resolve meanwhile.")
            await asyncio.gather(self._storm(alerts, started), self._resolve(started))
            self.screen.tell("No more alerts: what is owed to iTop is written, and looked for once more.")
            await self._until(lambda: self._progress.is_done(len(self.sent)), _SETTLED_S)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            self.screen.tell()
            if not watching.cancelled():
                watching.result()

    async def read_ledger(self) -> Ledger:
        """What became of every message."""
        return await self.daemon.stages.ground.store.read(read_ledger)

    @property
    def tickets(self) -> list[dict[str, Any]]:
        """The incidents as iTop shows them, with the code of their `organization`."""
        codes = {org["id"]: org["code"] for org in self.simulator.objects("Organization")}
        tickets = self.simulator.objects("Ticket")
        return [{**ticket, "organization": codes[int(ticket["org_id"])]} for ticket in tickets]

    @property
    def calls(self) -> Counter[str]:
        """The calls that iTop got, by operation."""
        return Counter(call.operation for call in self.simulator.calls)

    @property
    def _is_told(self) -> bool:
        return self._progress.mapped >= len(self.sent) and not self._progress.owed

    async def _watch(self) -> None:
        started = time.monotonic()
        while True:
            self._progress = await self.daemon.stages.ground.store.read(read_progress)
            self.screen.show(self._describe(time.monotonic() - started))
            await asyncio.sleep(_LOOK_EVERY_S)

    def _describe(self, elapsed_s: float) -> str:
        now = self._progress
        return (
            f"{elapsed_s:3.0f} s  sent {len(self.sent):,}  journaled {now.journaled:,}  mapped {now.mapped:,}"
            f"  incidents {now.incidents}  iTop calls {len(self.simulator.calls)}  owed {now.owed:,}"
        )

    async def _until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_EVERY_S / 2)
        return True

    async def _storm(self, alerts: int, started: datetime.datetime) -> None:
        """Each publisher has its share: every fifth alert, which is one host's."""
        messages = list(storm(alerts, started))
        spread_s = alerts / _STORM_RATE
        shares = [messages[first::_PUBLISHERS] for first in range(_PUBLISHERS)]
        await asyncio.gather(
            *(
                self._publish(client, share, spread_s=spread_s)
                for client, share in zip(self.publishers, shares, strict=True)
            )
        )

    async def _resolve(self, started: datetime.datetime) -> None:
        await asyncio.sleep(_CALM_S)
        await self._publish(self.publishers[0], [resolution(started, datetime.datetime.now(datetime.UTC))])

    async def _publish(self, client: aiomqtt.Client, messages: Iterable[Message], *, spread_s: float = 0.0) -> None:
        """Publish in order at QoS 1, spread evenly over a time. What counts as sent is what the broker has."""
        queue: Sequence[Message] = list(messages)
        begun = time.monotonic()
        for number, message in enumerate(queue):
            await asyncio.sleep(max(0.0, begun + spread_s * number / len(queue) - time.monotonic()))
            try:
                await client.publish(message.topic, message.payload, qos=1)
            except aiomqtt.MqttError as error:
                raise DemoError("the broker took no more alerts") from error
            self.sent.append(message)


@asynccontextmanager
async def open_publishers(port: int) -> AsyncIterator[list[aiomqtt.Client]]:
    """Clients that are connected from the start: a connection that is cancelled while it is made is never closed."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [aiomqtt.Client(HOST, port, protocol=aiomqtt.ProtocolVersion.V311) for _ in range(_PUBLISHERS)]
        yield [await stack.enter_async_context(client) for client in clients]


@asynccontextmanager
async def stage_demo(folder: Path, screen: Screen, iclass: str) -> AsyncIterator[Demo]:
    """Start all parts, with their files in `folder`. Raises BridgeError, or what the daemon failed with."""
    simulator = Simulator(install=INSTALLS[iclass])
    simulator.latency_s = ITOP_LATENCY_S
    async with serve_broker() as port, open_publishers(port) as publishers, serve(simulator) as address:
        path = write_configuration(folder, broker_port=port, itop_address=address, iclass=iclass)
        loaded = load_settings(path)
        async with open_daemon(loaded.settings, load_routing(loaded)) as daemon:
            stop = asyncio.Event()
            running = asyncio.create_task(daemon.run(Signals(stop)), name="daemon")
            try:
                yield Demo(daemon, running, simulator, screen, publishers, port, address, path)
            finally:
                stop.set()
                await asyncio.wait({running})
            running.result()


async def run_demo(
    folder: Path, alerts: int, screen: Screen, stop: asyncio.Event, *, keep: bool, iclass: str = "Incident"
) -> bool | None:
    """The whole demo; with `keep` it stays up until `stop`. True if all is well, None if `stop` came first.

    Raises DemoError if it gets stuck.
    """
    async with stage_demo(folder, screen, iclass) as demo:
        screen.tell(f"MQTT broker on {HOST}:{demo.broker_port}, iTop's stand-in on {demo.itop_address}.")
        if not await _unless_ended(demo.play(alerts), demo.running, stop):
            screen.tell("Interrupted: stopping.")
            return None
        faults = await _report(demo)
        if keep:
            _tell_doors(demo)
            await _unless_ended(asyncio.Event().wait(), demo.running, stop)
            screen.tell("Stopping.")
        else:
            screen.tell("--keep stays up: see the incidents as a page, and send alerts of your own.")
    return not faults


def _tell_doors(demo: Demo) -> None:
    tell, port = demo.screen.tell, demo.broker_port
    tell("Still up, until Ctrl-C.", BOLD)
    tell(f"The incidents, as a page: {demo.itop_address}/")
    tell(f"The configuration, the journal and the log: {demo.configuration.parent}")
    tell(f"mosquitto_pub -h {HOST} -p {port} -q 1 -t siem/EXC/generic -m '{_EXAMPLE}'")


async def _report(demo: Demo) -> list[str]:
    screen, ledger = demo.screen, await demo.read_ledger()
    tickets = demo.tickets
    for line in render_incidents(tickets, ledger, width=screen.width, paint=screen.paint):
        screen.tell_rendered(line)
    screen.tell()
    for line in render_totals(ledger, demo.calls):
        screen.tell(line)
    screen.tell()
    faults = find_faults(demo.sent, ledger, tickets)
    if faults:
        screen.tell(f"FAILED: {len(faults)} things are not as they have to be:", RED)
        for fault in faults[:_MOST_FAULTS]:
            screen.tell(f"  {fault}")
        if len(faults) > _MOST_FAULTS:
            screen.tell(f"  and {len(faults) - _MOST_FAULTS} more")
    else:
        writes = len(ledger.writes)
        screen.tell(
            f"Verified: all {len(demo.sent):,} messages met their fate; all {writes} writes are in iTop once.", GREEN
        )
    screen.tell()
    return faults


async def _unless_ended(doing: Coroutine[Any, Any, Any], running: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Do it; False if `stop` came first. Raises what it raises, or what the daemon failed with."""
    task, stopping = asyncio.create_task(doing, name="demo"), asyncio.create_task(stop.wait(), name="demo-stop")
    try:
        await asyncio.wait({task, running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        if running.done():
            running.result()
            raise DemoError("the daemon has ended")
        return False
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.wait({task, stopping})
