"""When to call iTop while it fails. Pure decisions: nothing here waits or sends."""

import random as _random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

_SLOW_PROBE_S = 300.0


class Verdict(Enum):
    """What a caller may do."""

    PROCEED = auto()
    WAIT = auto()
    PROBE = auto()
    """Make the one call that tells whether iTop is back, and record how it went."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict; `wait_s` is how long to wait before asking again."""

    verdict: Verdict
    wait_s: float = 0.0


def backoff_s(
    attempt: int, random: Callable[[], float] = _random.random, *, first_s: float = 1.0, most_s: float = 300.0
) -> float:
    """Full jitter: anything from 0 to `first_s` for attempt 1, doubling up to `most_s`."""
    return random() * min(most_s, first_s * 2.0 ** min(max(attempt - 1, 0), 32))


def probe_after_s(
    failures: int, random: Callable[[], float] = _random.random, *, first_s: float = 1.0, most_s: float = 60.0
) -> float:
    """Half jitter, since one bridge alone probes: from half of `first_s` to all of it, doubling up to `most_s`."""
    return (0.5 + random() / 2) * min(most_s, first_s * 2.0 ** min(max(failures - 1, 0), 32))


class Breaker:
    """A circuit breaker: closed; open until a time; half-open while its single probe is under way.

    It opens at the first failure. Failures of calls that were already under way when it opened do not lengthen the
    wait; only the probe's does.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
        *,
        first_s: float = 1.0,
        most_s: float = 60.0,
    ) -> None:
        self._clock = clock
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0
        self._until = 0.0
        self._is_probing = False
        self.halted: str | None = None
        """Why it was halted; None if it was not."""

    @property
    def is_closed(self) -> bool:
        return not self._failures and self.halted is None

    @property
    def wait_s(self) -> float:
        """How long until a call may be made: 0 if closed, or if a probe is due."""
        if self.is_closed:
            return 0.0
        return self._first_s if self._is_probing else max(self._until - self._clock(), 0.0)

    def decide(self) -> Decision:
        """What the caller may do now. After PROBE, `record_success`, `record_failure` or `halt` must follow."""
        if self.is_closed:
            return Decision(Verdict.PROCEED)
        if wait_s := self.wait_s:
            return Decision(Verdict.WAIT, wait_s)
        self._is_probing = True
        return Decision(Verdict.PROBE)

    def record_success(self) -> None:
        """iTop answered: close."""
        self._failures = 0
        self._is_probing = False
        self.halted = None

    def record_failure(self) -> None:
        """iTop failed: open, and after a failed probe for longer."""
        if self._failures and not self._is_probing:
            return
        self._is_probing = False
        self._failures += 1
        wait_s = probe_after_s(self._failures, self._random, first_s=self._first_s, most_s=self._most_s)
        self._until = self._clock() + (_SLOW_PROBE_S if self.halted else wait_s)

    def halt(self, reason: str) -> None:
        """Stop, and probe every five minutes: what is wrong needs a person, and trying again may lock the user out."""
        self.halted = reason
        self._is_probing = False
        self._until = self._clock() + _SLOW_PROBE_S

    def reset(self) -> None:
        """A person changed something: if not closed, probe now."""
        if self.is_closed:
            return
        self.halted = None
        self._failures = max(self._failures, 1)
        self._until = self._clock()

    def spawn(self) -> "Breaker":
        """Another breaker of the same kind, closed."""
        return Breaker(self._clock, self._random, first_s=self._first_s, most_s=self._most_s)
