"""Topics that the broker refuses: not tried again at once, since some brokers hang up on who does."""

import time
from collections.abc import Callable
from typing import Any

from itop_bridge.log import Faults

QUIET_S = 3600.0
"""How long a refused kind of topic is not tried again. mosquitto 2.0.11 answers "not authorized" and hangs up, and
alerts come by the same connection."""


class Refusals:
    """The kinds of topics that were refused: words of the configuration, so that there are few. Logged as faults."""

    def __init__(self, event: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._monotonic = monotonic
        self._until: dict[str, float] = {}
        self._faults = Faults(clock=monotonic)

    def holds(self, kind: str) -> bool:
        """Whether nothing of this kind is to be published now."""
        return self._monotonic() < self._until.get(kind, 0.0)

    def note_refused(self, kind: str, **facts: Any) -> None:
        """The broker refused one, or one was given up since it had."""
        if not self.holds(kind):
            self._until[kind] = self._monotonic() + QUIET_S
        self._faults.tell(self._event, kind, **facts)

    def note_one(self, kind: str, **facts: Any) -> None:
        """One was refused for what it is: the next of its kind is tried."""
        self._faults.tell(self._event, kind, **facts)

    def note_taken(self, kind: str) -> None:
        """The broker took one."""
        if self._until.pop(kind, None) is not None and not self._until:
            self._faults.end(self._event)

    def forgive(self) -> None:
        """A person may have changed the rights: all are tried again."""
        self._until.clear()
        self._faults.end(self._event)
