"""When delivery moved: its loop, and each of its tasks by itself, so that none that hangs stays unnoticed."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

from itop_bridge.beat import Beat, Beats

_CALL_S = 90.0
"""What a call may take beside its time-out: the gate's patience, twice, and a probe."""
_MOST_PAUSE_S = 3600.0
"""So long iTop's front may ask to be left alone (Retry-After), and a call that failed just then waits for its probe."""
_SLOWEST = 16.0
"""A rate that was lowered is at least a sixteenth of what is set."""

_OWN: contextvars.ContextVar[Beat] = contextvars.ContextVar("own-beat")
"""Of the loop or the task that runs, and of what it starts."""


class Movement:
    """The loop and its tasks move when they turn, and with every call to iTop that begins or ends.

    A call waits for its turn behind others, which may take many minutes where iTop is slow; but while any of them ends
    the loop that waits for its own is not stuck. A loop that hangs starts no more tasks, so the last call of those that
    it has started is the last move. A task is held to its own calls, and is given much longer.
    """

    def __init__(self, beats: Beats, *, timeout_s: float, rate_per_s: float) -> None:
        self._beats = beats
        self._rate_per_s = rate_per_s
        self._call_s = 0.0
        self.stage = beats.begin("delivery", 0.0)
        self.allow(timeout_s)

    def allow(self, timeout_s: float) -> None:
        """A call may take so long; what began under a longer time-out is not cut short."""
        self._call_s = max(self._call_s, _CALL_S + timeout_s + _SLOWEST / self._rate_per_s)
        self.stage.within_s = 2 * self._call_s  # before the loop's own call there may be one that is not delivery's

    def begin(self) -> None:
        """What runs is delivery's loop."""
        _OWN.set(self.stage)
        self.stage.move()

    def end(self) -> None:
        """The loop is over: it need not move any more."""
        self._beats.end(self.stage)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task of the loop's; it must move too, until it ends."""
        within_s = _MOST_PAUSE_S + count_most(self._rate_per_s) * self._call_s
        beat = self._beats.begin(f"delivery: {name}", within_s)
        context = contextvars.copy_context()
        context.run(_OWN.set, beat)
        task = asyncio.create_task(work, name=name, context=context)
        task.add_done_callback(lambda _: self._beats.end(beat))
        return task

    def note(self) -> None:
        """What runs has moved; nothing, if it is none of delivery's."""
        own = _OWN.get(None)
        if own is not None:
            own.move()
            self.stage.move()


def count_most(rate_per_s: float) -> int:
    """How many cases are in work at once: what one read serves before it is two seconds old."""
    return max(4, int(rate_per_s * 2))
