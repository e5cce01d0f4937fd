"""The daemon: three stages over one journal, composed; signals, systemd, and the ordered stop."""

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from itop_bridge import __version__, systemd
from itop_bridge.console.console import Status, serve_console
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.delivery.survey import Question, Survey
from itop_bridge.errors import BridgeError, ConfigurationError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client
from itop_bridge.itop.connection import describe_connection
from itop_bridge.itop.gate import Gate, State
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.model import Settings
from itop_bridge.triage.load import Routing
from itop_bridge.triage.triage import Triage

log = structlog.get_logger(__name__)

Load = Callable[[], tuple[Settings, Routing]]
"""Reads and compiles the configuration. Raises ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the process is asked for: to stop (SIGTERM, SIGINT), to read its configuration again (SIGHUP)."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hangup: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self) -> None:
        """From now on; a second SIGTERM ends the process at once, which is safe too."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.hangup.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._request_stop, loop, number)

    def _request_stop(self, loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
        log.info("daemon.stopping", signal=number.name)
        self.stop.set()
        loop.remove_signal_handler(number)


STOP_TIMEOUT_S = 30.0
"""What is given to calls in flight; below the unit's TimeoutStopSec. What is not done then is verified next time."""


@dataclass(slots=True)
class Daemon:
    """The stages, and what stops them: intake first, so that the others work off what it took."""

    store: Store
    alarms: Alarms
    intake: Intake
    triage: Triage
    delivery: Delivery
    gate: Gate
    survey: Survey
    clients: contextlib.AsyncExitStack
    """Of iTop: after a reload the old one stays open until its calls are done."""
    stop_intake: asyncio.Event = field(default_factory=asyncio.Event)
    stop_work: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> Status:
        """What the daemon is doing now."""
        itop = self.gate.state
        return Status(
            ready=self.intake.state.ready and itop.reachable,
            version=__version__,
            broker=dataclasses.asdict(self.intake.state),
            itop={**dataclasses.asdict(itop), "calls": dict(self.gate.calls)},
            triage=dataclasses.asdict(self.triage.counters),
            alarms={
                name: {"since": alarm.since, "detail": alarm.detail, **alarm.facts}
                for name, alarm in self.alarms.active.items()
            },
        )

    async def reload(self, settings: Settings, routing: Routing) -> None:
        """Switch to another configuration: routes, factories, formats, and how iTop is reached.

        The rest (broker, journal, console, log, rate) is taken up by a restart, which loses nothing. Parked cases are
        tried once more, and so are credentials that iTop refused. Raises ITopError if the new client cannot be made.
        """
        client = await self.clients.enter_async_context(Client(describe_connection(settings.itop)))
        self.gate.reset(client)
        self.triage.routes = routing.routes
        await self.intake.change_filters(_filters(routing))
        await self.delivery.release()
        self.survey.ask(_questions(routing))
        log.info("configuration.reloaded", routes=len(routing.routes))

    async def run(self, signals: Signals, load: Load | None = None) -> None:
        """Run until asked to stop, then stop in order. A stage that fails ends the daemon with its error."""
        intake = asyncio.create_task(self.intake.run(self.stop_intake), name="intake")
        workers = [
            asyncio.create_task(self.triage.run(self.stop_work), name="triage"),
            asyncio.create_task(self.delivery.run(self.stop_work), name="delivery"),
        ]
        sides = [
            asyncio.create_task(_keep_alive(self.store), name="watchdog"),
            asyncio.create_task(self.survey.run(), name="survey"),
        ]
        if load is not None:
            sides.append(asyncio.create_task(_reload_on_hangup(self, signals, load), name="reload"))
        try:
            await _until_stopped(signals.stop, [intake, *workers, *sides])
        finally:
            systemd.notify("STOPPING=1")
            self.stop_intake.set()
            await _finish([intake], STOP_TIMEOUT_S / 3)
            self.stop_work.set()
            await _finish(workers, STOP_TIMEOUT_S * 2 / 3)
            for side in sides:
                side.cancel()
            await _finish(sides, 1.0)


async def run_daemon(settings: Settings, routing: Routing, signals: Signals, load: Load | None = None) -> None:
    """Compose the daemon and run it until it is asked to stop; `load` reads the configuration again on SIGHUP.

    Raises what ended it otherwise.
    """
    async with compose(settings, routing) as daemon, _console(settings, daemon):
        systemd.notify("READY=1")
        log.info("daemon.started", version=__version__, routes=len(routing.routes))
        await daemon.run(signals, load)
    log.info("daemon.stopped")


@contextlib.asynccontextmanager
async def compose(settings: Settings, routing: Routing) -> AsyncIterator[Daemon]:
    """The stages around an open journal. Each wakes the next one through the journal."""
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.journal.path)
        stack.push_async_callback(store.close)
        alarms = Alarms()
        clock = Pace(settings.itop.rate, settings.itop.server_time_limit)
        clients = await stack.enter_async_context(contextlib.AsyncExitStack())
        client = await clients.enter_async_context(Client(describe_connection(settings.itop)))
        gate = await stack.enter_async_context(
            Gate(client, Pacer(settings.itop.rate), Concurrency(settings.itop.concurrency), Breaker())
        )
        gate.on_change = lambda state: _tell_state(alarms, state)
        delivery = Delivery(DeliveryJournal(store, clock.clock), gate, alarms, clock)
        triage = Triage(TriageJournal(store, clock.clock, delivery.wake), routing.routes, alarms)
        intake = Intake(
            Broker(settings.mqtt),
            IntakeJournal(store, triage.wake),
            alarms,
            _filters(routing),
        )
        survey = Survey(gate, alarms)
        survey.ask(_questions(routing))
        await delivery.recover()
        yield Daemon(store, alarms, intake, triage, delivery, gate, survey, clients)


