"""Faults on demand: what goes wrong, for which calls, and how often."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import log
from random import Random
from typing import Any

_SIGMAS = 1.645
"""How many standard deviations the 95th percentile lies above the median."""

Sleep = Callable[[float], Awaitable[Any]]


class Kind(enum.StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The call takes `seconds` longer; with `p95_s`, half of the calls take less, and one in twenty more than that."""
    SLOW_START = "slow_start"
    """The first call takes `seconds` longer, the next half of that, and so on: an iTop whose caches are cold."""
    REFUSE = "refuse"
    """The connection is closed without an answer, and nothing is done."""
    RESET_BEFORE = "reset_before"
    """The connection is reset, and nothing is done."""
    RESET_AFTER = "reset_after"
    """The call is carried out; then the connection is reset."""
    TIMEOUT_AFTER = "timeout_after"
    """The call is carried out; the answer never comes."""
    LATE = "late"
    """The answer never comes; the call is carried out after `seconds`, or when the fault is released."""
    TRUNCATE = "truncate"
    """The call is carried out; half of the answer comes."""
    BAD_GZIP = "bad_gzip"
    """The call is carried out; the answer claims to be gzip and is not."""
    HTTP_500 = "http_500"
    """iTop's error page. This and the next ones do nothing, unless `stored` is set: then the call is carried out."""
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    """A bare 503, not maintenance."""
    HTML_200 = "html_200"
    """A login page, as a proxy would show it."""
    MAINTENANCE = "maintenance"
    """503 as the release that is played says it: iTop 3.1 and 3.2 in `data[0]`."""
    MAINTENANCE_27 = "maintenance_27"
    """503 as iTop 2.7 says it, at the top level, whatever is played."""
    RATE_LIMIT = "rate_limit"
    """429 with the header Retry-After: `retry_after`, seconds or an HTTP date."""
    READ_ONLY = "read_only"
    """iTop's read-only mode: gets work, writes are "not enough permissions"."""
    LOCK_WAIT = "lock_wait"
    """The write waits too long for a row: mysql_errno 1205."""
    DATABASE_READ_ONLY = "database_read_only"
    """The database refuses the write: mysql_errno 1290."""
    LOG_FULL = "log_full"
    """A write to a case log fails: mysql_errno 1406."""


DELAYS = frozenset({Kind.LATENCY, Kind.SLOW_START})
"""Faults that only cost time: they add up, and another one may hit the call too."""

TROUBLES = frozenset({Kind.READ_ONLY, Kind.LOCK_WAIT, Kind.DATABASE_READ_ONLY, Kind.LOG_FULL})
"""Faults inside iTop: the call runs into them by itself."""


@dataclass(eq=False, slots=True)
class Fault:
    """One fault. It hits the next `times` calls (None: every call) that are of `operation` and fulfil `when`."""

    kind: Kind | str
    times: int | None = 1
    operation: str | None = None
    """`core/create`, …; None is any."""
    when: Callable[[Mapping[str, Any]], bool] | None = None
    """A condition on the request's JSON."""
    seconds: float | None = None
    """Of LATENCY, SLOW_START and LATE."""
    p95_s: float | None = None
    retry_after: str = "1"
    stored: bool = False
    """Whether the call is carried out although the answer says otherwise."""
    hits: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _held: int = 0

    def __post_init__(self) -> None:
        self.kind = Kind(self.kind)
        self._idle.set()

    @property
    def is_over(self) -> bool:
        return self.times is not None and self.hits >= self.times

    def matches(self, operation: str, request: Mapping[str, Any]) -> bool:
        return not self.is_over and self.operation in (None, operation) and (self.when is None or self.when(request))

    def draw_delay_s(self, random: Random) -> float:
        """The time that a call which is hit takes longer."""
        if self.kind is Kind.SLOW_START:
            return (self.seconds or 0.0) * 0.5 ** (self.hits - 1)
        return draw_latency_s(random, self.seconds or 0.0, self.p95_s)

    async def hold(self, sleep: Sleep) -> None:
        """Keep a call until the fault is released or its time is over; then `settle` must follow."""
        self._held += 1
        self._idle.clear()
        if self.seconds is None:
            await self._released.wait()
        elif not self._released.is_set():
            await self._wait(sleep, self.seconds)

    async def _wait(self, sleep: Sleep, seconds: float) -> None:
        waits = {asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(self._released.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def settle(self) -> None:
        """A held call has been carried out."""
        self._held -= 1
        if not self._held:
            self._idle.set()

    async def release(self) -> None:
        """Let the held calls be carried out; returns when they are."""
        self._released.set()
        await self._idle.wait()


def draw_latency_s(random: Random, median_s: float, p95_s: float | None) -> float:
    """A time as servers take it: log-normal, of that median and 95th percentile; without one, always the median."""
    if not p95_s or p95_s <= median_s or median_s <= 0:
        return median_s
    return random.lognormvariate(log(median_s), log(p95_s / median_s) / _SIGMAS)


class Faults:
    """The faults in place, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        self._faults.remove(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, operation: str, request: Mapping[str, Any]) -> list[Fault]:
        """The faults that hit this call: every delay, and the first of the others."""
        taken: list[Fault] = []
        for fault in self._faults:
            decided = any(each.kind not in DELAYS for each in taken)
            if fault.matches(operation, request) and (fault.kind in DELAYS or not decided):
                fault.hits += 1
                taken.append(fault)
        return taken
