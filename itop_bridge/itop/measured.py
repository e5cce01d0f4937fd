"""A way to iTop whose calls are timed, and told by what came back."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import ITopError
from itop_bridge.itop.operation import Operations

OnCall = Callable[[str, str, float], None]
"""Takes an operation (`core/get`), what came of it, and the seconds that it took."""


class Measured(Operations):
    """Passes calls on."""

    def __init__(self, way: Operations, on_call: OnCall, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._way = way
        self._on_call = on_call
        self._clock = clock

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """Send one operation. Raises what the way raises."""
        started = self._clock()
        outcome = "no_reply"  # of one that is broken off too: a probe whose time is up
        try:
            answer = await self._way.call(operation)
            outcome = "ok"
        except ITopError as error:
            outcome = name_outcome(type(error))
            raise
        finally:
            self._on_call(str(operation.get("operation")), outcome, self._clock() - started)
        return answer


def name_outcome(kind: type[ITopError]) -> str:
    """A word for a kind of error: of NotSentError, `not_sent`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__.removesuffix("Error")).lower()
