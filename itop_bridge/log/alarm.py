"""Alarms: conditions that need attention, and that begin and end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from itop_bridge.log.chain import get_logger


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that needs attention."""

    name: str
    since: float
    """Seconds since the epoch."""
    detail: str
    facts: Mapping[str, Any]


class Alarms:
    """The conditions that hold now. Each is logged once when it begins and once when it ends."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._active: dict[str, Alarm] = {}
        self._log = get_logger()

    @property
    def active(self) -> Mapping[str, Alarm]:
        """What holds now, by name, in the order in which it began."""
        return MappingProxyType(self._active)

    def raise_(self, name: str, detail: str = "", **facts: Any) -> bool:
        """The condition holds. True if it has just begun; else only its detail is brought up to date."""
        known = self._active.get(name)
        self._active[name] = Alarm(name, known.since if known else self._clock(), detail, MappingProxyType(facts))
        if known is None:
            self._log.warning("alarm.raised", alarm=name, **_told(detail, facts))
        return known is None

    def clear(self, name: str, **facts: Any) -> bool:
        """The condition does not hold. True if it has just ended."""
        ended = self._active.pop(name, None)
        if ended is not None:
            lasted_s = round(max(0.0, self._clock() - ended.since), 3)
            self._log.info("alarm.cleared", alarm=name, lasted_s=lasted_s, **facts)
        return ended is not None


def _told(detail: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"detail": detail} if detail else {}), **facts}
