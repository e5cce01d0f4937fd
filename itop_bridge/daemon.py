"""The daemon: three stages over one journal, composed; signals, systemd, and the ordered stop."""

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from itop_bridge import __version__, systemd
from itop_bridge.clock import SteadyClock
from itop_bridge.console.console import Status, serve_console
from itop_bridge.console.exposition import Exposition
from itop_bridge.control.controls import Controls, Hooks, Stage
from itop_bridge.control.server import serve_control
from itop_bridge.crash_point import pass_point
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.delivery.survey import Question, Survey
from itop_bridge.errors import BridgeError, ConfigurationError, JournalFullError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client
from itop_bridge.itop.connection import describe_connection
from itop_bridge.itop.gate import Gate, State
from itop_bridge.itop.measured import Measured
from itop_bridge.itop.operation import Operations as Way
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.itop.read_only import ReadOnly
from itop_bridge.journal.checkpoint import watch_log
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.retention import Retention
from itop_bridge.journal.source import SourceJournal
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.metric.meter import Meter
from itop_bridge.settings.model import Settings
from itop_bridge.triage.heartbeat import Heartbeat
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
_FORCE_S = 1.0


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
    retention: Retention
    heartbeat: Heartbeat
    clock: Callable[[], float]
    """The time of day that the journal knows."""
    clients: contextlib.AsyncExitStack
    """Of iTop: after a reload the old one stays open until its calls are done."""
    shadow: bool = False
    """Nothing is written in iTop."""
    meter: Meter = field(default_factory=Meter)
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)
    stop_intake: asyncio.Event = field(default_factory=asyncio.Event)
    stop_work: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch_status(self) -> Status:
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
            journal=await Figures(self.store).fetch_backlog(),
            pauses=await Operations(self.store, self.clock).fetch_pauses(),
        )

    async def reload(self, settings: Settings, routing: Routing) -> None:
        """Switch to another configuration: routes, factories, formats, and how iTop is reached.

        The rest (broker, journal, console, log, rate) is taken up by a restart, which loses nothing. Parked cases are
        tried once more, and so are credentials that iTop refused. Raises ITopError if the new client cannot be made.
        """
        self.gate.reset(await _open_way(self.clients, settings, self.meter, shadow=self.shadow))
        self.triage.routes = routing.routes
        await self.intake.change_filters(_filters(routing))
        with contextlib.suppress(JournalFullError):  # an alarm tells of it; parked cases wait for the next reload
            await self.delivery.release()
        self.survey.ask(_questions(routing))
        log.info("configuration.reloaded", routes=len(routing.routes))

    async def reload_from(self, load: Load) -> None:
        """Read the configuration again and switch to it; a bad one changes nothing. Raises BridgeError, logged too.

        All is loaded and compiled before anything is switched. Two at once: one after the other.
        """
        async with self.reloading:
            try:
                await self.reload(*await asyncio.to_thread(load))
            except BridgeError as error:
                problems = error.problems if isinstance(error, ConfigurationError) else [str(error)]
                log.error("configuration.rejected", problems=problems)
                raise

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
            asyncio.create_task(self.retention.run(), name="retention"),
            asyncio.create_task(self.heartbeat.run(), name="heartbeat"),
            asyncio.create_task(
                watch_log(self.store.path, partial(self.store.write, _nothing), self.alarms), name="journal-log"
            ),
        ]
        if load is not None:
            sides.append(asyncio.create_task(_reload_on_hangup(self, signals, load), name="reload"))
        try:
            await _until_stopped(signals.stop, [intake, *workers, *sides])
        finally:
            systemd.notify("STOPPING=1")
            self.stop_intake.set()
            await _finish([intake], STOP_TIMEOUT_S / 3)
            pass_point("daemon.stopping")
            self.stop_work.set()
            await _finish(workers, STOP_TIMEOUT_S * 2 / 3)
            for side in sides:
                side.cancel()
            await _finish(sides, 1.0)


async def run_daemon(
    settings: Settings, routing: Routing, signals: Signals, load: Load | None = None, *, shadow: bool = False
) -> None:
    """Compose the daemon and run it until it is asked to stop; `load` reads the configuration again on SIGHUP.

    With `shadow` nothing is written in iTop. Raises what ended it otherwise.
    """
    async with (
        compose(settings, routing, shadow=shadow) as daemon,
        _console(settings, daemon),
        serve_control(settings.journal.path, _controls(daemon, load)),
    ):
        systemd.notify("READY=1")
        log.info("daemon.started", version=__version__, routes=len(routing.routes), shadow=shadow)
        await daemon.run(signals, load)
        left = await Figures(daemon.store).fetch_backlog()
    log.info("daemon.stopped", **{name: left[name] for name in ("waiting", "cases", "unverified", "dead_letters")})


