"""How many mails may go in an hour. What may not go waits in the journal, and is summed up in the next one."""

from collections import deque
from collections.abc import Callable

_HOUR_S = 3600.0


class Quota:
    """The mails of the last hour. A quarter of what is allowed is kept for what is urgent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: deque[float] = deque()

    def allows(self, most: int, *, urgent: bool) -> bool:
        """Whether one more may go."""
        now = self._clock()
        while self._sent and self._sent[0] <= now - _HOUR_S:
            self._sent.popleft()
        return len(self._sent) < (most if urgent else most - most // 4)

    def count(self) -> None:
        """One went."""
        self._sent.append(self._clock())
