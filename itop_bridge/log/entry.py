"""What the catalogue holds: events and alarms, each with what it tells and what an operator does about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["debug", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log; its name is its key in EVENTS. It always has the same level."""

    level: Level
    meaning: str
    remedy: str = ""
    """What an operator does about it at 3 a.m.; empty where there is nothing to do."""
    always: tuple[str, ...] = ()
    """The fields that it always has, beside timestamp, level and event."""
    sometimes: tuple[str, ...] = ()
    """Those that it may have."""

    @property
    def fields(self) -> tuple[str, ...]:
        """All the names that may stand in it."""
        return self.always + self.sometimes


@dataclass(frozen=True, slots=True)
class Condition:
    """One alarm: what stands in `alarm.raised`; its name is its key in ALARMS."""

    meaning: str
    ending: str
    """What ends it."""
    remedy: str
    """What an operator does about it."""
    always: tuple[str, ...] = ()
    """The fields of its `alarm.raised`, beside alarm and detail."""
