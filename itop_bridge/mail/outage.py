"""Which alarms last long enough to be told, and which that were told are over. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from itop_bridge.log import Alarm


@dataclass(frozen=True, slots=True)
class Turn:
    """An outage that is to be told: that it lasts, or that it is over. `since` is seconds since the epoch."""

    name: str
    since: float
    over: bool
    detail: str = ""


def find_turns(
    active: Mapping[str, Alarm], told: Mapping[str, float], names: Collection[str], before: float, *, settled: bool
) -> Iterator[Turn]:
    """What changed since it was told. Outages are the alarms of these names that began before a time; `told` are those
    of which people know, with their beginning.

    `settled`: the bridge runs long enough for an alarm of before its start to have been raised again.
    """
    for name, alarm in active.items():
        if name in names and name not in told and alarm.since <= before:
            yield Turn(name, alarm.since, over=False, detail=alarm.detail)
    for name, since in told.items():
        if settled and name not in active:
            yield Turn(name, since, over=True)
