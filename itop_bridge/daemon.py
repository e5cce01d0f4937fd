"""The daemon: the stages run, are told of signals and reloads, and stop in order."""

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
from itop_bridge.composition import Stages, compose
from itop_bridge.console.console import Status, serve_console
from itop_bridge.console.exposition import Exposition
from itop_bridge.control.controls import Controls, Hooks, Reloaded, Stage
from itop_bridge.control.server import serve_control
from itop_bridge.crash_point import pass_point
from itop_bridge.errors import BridgeError, ConfigurationError
from itop_bridge.journal.checkpoint import measure_log, watch_log
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.run import record_start, record_stop
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.pulse import Pulse, keep_status, keep_writing, tell_reload
from itop_bridge.settings.model import Settings
from itop_bridge.settings.restart import find_restart_keys
from itop_bridge.triage.load import Routing

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
_MOST_PROBLEMS = 3
"""Of a rejected configuration, that its alarm names; the log has them all."""


@dataclass(slots=True)
class Daemon:
    """Runs the stages, and stops them: intake first, so that the others work off what it took."""

    stages: Stages
    started: Settings
    """What it was started with: the broker, the journal, the console, the log and the pace are as this says."""
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)
    stop_intake: asyncio.Event = field(default_factory=asyncio.Event)
    stop_work: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch_status(self) -> Status:
        """What the daemon is doing now."""
        stages, ground, gate = self.stages, self.stages.ground, self.stages.approach.gate
        itop = {
            **dataclasses.asdict(gate.state),
            "probe_in_s": gate.probe_in_s,
            "throttled_s": gate.throttling.left_s,
            "calls": dict(gate.calls),
            "not_sent": dict(gate.not_sent),
        }
        return Status(
            ready=stages.is_ready,
            version=__version__,
            broker=dataclasses.asdict(stages.intake.state),
            itop=itop,
            triage=dataclasses.asdict(stages.triage.counters),
            alarms={
                name: {**alarm.facts, "since": alarm.since, "detail": alarm.detail}
                for name, alarm in ground.alarms.active.items()
            },
            journal=await Figures(ground.store, ground.clock).fetch_backlog(),
            pauses=await Operations(ground.store, ground.clock).fetch_pauses(),
        )

    async def reload(self, settings: Settings, routing: Routing) -> Reloaded:
        """Switch to another configuration: see Stages.change."""
        await self.stages.change(settings, routing)
        log.info("configuration.reloaded", routes=len(settings.routes))
        restart = find_restart_keys(self.started, settings)
        if restart:
            log.warning("configuration.restart_wanted", keys=restart)
        return Reloaded([route.name for route in settings.routes], restart)

    async def reload_from(self, load: Load) -> Reloaded:
        """Read the configuration again and switch to it; a bad one changes nothing. Raises BridgeError, logged too.

        All is loaded and compiled before anything is switched. Two at once: one after the other.
        """
        async with self.reloading, tell_reload():
            try:
                reloaded = await self.reload(*await asyncio.to_thread(load))
            except BridgeError as error:
                problems = error.problems if isinstance(error, ConfigurationError) else [str(error)]
                log.error("configuration.rejected", problems=problems)
                first = "; ".join(problems[:_MOST_PROBLEMS])
                self.stages.ground.alarms.raise_("configuration_rejected", first)
                raise
            self.stages.ground.alarms.clear("configuration_rejected")
            return reloaded

    async def run(self, signals: Signals, load: Load | None = None) -> None:
        """Run until asked to stop, then stop in order. A stage that fails ends the daemon with its error."""
        intake = asyncio.create_task(self.stages.intake.run(self.stop_intake), name="intake")
        workers = [
            asyncio.create_task(self.stages.triage.run(self.stop_work), name="triage"),
            asyncio.create_task(self.stages.delivery.run(self.stop_work), name="delivery"),
            asyncio.create_task(self.stages.attachments.run(self.stop_work), name="attachments"),
        ]
        sides = self._start_sides()
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

    def _start_sides(self) -> list[asyncio.Task[None]]:
        """What never ends by itself, and may be broken off."""
        stages, ground = self.stages, self.stages.ground
        rest = partial(ground.store.write, _nothing)
        sides = {
            "pulse": Pulse(ground.beats, ground.alarms).run(),
            "journal-writer": keep_writing(rest, ground.beats, measure_log=partial(measure_log, ground.store.path)),
            "journal-log": watch_log(ground.store.path, rest, ground.alarms),
            "survey": stages.survey.run(),
            "retention": stages.retention.run(),
            "heartbeat": stages.heartbeat.run(),
            "letters": stages.letters.run(),
            "mailer": stages.mailer.run(),
            "presence": stages.outward.presence.run(),
            "results": stages.outward.publisher.run(),
        }
        if systemd.is_listening():
            sides["status"] = keep_status(self.fetch_status, lambda: stages.is_ready)
        return [asyncio.create_task(side, name=name) for name, side in sides.items()]


