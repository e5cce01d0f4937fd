"""Faults on demand: what goes wrong, for which calls, and how often."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Sleep = Callable[[float], Awaitable[Any]]


class Kind(enum.StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The call takes `seconds` longer."""
    REFUSE = "refuse"
    """The connection is closed without an answer, and nothing is done."""
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
    """As iTop 3.1 and 3.2 say it, in `data[0]`."""
    MAINTENANCE_27 = "maintenance_27"
    """As iTop 2.7 says it, at the top level."""
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
    """Of LATENCY and LATE."""
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

    def matches(self, operation: str, request: Mapping[str, Any]) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.operation in (None, operation) and (self.when is None or self.when(request))

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
        """The faults that hit this call: every latency, and the first of the others."""
        taken: list[Fault] = []
        for fault in self._faults:
            decided = any(each.kind is not Kind.LATENCY for each in taken)
            if fault.matches(operation, request) and (fault.kind is Kind.LATENCY or not decided):
                fault.hits += 1
                taken.append(fault)
        return taken
