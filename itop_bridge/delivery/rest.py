"""Cases that were read, and must wait: they are not read again before, whatever lands in them."""

from collections.abc import Callable

_MOST = 10_000


class Rests:
    """Until when, by case. Times are the monotonic clock's."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.until: dict[int, float] = {}

    def note(self, case_id: int, rest_s: float) -> None:
        """A case rests so long from now."""
        now = self._monotonic()
        if len(self.until) >= _MOST:
            self.until = {each: until for each, until in self.until.items() if until > now}
        self.until[case_id] = now + rest_s

    def left_s(self, case_id: int) -> float:
        """How long it rests yet; 0 or less if it does not."""
        return self.until.get(case_id, 0.0) - self._monotonic()
