"""Who must move, and who did not: what hangs is told from what waits."""

import time
from collections.abc import Callable


class Beat:
    """Of one part of the daemon, which calls `move` on its way. Who waits moves too: no wait is without a bound."""

    def __init__(self, name: str, within_s: float, monotonic: Callable[[], float]) -> None:
        self.name = name
        self.within_s = within_s
        """A part that does not move for longer hangs."""
        self._monotonic = monotonic
        self._moved_at = monotonic()
        self._waits_until = self._moved_at

    def move(self) -> None:
        """It has come a step further, or has waited as it should."""
        self._moved_at = self._monotonic()

    def wait_for(self, wait_s: float) -> None:
        """It may have to wait so long, which is known beforehand: its time begins after that."""
        self._waits_until = max(self._waits_until, self._monotonic() + wait_s)

    @property
    def still_s(self) -> float:
        """How long it has not moved."""
        return self._monotonic() - self._moved_at

    @property
    def is_late(self) -> bool:
        """True if it hangs."""
        return self._monotonic() - max(self._moved_at, self._waits_until) > self.within_s


class Beats:
    """All that must move."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beats: set[Beat] = set()

    def begin(self, name: str, within_s: float) -> Beat:
        """From now on this part must move, and does so at least once in so many seconds."""
        beat = Beat(name, within_s, self._monotonic)
        self._beats.add(beat)
        return beat

    def end(self, beat: Beat) -> None:
        """It has ended, or need not move any more."""
        self._beats.discard(beat)

    def forgive(self) -> None:
        """The process as a whole stood still: nobody could move, and everyone's time begins anew."""
        for beat in self._beats:
            beat.move()

    def find_stalled(self) -> dict[str, float]:
        """Who hangs, and for how many seconds it has not moved; the longest first."""
        late = sorted((beat for beat in self._beats if beat.is_late), key=lambda beat: -beat.still_s)
        stalled: dict[str, float] = {}
        for beat in late:
            stalled.setdefault(beat.name, round(beat.still_s, 1))
        return stalled
