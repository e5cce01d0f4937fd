"""The way to iTop for everyone: paced, few at a time, and shut while iTop is down."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.breaker import Breaker, Verdict
from itop_bridge.itop.error import (
    CredentialsError,
    ITopError,
    MaintenanceError,
    NoReplyError,
    NotAllowedError,
    NotSentError,
    RefusedError,
    ServerError,
    ThrottledError,
    UncertainError,
    WithdrawnError,
)
from itop_bridge.itop.hold import Holds, is_held
from itop_bridge.itop.operation import CHECK, Operations
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.itop.strain import Slowness, Throttling

_PROBE_S = 10.0
_RETRY_AFTER_S = 10.0
"""The pause when iTop's front asks to slow down without a word on how long."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether iTop can be reached, and since when (seconds since the epoch).

    `reason` is None while all is well. It is `not_sent`, `no_answer`, `maintenance` or `credentials` if iTop cannot be
    reached, and `not_allowed` or `database` if it can, but refuses some operation for now.
    """

    reachable: bool
    since: float
    reason: str | None = None
    detail: str = ""


class Gate(Operations):
    """Makes calls through `client` within the limits, and learns from what comes back.

    While iTop is down nothing is sent but a harmless probe, one at a time, which the gate makes by itself. A call waits
    for the end of that up to `patience_s` and then fails as not sent: what was read before so long a wait is stale.
    After a call without a good answer a probe tells at once whether it is iTop's failure or the call's own.
    """

    def __init__(  # noqa: PLR0913 - four collaborators, and what a test replaces
        self,
        client: Operations,
        pacer: Pacer,
        concurrency: Concurrency,
        breaker: Breaker,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[State], None] | None = None,
        patience_s: float = 30.0,
    ) -> None:
        self._client = client
        self._pacer = pacer
        self._concurrency = concurrency
        self._breaker = breaker
        self._clock = clock
        self._sleep = sleep
        self._patience_s = patience_s
        self._holds = Holds(breaker.spawn)
        self.slowness = Slowness(concurrency.clock)
        self.throttling = Throttling(concurrency.clock)
        self._examining = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._nudge = asyncio.Event()
        self._trouble: ITopError | None = None
        self._is_stopped = False
        self.on_change = on_change
        self.on_call: Callable[[], None] = _nothing
        """Called by whoever makes a call, when it begins and when it is over."""
        self.state = State(reachable=True, since=clock())
        self.calls: Counter[str] = Counter()
        """Calls sent, by operation."""
        self.not_sent: Counter[str] = Counter()
        """Calls that were given up before, by reason: that of `state`, `turn` (the limits) or `held_back`."""

    @property
    def is_open(self) -> bool:
        """True while iTop can be reached."""
        return self._breaker.is_closed

    @property
    def probe_in_s(self) -> float | None:
        """While iTop cannot be reached: how long until the next probe."""
        return None if self.is_open else self._breaker.wait_s

    @property
    def is_healthy(self) -> bool:
        """True if iTop can be reached and holds nothing back: then a call that fails does so by itself."""
        return self.is_open and self._holds.error is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Nothing new is sent; what waits for iTop fails as not sent, what is under way goes on."""
        self._is_stopped = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})

    def reset(self, client: Operations | None = None) -> None:
        """A person changed something (credentials, rights): ask iTop at once, through `client` if it is another now.

        The old client must stay open until its calls are done.
        """
        self._client = client or self._client
        self._holds.clear()
        if not self.is_open:
            self._nudge.set()
        self._tell()

    def pause_for(self, pause_s: float) -> None:
        """Send nothing for so many seconds."""
        self._pacer.pause_for(pause_s)

    async def wait_open(self) -> None:
        """Wait until iTop can be reached and no pause is on. Raises NotSentError once the gate is stopped."""
        while not self._is_stopped:
            if not self.is_open:
                await self._wait_for_keeper()
            elif pause_s := self._pacer.pause_s:
                await self._sleep(pause_s)
            else:
                return
        raise NotSentError("not sent: the bridge is stopping")

    async def call(
        self,
        operation: Mapping[str, Any],
        *,
        is_wanted: Callable[[], Awaitable[bool]] | None = None,
        aside: bool = False,
    ) -> Answer:
        """Send one operation when its turn has come, at most once. Raises one ITopError.

        `is_wanted` is asked when a slot is free, which may be long after the call: WithdrawnError if it says no.
        No other call suffers from one `aside`: that it is refused is its own failure, credentials too (PHP drops a form
        that is too large with all that is in it), unless iTop refuses a harmless call as well.
        """
        self.on_call()
        try:
            return await self._call_in_turn(operation, is_wanted, aside=aside)
        except (UncertainError, CredentialsError) as error:
            await self._examine(error, aside=aside)
            raise
        finally:
            self.on_call()

    async def _call_in_turn(
        self, operation: Mapping[str, Any], is_wanted: Callable[[], Awaitable[bool]] | None, *, aside: bool
    ) -> Answer:
        while True:
            await self._within_patience(self._wait_passable(operation))
            async with self._concurrency.slot():
                if is_wanted is not None and not await is_wanted():
                    self.not_sent["held_back"] += 1
                    raise WithdrawnError("not sent: it is held back now")
                await self._within_patience(self._pacer.turn())
                # much may have happened since; from here to the send nothing waits
                if not self._is_stopped and self.is_open and self._holds.may_pass(operation):
                    return await self._send(operation, aside=aside)

    async def _wait_passable(self, operation: Mapping[str, Any]) -> None:
        await self.wait_open()
        while wait_s := self._holds.wait_s(operation):
            await self._sleep(wait_s)
            await self.wait_open()

    async def _within_patience(self, waiting: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await waiting
        except TimeoutError:
            self.not_sent[self.state.reason or "turn"] += 1
            why = self.state.reason or "its turn did not come"
            raise NotSentError(f"not sent within {self._patience_s:g} s: {why}") from None

    async def _wait_for_keeper(self) -> None:
        if self._keeper is not None:
            await asyncio.wait({self._keeper})
            if not self._keeper.cancelled():
                self._keeper.result()  # a bug in it must not leave everyone waiting

    async def _send(self, operation: Mapping[str, Any], *, aside: bool) -> Answer:
        self.calls[str(operation.get("operation"))] += 1
        started = self._concurrency.clock()
        refusal: ITopError | None = None
        try:
            answer = await self._client.call(operation)
        except ITopError as error:
            refusal = error if is_held(error) and not aside else None
            self._learn(error, aside=aside)
            raise
        finally:
            # also when cancelled: else its hold would wait for ever for the outcome
            self._settle_hold(operation, refusal)
        self.throttling.end()
        if not aside:
            latency_s = self._concurrency.clock() - started
            self._concurrency.record_latency(latency_s)
            self.slowness.record(latency_s)
        return answer

    def _settle_hold(self, operation: Mapping[str, Any], refusal: ITopError | None) -> None:
        if refusal is None:
            self._holds.release(operation)
        else:
            self._holds.hold(operation, refusal)
        self._tell()

    def _heed(self, error: ITopError) -> None:
        """Slow down if asked to."""
        if isinstance(error, ThrottledError):
            asked_s = _RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
            self._pacer.pause_for(asked_s)
            self.throttling.record(asked_s)
            self._pacer.slow_down()

    def _learn(self, error: ITopError, *, aside: bool) -> None:
        self._heed(error)
        if isinstance(error, UncertainError):
            self._concurrency.record_failure()
        if find_trouble(error) and not _is_doubtful(error, aside=aside):
            self._shut(error)

    async def _examine(self, error: ITopError, *, aside: bool) -> None:
        """Is it iTop that failed, or this call alone? A harmless call tells."""
        if not _is_doubtful(error, aside=aside):
            return
        async with self._examining:
            if self._is_stopped or not self.is_open or self._pacer.pause_s:
                return
            trouble = await self._probe()
            if trouble is not None:
                self._shut(trouble)
                return
        if isinstance(error, CredentialsError):
            raise RefusedError(
                f"refused on the way to iTop, for what it holds: {error}", status=error.status
            ) from error

    async def _probe(self) -> ITopError | None:
        """One harmless call: why iTop cannot be reached; None if it answers."""
        await self._pacer.turn()
        self.calls[str(CHECK["operation"])] += 1
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._client.call(CHECK)
        except TimeoutError:
            return NoReplyError(f"iTop does not answer within {_PROBE_S:g} s")
        except ITopError as error:
            self._heed(error)
            return error if find_trouble(error) else None
        return None

    def _shut(self, trouble: ITopError) -> None:
        if not self.is_open:
            return  # its keeper is at work, and knows better than a call that was under way
        self._record_trouble(trouble)
        self._keeper = asyncio.create_task(self._keep_probing(), name="itop-probe")

    async def _keep_probing(self) -> None:
        """Until iTop is back."""
        while not self._breaker.is_closed:
            decision = self._breaker.decide()
            if decision.verdict is Verdict.WAIT:
                await self._nap(decision.wait_s)
            elif trouble := await self._probe():
                self._record_trouble(trouble)
            else:
                self._breaker.record_success()
        self._tell()

    async def _nap(self, nap_s: float) -> None:
        """Sleep; a reset ends it."""
        waiting = [asyncio.ensure_future(self._sleep(nap_s)), asyncio.ensure_future(self._nudge.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)
        if self._nudge.is_set():
            self._nudge.clear()
            self._breaker.reset()

    def _record_trouble(self, trouble: ITopError) -> None:
        self._trouble = trouble
        if isinstance(trouble, CredentialsError):
            self._breaker.halt("credentials")
        else:
            self._breaker.record_failure()
        self._tell()

    def _tell(self) -> None:
        error = self._holds.error if self.is_open else self._trouble
        reason, detail, known = _reason(error), str(error or ""), self.state
        if (self.is_open, reason) != (known.reachable, known.reason):
            self._change(State(self.is_open, self._clock(), reason, detail))
        elif detail != known.detail:
            self._change(State(self.is_open, known.since, reason, detail))

    def _change(self, state: State) -> None:
        self.state = state
        if self.on_change is not None:
            self.on_change(state)


def _nothing() -> None:
    """Nobody wants to know."""


def find_trouble(error: ITopError) -> str | None:
    """Why iTop as a whole cannot be reached; None if the error is an answer of iTop's, or of its front's."""
    if isinstance(error, CredentialsError):
        return "credentials"
    if isinstance(error, MaintenanceError):
        return "maintenance"
    if isinstance(error, NotSentError):
        return "not_sent"
    if isinstance(error, NoReplyError | ServerError):
        return "no_answer"
    return None


def _is_doubtful(error: ITopError, *, aside: bool) -> bool:
    """True if it may be the call's own failure: no good answer, or a 403 (a firewall that dislikes an alert's text)."""
    is_own = error.status == 403 or (aside and isinstance(error, CredentialsError))
    return isinstance(error, NoReplyError | ServerError) or is_own


def _reason(error: ITopError | None) -> str | None:
    if error is None:
        return None
    return find_trouble(error) or ("not_allowed" if isinstance(error, NotAllowedError) else "database")
