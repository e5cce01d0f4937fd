"""Whether an event is as the catalogue says. Tests hold every line to it; the running program never fails for it."""

from collections.abc import Mapping
from typing import Any

from itop_bridge.log.catalogue import ALARMS, EVENTS


class ContractError(AssertionError):
    """An event is not as the catalogue says: a mistake in the code, and no error to be handled."""


def find_breach(name: str, level: str, facts: Mapping[str, Any]) -> str | None:
    """What is wrong with an event, its level or its fields (all but timestamp, level and event); None if nothing is."""
    event = EVENTS.get(name)
    if event is None:
        return f"{name!r} is not in the catalogue of log events (itop_bridge.log.EVENTS)"
    if level != event.level:
        return f"{name}: the catalogue says {event.level}, not {level}"
    wanted = set(event.always)
    if "alarm" in facts:
        if facts["alarm"] not in ALARMS:
            return f"{facts['alarm']!r} is not in the catalogue of alarms (itop_bridge.log.ALARMS)"
        wanted |= set(ALARMS[facts["alarm"]].always) if name == "alarm.raised" else set()
    if missing := wanted - facts.keys():
        return f"{name}: {', '.join(sorted(missing))} is missing"
    if unknown := facts.keys() - wanted - set(event.sometimes):
        return f"{name}: the catalogue does not have {', '.join(sorted(unknown))}"
    return None
