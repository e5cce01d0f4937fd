"""Named points where a test makes the process end as by SIGKILL: what was promised must hold at each.

`ITOP_BRIDGE_CRASH_AT=intake.committed` ends it at the first pass, `intake.committed:3` at the third. Unset, a point
costs one comparison.
"""

import os
import signal
from collections.abc import Callable
from typing import NoReturn

CRASH_POINTS = (
    "intake.read",  # a batch is read, not committed
    "intake.inserted",  # inside the transaction
    "intake.committed",  # committed, not acknowledged
    "intake.acknowledging",  # the first acknowledgement of a batch is sent, the others are not
    "triage.mapped",  # mapped, not committed
    "triage.landed",  # inside the transaction
    "triage.committed",
    "delivery.marked",  # the attempt is in flight, nothing is sent
    "delivery.sent",  # iTop has answered a write, the answer is not read
    "delivery.answered",  # the answer is read, not stored
    "delivery.settled",  # inside the transaction
    "delivery.looked",  # a token was looked for, what was found is not stored
    "attachment.marked",  # an alert may be attached from here on, nothing is sent
    "attachment.answered",  # the answer is read, not stored
    "results.published",  # the broker has results, their rows are not removed
    "results.settled",  # inside the transaction that removes them
    "journal.checkpointing",  # while pages are moved into the file
    "journal.pruning",  # inside the transaction
    "journal.vacuumed",  # free pages were given back, not committed
    "journal.migrated",  # inside the transaction
    "daemon.stopping",  # intake has stopped, delivery has not
)

VARIABLE = "ITOP_BRIDGE_CRASH_AT"


def _read(text: str) -> tuple[str, int]:
    name, _, count = text.partition(":")
    if name and name not in CRASH_POINTS:
        raise ValueError(f"{VARIABLE}: there is no crash point {name!r}; there are {', '.join(CRASH_POINTS)}")
    return name, int(count or 1)


_name, _left = _read(os.environ.get(VARIABLE, ""))


def is_armed(name: str) -> bool:
    """True if the process is to end at this point, now or at a later pass."""
    return name == _name


def pass_point(name: str, before: Callable[[], object] | None = None) -> None:
    """End the process here, if that was asked for; `before` does what else happens only after this point."""
    if name == _name:
        _count_down(before)


def _count_down(before: Callable[[], object] | None) -> None:
    global _left  # noqa: PLW0603 - of the process, as the variable is
    _left -= 1
    if _left <= 0:
        if before:
            before()
        crash()


def crash() -> NoReturn:
    """End the process with SIGKILL: nothing is flushed, closed or told."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlives its SIGKILL")