@contextlib.asynccontextmanager
async def compose(settings: Settings, routing: Routing, *, shadow: bool = False) -> AsyncIterator[Daemon]:
    """The stages around an open journal. Each wakes the next one through the journal."""
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.journal.path)
        stack.push_async_callback(store.close)
        meter = Meter()
        store.on_commit = meter.record_commit
        alarms = Alarms()
        clock = Pace(settings.itop.rate, settings.itop.server_time_limit, SteadyClock())
        clients = await stack.enter_async_context(contextlib.AsyncExitStack())
        client = await _open_way(clients, settings, meter, shadow=shadow)
        pacer = Pacer(settings.itop.rate)
        pacer.on_turn = meter.record_wait
        gate = await stack.enter_async_context(Gate(client, pacer, Concurrency(settings.itop.concurrency), Breaker()))
        gate.on_change = lambda state: _tell_state(alarms, state)
        delivery = Delivery(
            DeliveryJournal(store, clock.clock), gate, alarms, clock, shadow=shadow, on_write=meter.record_write
        )
        triage = Triage(TriageJournal(store, clock.clock, delivery.wake), routing.routes, alarms, clock=clock.clock)
        intake = Intake(
            Broker(settings.mqtt, clock=clock.clock),
            IntakeJournal(store, triage.wake),
            alarms,
            _filters(routing),
        )
        survey = Survey(gate, alarms)
        survey.ask(_questions(routing))
        retention = Retention(store, settings.journal.keep, settings.mqtt.session_expiry, clock=clock.clock)
        heartbeat = Heartbeat(
            SourceJournal(store, clock.clock, triage.wake),
            alarms,
            lambda: triage.routes,
            lambda: intake.state.connections if intake.state.ready else None,
        )
        await delivery.recover()
        yield Daemon(
            store,
            alarms,
            intake,
            triage,
            delivery,
            gate,
            survey,
            retention,
            heartbeat,
            clock.clock,
            clients,
            shadow,
            meter,
        )


async def _open_way(clients: contextlib.AsyncExitStack, settings: Settings, meter: Meter, *, shadow: bool) -> Way:
    """The way to iTop; in the shadow one that lets nothing through that writes."""
    client = await clients.enter_async_context(Client(describe_connection(settings.itop)))
    measured = Measured(client, meter.record_call)
    return ReadOnly(measured) if shadow else measured


@contextlib.asynccontextmanager
async def _console(settings: Settings, daemon: Daemon) -> AsyncIterator[None]:
    listen = settings.console.listen
    if listen is None:
        yield
        return
    exposition = Exposition(daemon.fetch_status, daemon.meter, settings.journal.path, clock=daemon.clock)
    async with serve_console(listen.host, listen.port, daemon.fetch_status, exposition.fetch):
        log.info("console.started", address=str(listen))
        yield


def _controls(daemon: Daemon, load: Load | None) -> Controls:
    """What operators' commands reach."""

    async def fetch_status() -> dict[str, Any]:
        return dataclasses.asdict(await daemon.fetch_status())

    async def reload() -> None:
        if load is None:
            raise BridgeError("this daemon was started without a configuration file")
        await daemon.reload_from(load)

    return Controls(
        Inquiry(daemon.store, daemon.clock),
        Operations(daemon.store, daemon.clock, on_due=daemon.delivery.wake, on_retry=daemon.triage.wake),
        Figures(daemon.store),
        lambda: [route.name for route in daemon.triage.routes],
        Hooks(fetch_status, reload),
        stage=Stage(
            Replays(daemon.store, daemon.triage.wake, daemon.clock),
            TriageJournal(daemon.store, daemon.clock, daemon.delivery.wake),
            lambda: daemon.triage.routes,
        ),
    )


def _filters(routing: Routing) -> list[str]:
    return [route.pattern.filter for route in routing.routes]


def _questions(routing: Routing) -> list[Question]:
    return [Question(route.name, route.profile.writing, route.place) for route in routing.routes]


async def _reload_on_hangup(daemon: Daemon, signals: Signals, load: Load) -> None:
    while True:
        await signals.hangup.wait()
        signals.hangup.clear()
        with contextlib.suppress(BridgeError):  # it is in the log; the old configuration stays in use
            await daemon.reload_from(load)


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
        await store.write(_nothing)
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(period_s)
    await asyncio.Event().wait()


def _nothing(_journal: object) -> None:
    """A write that changes nothing: the writer takes its turn."""


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
    while late:  # an outcome that is being stored is not broken off at the first time; a full disk keeps it for ever
        for task in late:
            task.cancel()
        _, late = await asyncio.wait(late, timeout=_FORCE_S)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            log.error("daemon.stage_failed", stage=task.get_name(), failure=f"{type(error).__name__}: {error}")
