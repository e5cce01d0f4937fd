"""What triage has mapped, summed up for the log: a quick SIEM would fill it with lines that tell of one alert each."""

from collections import Counter
from collections.abc import Callable

import structlog

from itop_bridge.journal.landing import Tally

log = structlog.get_logger(__name__)

EVERY_S = 10.0


class Sums:
    """The first batch is told at once, and then what came since, at most every EVERY_S. Nothing is told twice."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._counts: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()

    def add(self, tally: Tally) -> None:
        """A batch was mapped."""
        self._counts.update(accepted=tally.accepted, dropped=tally.dropped, rejected=tally.rejected)
        self._drops.update(tally.drops)
        self.tell()

    def tell(self) -> None:
        """A line, if it is time for one and anything came."""
        if self._clock() >= self._next:
            self.flush()

    def flush(self) -> None:
        """A line now, if anything came."""
        if not self._counts.total():
            return
        self._next = self._clock() + EVERY_S
        told = {"reasons": dict(self._drops)} if self._drops else {}
        counts = {name: self._counts[name] for name in ("accepted", "dropped", "rejected")}
        self._counts.clear()
        self._drops.clear()
        log.info("alerts.mapped", **counts, **told)
