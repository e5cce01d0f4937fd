"""Operations that iTop refuses for now: each is tried again after a growing wait, while others go on."""

from collections.abc import Callable, Mapping
from typing import Any

from itop_bridge.itop.breaker import Breaker, Verdict
from itop_bridge.itop.error import DatabaseError, ITopError, NotAllowedError


class Holds:
    """A breaker per operation and class, for as long as iTop refuses it.

    Read-only mode and a missing right give the same answer (transcripts 066, 424): so the next call tells, not a probe,
    which could only read.
    """

    def __init__(self, new_breaker: Callable[[], Breaker]) -> None:
        self._new_breaker = new_breaker
        self._held: dict[tuple[str, str], tuple[Breaker, ITopError]] = {}

    @property
    def error(self) -> ITopError | None:
        """Why something is held; None if nothing is."""
        return next((error for _, error in self._held.values()), None)

    def wait_s(self, operation: Mapping[str, Any]) -> float:
        """How long until the operation may be tried."""
        held = self._held.get(_key(operation))
        return held[0].wait_s if held else 0.0

    def may_pass(self, operation: Mapping[str, Any]) -> bool:
        """True if the operation may be sent now. `release` or `hold` must follow."""
        held = self._held.get(_key(operation))
        return held is None or held[0].decide().verdict is not Verdict.WAIT

    def hold(self, operation: Mapping[str, Any], error: ITopError) -> None:
        """iTop refused it."""
        held = self._held.get(_key(operation))
        breaker = held[0] if held else self._new_breaker()
        breaker.record_failure()
        self._held[_key(operation)] = (breaker, error)

    def release(self, operation: Mapping[str, Any]) -> None:
        """iTop did not refuse it, or it came to no answer."""
        self._held.pop(_key(operation), None)

    def clear(self) -> None:
        """A person changed something: try everything."""
        self._held.clear()


def is_held(error: ITopError) -> bool:
    """True for what holds its operation: no right to it, or a database in trouble."""
    return isinstance(error, NotAllowedError) or (isinstance(error, DatabaseError) and error.is_outage)


def _key(operation: Mapping[str, Any]) -> tuple[str, str]:
    return str(operation.get("operation")), str(operation.get("class"))
