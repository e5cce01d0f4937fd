"""The daemon's pulse: a sign of life for systemd while all parts move, an alarm when one hangs, and its status."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from itop_bridge import systemd
from itop_bridge.beat import Beats
from itop_bridge.console.console import Status
from itop_bridge.console.headline import describe_headline
from itop_bridge.errors import JournalFullError
from itop_bridge.log import Alarms

EVERY_S = 5.0
LOOP_S = 15.0
"""An event loop that does not turn for so long is told of; systemd ends it after its own WatchdogSec."""
WRITER_S = 60.0
"""A commit that takes longer is none."""
SLOWEST_BYTES_PER_S = 5e6
"""Of a checkpoint: a disk that moves less is none."""
STATUS_S = 30.0

Notify = Callable[[str], object]
Sleep = Callable[[float], Awaitable[object]]


class Pulse:
    """`beat` is called every EVERY_S, or oftener if the unit wants it."""

    def __init__(self, beats: Beats, alarms: Alarms, notify: Notify = systemd.notify) -> None:
        self._beats = beats
        self._alarms = alarms
        self._notify = notify
        self._loop = beats.begin("loop", LOOP_S)

    async def run(self, sleep: Sleep = asyncio.sleep) -> None:
        """For ever. WATCHDOG=1 means nothing to systemd where the unit has no watchdog."""
        every_s = min(EVERY_S, systemd.watchdog_s() or EVERY_S)
        self._beats.forgive()  # they begin now
        while True:
            self.beat()
            await sleep(every_s)

    def beat(self) -> None:
        """Look who moved (the loop has, since this runs on it), and remind of what ails."""
        if self._loop.is_late:
            stalled = {self._loop.name: round(self._loop.still_s, 1)}
            self._beats.forgive()  # who runs on it could not move
        else:
            self._loop.move()
            stalled = self._beats.find_stalled()
        if stalled:
            self._alarms.raise_("daemon_stalled", detail=describe_stall(stalled), stalled=stalled)
        else:
            self._alarms.clear("daemon_stalled")
            self._notify("WATCHDOG=1")
        self._alarms.remind()


def describe_stall(stalled: dict[str, float]) -> str:
    """Who hangs, in words. Pure."""
    return ", ".join(f"{name} has not moved for {still_s:.0f} s" for name, still_s in stalled.items())


async def keep_writing(
    write: Callable[[], Awaitable[object]],
    beats: Beats,
    sleep: Sleep = asyncio.sleep,
    *,
    measure_log: Callable[[], int] = lambda: 0,
) -> None:
    """The journal's writer takes a turn every EVERY_S, for ever: it moves when the turn is over.

    `write` is a write that changes nothing; `measure_log` tells the bytes that a checkpoint may have to move first.
    Raises JournalError if the journal can be written no more.
    """
    writer = beats.begin("writer", WRITER_S)
    while True:
        writer.wait_for(measure_log() / SLOWEST_BYTES_PER_S)
        with contextlib.suppress(JournalFullError):  # that is an answer too
            await write()
        writer.move()
        await sleep(EVERY_S)


async def keep_status(
    fetch_status: Callable[[], Awaitable[Status]],
    is_ready: Callable[[], bool],
    notify: Notify = systemd.notify,
    *,
    sleep: Sleep = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """`systemctl status` shows how the daemon is doing: told every STATUS_S, and when it gets ready or is not any
    more. For ever."""
    told: tuple[bool, float] | None = None
    while True:
        ready = is_ready()
        if told is None or ready != told[0] or monotonic() - told[1] >= STATUS_S:
            notify(f"STATUS={describe_headline(await fetch_status())}")
            told = ready, monotonic()
        await sleep(1.0)


@contextlib.asynccontextmanager
async def tell_reload(notify: Notify = systemd.notify) -> AsyncIterator[None]:
    """A reload is under way; however it ends, the daemon is ready again, be it with the old configuration."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
    try:
        yield
    finally:
        notify("READY=1")
