"""Whether a case flaps: its alerts fire and resolve again and again. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from itop_bridge.settings.policy import Flapping
from itop_bridge.settings.unit import format_duration


@dataclass(frozen=True, slots=True)
class Flap:
    """A case that flaps."""

    until: float
    """When it has been quiet for long enough, unless it changes again; seconds since the epoch."""
    told: bool
    """Whether its incident says so."""


def decide_flapping(changes: Iterable[float], rule: Flapping, told_until: float, now: float) -> Flap | None:
    """Whether a case flaps now, by the times at which it changed between firing and resolved, in order.

    `told_until` is `until` as it was last, if its incident was told, else 0: one that was told goes on flapping,
    whatever the number of changes, until none came for `within`.
    """
    recent: deque[float] = deque()
    until, told = min(told_until, now + rule.within), told_until > 0  # the clock may have been set back
    for at in changes:
        if at >= until:  # it was quiet meanwhile
            until, told = 0.0, False
        recent.append(at)
        while recent[0] <= at - rule.within:
            recent.popleft()
        if until or len(recent) > rule.changes:
            until = max(until, at + rule.within)
    return Flap(until, told) if until > now else None


def describe_flapping(rule: Flapping) -> str:
    """What an incident is told when its case begins to flap."""
    within = format_duration(rule.within)
    return (
        f"This case flaps: its alerts changed between firing and resolved more than {rule.changes} times within"
        f" {within}. A resolve waits until nothing has changed for {within}."
    )