async def run_daemon(
    settings: Settings, routing: Routing, signals: Signals, load: Load | None = None, *, shadow: bool = False
) -> None:
    """Compose the daemon and run it until it is asked to stop; `load` reads the configuration again on SIGHUP.

    With `shadow` nothing is written in iTop. Raises what ended it otherwise.
    """
    async with (
        open_daemon(settings, routing, shadow=shadow) as daemon,
        _console(settings, daemon),
        serve_control(settings.journal.path, _controls(daemon, load)),
    ):
        systemd.notify("READY=1")
        store = daemon.stages.ground.store
        facts = {"routes": len(settings.routes), "shadow": shadow, "previous": await record_start(store)}
        log.info("daemon.started", version=__version__, **facts)
        await daemon.run(signals, load)
        left = await Figures(store).fetch_backlog()
        left["unverified"] += left["in_flight"]  # they were broken off
        await record_stop(store)
    log.info("daemon.stopped", **{name: left[name] for name in ("waiting", "cases", "unverified", "dead_letters")})


@contextlib.asynccontextmanager
async def open_daemon(settings: Settings, routing: Routing, *, shadow: bool = False) -> AsyncIterator[Daemon]:
    """A daemon around an open journal, not running yet. Raises BridgeError."""
    async with compose(settings, routing, shadow=shadow) as stages:
        yield Daemon(stages, settings)


@contextlib.asynccontextmanager
async def _console(settings: Settings, daemon: Daemon) -> AsyncIterator[None]:
    listen = settings.console.listen
    if listen is None:
        yield
        return
    ground = daemon.stages.ground
    exposition = Exposition(daemon.fetch_status, ground.meter, settings.journal.path, clock=ground.clock)
    find_stalled = ground.beats.find_stalled
    async with serve_console(listen.host, listen.port, daemon.fetch_status, exposition.fetch, find_stalled):
        log.info("console.started", address=str(listen))
        yield


def _controls(daemon: Daemon, load: Load | None) -> Controls:
    """What operators' commands reach."""

    async def fetch_status() -> dict[str, Any]:
        return dataclasses.asdict(await daemon.fetch_status())

    async def reload() -> Reloaded:
        if load is None:
            raise BridgeError("this daemon was started without a configuration file")
        return await daemon.reload_from(load)

    triage, wake_delivery = daemon.stages.triage, daemon.stages.delivery.wake
    store, clock = daemon.stages.ground.store, daemon.stages.ground.clock
    return Controls(
        Inquiry(store, clock),
        Operations(store, clock, on_due=wake_delivery, on_retry=triage.wake),
        Figures(store, clock),
        lambda: [route.name for route in triage.routes],
        Hooks(fetch_status, reload),
        stage=Stage(
            Replays(store, triage.wake, clock),
            TriageJournal(store, clock, wake_delivery),
            lambda: triage.routes,
        ),
    )


async def _reload_on_hangup(daemon: Daemon, signals: Signals, load: Load) -> None:
    while True:
        await signals.hangup.wait()
        signals.hangup.clear()
        with contextlib.suppress(BridgeError):  # it is in the log; the old configuration stays in use
            await daemon.reload_from(load)


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
            log.error("daemon.stage_failed", stage=task.get_name(), exc_info=error)
