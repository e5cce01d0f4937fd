"""The time of day, without its jumps."""

import time
from collections.abc import Callable

SLEW = 0.1
"""By so much of the time that passes, at most, the clock goes faster or slower: an hour is made up in ten."""


class SteadyClock:
    """Seconds since the epoch, when called. Where the machine's clock is set, it follows slowly.

    So what the journal keeps a time for (a token to look for once iTop must have given up, a case to take up again) is
    neither due early nor an hour late.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._now = wall()
        self._read_at = monotonic()

    def __call__(self) -> float:
        """The time now; never less than the time before."""
        read_at = self._monotonic()
        passed = read_at - self._read_at
        steady = self._now + passed
        most = passed * SLEW
        self._now = steady + min(max(self._wall() - steady, -most), most)
        self._read_at = read_at
        return self._now
