"""How long to leave a mail server, or a circle of recipients, alone after a failure."""

from collections.abc import Callable

from itop_bridge.itop.breaker import backoff_s
from itop_bridge.mail.server import Reason

FIRST_S = 15.0
MOST_S = 900.0
"""Between two tries of what may work by itself soon."""
REFUSED_S = 1_800.0
"""Between two tries of what takes a person: a login, or recipients, that are refused."""


class Patience:
    """After failures: not before `until`."""

    def __init__(self) -> None:
        self.until = float("-inf")
        self._failures = 0

    def note(self, reason: Reason, now: float, random: Callable[[], float]) -> None:
        """One more failure. Half of the wait is certain, so that nothing is tried again at once."""
        self._failures += 1
        if reason in ("unreachable", "deferred"):
            half_s = min(MOST_S, FIRST_S * 2.0 ** min(self._failures - 1, 10)) / 2
            self.until = now + half_s + backoff_s(1, random, first_s=half_s, most_s=MOST_S)
        else:
            self.until = now + REFUSED_S
