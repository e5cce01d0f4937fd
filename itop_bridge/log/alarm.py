"""Alarms: conditions that need attention, and that begin and end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from itop_bridge.log.chain import get_logger
from itop_bridge.log.reminder import Reminder

CHANGED_EVERY_S = 10.0
"""A reason that goes to and fro makes no more than a line in so long."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that needs attention."""

    name: str
    since: float
    """Seconds since the epoch."""
    detail: str
    facts: Mapping[str, Any]


@dataclass(slots=True)
class _Told:
    """What the log knows of an alarm that holds."""

    reason: str | None
    changed_at: float
    reminder: Reminder


class Alarms:
    """The conditions that hold now. Each is logged when it begins, when its `reason` changes, and when it ends; in
    between at growing intervals, for which `remind` is called every few seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._active: dict[str, Alarm] = {}
        self._told: dict[str, _Told] = {}
        self._log = get_logger()

    @property
    def active(self) -> Mapping[str, Alarm]:
        """What holds now, by name, in the order in which it began."""
        return MappingProxyType(self._active)

    def raise_(self, name: str, detail: str = "", *, since: float | None = None, **facts: Any) -> bool:
        """The condition holds. True if it has just begun; else its detail and facts are brought up to date.

        `since` is for one that outlasts the daemon: when it began, in seconds since the epoch.
        """
        known = self._active.get(name)
        now = self._clock()
        began = known.since if known else now if since is None else since
        self._active[name] = Alarm(name, began, detail, MappingProxyType(facts))
        if known is None:
            self._told[name] = _Told(facts.get("reason"), now, Reminder(now))
            self._log.warning("alarm.raised", alarm=name, **_told(detail, facts))
        else:
            self._tell_change(self._active[name], now)
        return known is None

    def remind(self) -> None:
        """Log what still holds and was not told of for long, and a reason that changed too soon after the last."""
        now = self._clock()
        for alarm in self._active.values():
            self._tell_change(alarm, now)
            self._tell_held(alarm, now)

    def clear(self, name: str, **facts: Any) -> bool:
        """The condition does not hold. True if it has just ended."""
        ended = self._active.pop(name, None)
        self._told.pop(name, None)
        if ended is not None:
            lasted_s = round(max(0.0, self._clock() - ended.since), 3)
            self._log.info("alarm.cleared", alarm=name, lasted_s=lasted_s, **facts)
        return ended is not None

    def _tell_change(self, alarm: Alarm, now: float) -> None:
        told, reason = self._told[alarm.name], alarm.facts.get("reason")
        if reason is None or reason == told.reason or now < told.changed_at + CHANGED_EVERY_S:
            return
        facts = {"reason": reason, "previous": told.reason}
        told.reason, told.changed_at = reason, now
        self._log.warning("alarm.changed", alarm=alarm.name, **_told(alarm.detail, facts))

    def _tell_held(self, alarm: Alarm, now: float) -> None:
        if not self._told[alarm.name].reminder.take(now):
            return
        facts = {"lasted_s": round(max(0.0, now - alarm.since), 3)}
        self._log.warning("alarm.held", alarm=alarm.name, **_told(alarm.detail, facts))


def _told(detail: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"detail": detail} if detail else {}), **facts}
