"""What became of an element or an intent. Frozen values, no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dropped:
    """A deliberate drop, with a reason of the contract (`filtered`, `repeat`, `handled_by_person`, …)."""

    reason: str
    route: str | None = None
    """The route that took it; None where none did."""
    detail: str = ""
    """What it was dropped by, such as a silence's name: told, and not kept."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It cannot be done: a dead letter that a person can inspect, replay or drop."""

    reason: str
    detail: str = ""
    field: str | None = None
    route: str | None = None
    """The route that it went to; of what could not be read, the first of its topic. None where no route has it."""
