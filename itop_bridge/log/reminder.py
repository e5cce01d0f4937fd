"""When to tell again of what goes on: after a minute, then twice as long each time, in the end every hour."""

FIRST_S = 60.0
"""From the first line to the second; then twice as long each time."""
MOST_S = 3600.0


class Reminder:
    """For one thing that goes on, told of at `now`. Times are those of the caller's clock."""

    def __init__(self, now: float) -> None:
        self._interval_s = FIRST_S
        self._next = now + FIRST_S

    def take(self, now: float) -> bool:
        """True if it is time to tell of it again; the next time is later then."""
        if now < self._next:
            return False
        self._interval_s = min(self._interval_s * 2, MOST_S)
        self._next = now + self._interval_s
        return True
