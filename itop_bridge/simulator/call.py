"""The record of one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One call, for those who look at the simulator."""

    operation: str
    iclass: str
    at: float
    """Seconds since the epoch, of the simulator's clock."""
    code: int | None = None
    """The `code` of the answer that left; None if none did, or one without."""
    wrote: bool = False
    """Whether it changed something, answered or not."""
    request: Mapping[str, Any] = field(default_factory=dict, repr=False)
