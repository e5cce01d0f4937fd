"""How fast and how many at once: iTop is never asked for more than it was set to, and for less when it slows."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

_SHARE = 0.975
"""Of the rate: so that no second holds more than `rate` starts, whatever the clock's grain."""
_CATCH_UP_S = 0.01
"""By so much a turn that woke late does not delay the next. With the share above, 25 ms are the most that keep every
second at the rate; the rest is for the way to iTop."""
_LEAST_FACTOR = 1 / 16
_RECOVERY_S = 600.0
"""From nothing back to the full rate."""


class Pacer:
    """Evenly spaced turns, first come first served, no bursts: no second holds more than `rate_per_s` of them."""

    def __init__(
        self,
        rate_per_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if rate_per_s <= 0.0:
            raise ValueError("the rate must be more than 0 a second")
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()  # fair, and left in order by whoever is cancelled
        self._last = float("-inf")
        self._paused_until = float("-inf")
        self._factor = 1.0
        self._factor_at = 0.0
        self.on_turn: Callable[[float], None] | None = None
        """Takes the seconds that a turn was waited for."""
        self.on_pause: Callable[[float], None] | None = None
        """Takes the seconds from now in which there will be no turn."""

    @property
    def rate_per_s(self) -> float:
        """The present rate: lower after `slow_down`, and back to the full one within ten minutes."""
        recovered = max(self._clock() - self._factor_at, 0.0) / _RECOVERY_S
        return self._rate_per_s * min(1.0, self._factor + recovered)

    @property
    def pause_s(self) -> float:
        """What is left of the pause."""
        return max(self._paused_until - self._clock(), 0.0)

    async def turn(self) -> None:
        """Wait for the next turn. One that is cancelled while it waits uses none."""
        came = self._clock()
        async with self._lock:
            while (wait_s := self._due - self._clock()) > 0.0:
                await self._sleep(wait_s)
            self._last = max(self._due, self._clock() - _CATCH_UP_S)
        if self.on_turn is not None:
            self.on_turn(self._clock() - came)

    def pause_until(self, moment: float) -> None:
        """No turn before `moment` (monotonic seconds); a longer pause stands."""
        self._paused_until = max(self._paused_until, moment)
        if self.on_pause is not None:
            self.on_pause(self.pause_s)

    def pause_for(self, pause_s: float) -> None:
        """No turn for so many seconds from now."""
        self.pause_until(self._clock() + pause_s)

    def slow_down(self) -> None:
        """Halve the rate, down to a sixteenth; from the end of the pause on it recovers by itself."""
        present = self.rate_per_s / self._rate_per_s
        self._factor = max(present / 2, _LEAST_FACTOR)
        self._factor_at = max(self._clock(), self._paused_until)

    @property
    def _due(self) -> float:
        return max(self._last + 1.0 / (_SHARE * self.rate_per_s), self._paused_until)


class Concurrency:
    """How many calls are under way at once: at most `limit`, half of it when iTop slows or fails, slowly up again.

    Slow is three times iTop's best: the median of the last calls is held against the least median so far.
    """

    SAMPLES = 8
    SLOW = 3.0
    LEAST_SLOW_S = 0.2
    """What is faster than this is never called slow."""
    DRIFT = 1.002
    """The best is forgotten by so much a call: an iTop that stays slow is normal after some 500."""
    CALLS_PER_STEP = 20
    """Good calls until one more may run."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        if limit < 1:
            raise ValueError("at least one call must be allowed")
        self.clock = clock
        """For the latencies."""
        self._most = limit
        self._limit = limit
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._latencies: deque[float] = deque(maxlen=self.SAMPLES)
        self._best: float | None = None
        self._good = 0

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return self._limit

    @property
    def running(self) -> int:
        """How many are under way."""
        return self._running

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free slot, first come first served, and hold it."""
        await self._acquire()
        try:
            yield
        finally:
            self._running -= 1
            self._hand_out()

    def record_latency(self, latency_s: float) -> None:
        """A call was answered."""
        self._latencies.append(latency_s)
        if len(self._latencies) < self.SAMPLES:
            self._count_good()
            return
        typical = median(self._latencies)
        self._best = typical if self._best is None else min(typical, self._best * self.DRIFT)
        if typical > max(self._best * self.SLOW, self.LEAST_SLOW_S):
            self._fall()
        else:
            self._count_good()

    def record_failure(self) -> None:
        """A call was not answered, or iTop was in trouble."""
        self._fall()

    def _count_good(self) -> None:
        self._good += 1
        if self._good >= self.CALLS_PER_STEP and self._limit < self._most:
            self._good = 0
            self._limit += 1
            self._hand_out()

    def _fall(self) -> None:
        self._limit = max(self._limit // 2, 1)
        self._good = 0
        self._latencies.clear()  # judged anew at the new limit

    async def _acquire(self) -> None:
        if self._running < self._limit and not self._waiting:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():  # the slot was handed out at the same moment
                self._running -= 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._waiting and self._running < self._limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._running += 1
                turn.set_result(None)
