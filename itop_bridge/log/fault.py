"""Faults that may go on without an end: logged when they begin, at growing intervals, and when they end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itop_bridge.log.chain import get_logger
from itop_bridge.log.reminder import Reminder


@dataclass(slots=True)
class _Fault:
    began: float
    reminder: Reminder
    count: int = 1


class Faults:
    """The faults of one place in the code. Two are the same if their event and their kind are: a kind is a word of
    the code, such as the class of an error, so that there are few of them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[tuple[str, str], _Fault] = {}
        self._log = get_logger()

    def tell(self, event: str, kind: str, **facts: Any) -> bool:
        """It happened, or happened again. True if it was logged: with `count`, how often so far, unless it is new."""
        now = self._clock()
        fault = self._open.get((event, kind))
        if fault is None:
            self._open[event, kind] = _Fault(now, Reminder(now))
            self._log.warning(event, **facts)
            return True
        fault.count += 1
        if not fault.reminder.take(now):
            return False
        self._log.warning(event, **facts, count=fault.count)
        return True

    def end(self, event: str) -> None:
        """What it stands for works again; logged if it had happened more than once."""
        for key in [key for key in self._open if key[0] == event]:
            fault = self._open.pop(key)
            if fault.count > 1:
                lasted_s = round(max(0.0, self._clock() - fault.began), 3)
                self._log.info("fault.ended", fault=event, kind=key[1], count=fault.count, lasted_s=lasted_s)
