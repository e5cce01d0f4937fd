"""Signs that iTop is strained while it answers: it is slow, or its front asks to be left alone. Pure."""

import time
from collections import deque
from collections.abc import Callable
from statistics import median


class Slowness:
    """Slow is iTop when half of its last answers took more than SLOW_S for FOR_S; until they take less than QUICK_S."""

    SAMPLES = 8
    SLOW_S = 2.0
    QUICK_S = 1.0
    FOR_S = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latencies: deque[float] = deque(maxlen=self.SAMPLES)
        self._since: float | None = None
        self.is_slow = False

    @property
    def typical_s(self) -> float:
        """What half of the last calls took at most; 0 before the first."""
        return median(self._latencies) if self._latencies else 0.0

    def record(self, latency_s: float) -> None:
        """A call was answered."""
        self._latencies.append(latency_s)
        typical_s = self.typical_s
        if len(self._latencies) < self.SAMPLES or typical_s <= self.SLOW_S:
            self._since = None
            self.is_slow = self.is_slow and typical_s >= self.QUICK_S
            return
        now = self._clock()
        self._since = now if self._since is None else self._since
        self.is_slow = self.is_slow or now - self._since >= self.FOR_S


class Throttling:
    """Since when iTop's front asks to be left alone, pause after pause, and lets nothing through."""

    GAP_S = 30.0
    """From the end of a pause the next call has so long to be asked for another one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = 0.0
        self._until = float("-inf")

    def record(self, pause_s: float) -> None:
        """It asked for a pause."""
        now = self._clock()
        if not self.lasts_s:
            self._since = now
        self._until = max(self._until, now + pause_s)

    def end(self) -> None:
        """A call got through."""
        self._until = float("-inf")

    @property
    def lasts_s(self) -> float:
        """How long it has gone on; 0 if it does not."""
        now = self._clock()
        return max(now - self._since, 1e-9) if now <= self._until + self.GAP_S else 0.0

    @property
    def left_s(self) -> float:
        """What is left of the pause; 0 if none is on."""
        return max(self._until - self._clock(), 0.0)