@contextlib.asynccontextmanager
async def _console(settings: Settings, daemon: Daemon) -> AsyncIterator[None]:
    listen = settings.console.listen
    if listen is None:
        yield
        return
    async with serve_console(listen.host, listen.port, lambda: daemon.status):
        log.info("console.started", address=str(listen))
        yield


def _filters(routing: Routing) -> list[str]:
    return [route.pattern.filter for route in routing.routes]


def _questions(routing: Routing) -> list[Question]:
    return [Question(route.name, route.profile.writing, route.place) for route in routing.routes]


async def _reload_on_hangup(daemon: Daemon, signals: Signals, load: Load) -> None:
    """All is loaded and compiled before anything is switched; a bad file leaves the old configuration in use."""
    while True:
        await signals.hangup.wait()
        signals.hangup.clear()
        try:
            await daemon.reload(*await asyncio.to_thread(load))
        except ConfigurationError as error:
            log.error("configuration.rejected", problems=error.problems)
        except BridgeError as error:
            log.error("configuration.rejected", problems=[str(error)])


def _tell_state(alarms: Alarms, state: State) -> None:
    """One alarm for an iTop that cannot be reached, one for an iTop that answers and refuses to write."""
    holds = {"itop_unreachable": not state.reachable, "itop_not_allowed": state.reachable and state.reason is not None}
    for name, begins in holds.items():
        if begins:
            alarms.raise_(name, detail=state.detail[:300], reason=state.reason)
        else:
            alarms.clear(name)


async def _keep_alive(store: Store) -> None:
    """Tell systemd that the loop turns and the journal's writer works, as often as the unit wants it."""
    period_s = systemd.watchdog_s()
    while period_s:
        await store.write(lambda _: None)
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(period_s)
    await asyncio.Event().wait()


async def _until_stopped(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in done:
        task.result()


async def _finish(tasks: list[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait for tasks that were asked to end; one that does not is cancelled, and what it had in flight is verified on
    the next start."""
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for task in late:
        log.warning("daemon.stop_forced", stage=task.get_name())
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            log.error("daemon.stage_failed", stage=task.get_name(), failure=f"{type(error).__name__}: {error}")
