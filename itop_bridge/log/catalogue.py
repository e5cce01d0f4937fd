"""The catalogue: every event and alarm that is logged, and the keys that mean the same everywhere.

Dashboards lean on it. The entries are in `event/`, a module for each part of the program.
"""

from collections.abc import Mapping
from types import MappingProxyType

from itop_bridge.log.entry import Condition, Event
from itop_bridge.log.event import alarm, daemon, delivery, intake, mail, operator, outward, own, triage

PARTS = (intake, triage, delivery, outward, mail, daemon, operator, own)

EVENTS: Mapping[str, Event] = MappingProxyType(
    dict(sorted((name, event) for part in PARTS for name, event in part.EVENTS.items()))
)
"""By name: every event that is logged."""

ALARMS: Mapping[str, Condition] = MappingProxyType(dict(sorted(alarm.ALARMS.items())))
"""By name: every alarm, which is the field `alarm` of `alarm.raised` and `alarm.cleared`."""

KEYS = (
    "event_id",
    "alert_id",
    "case",
    "incident",
    "route",
    "factory",
    "attempt",
    "outcome",
    "reason",
    "duration_ms",
)
"""The keys that mean the same in every event, in the order in which they are written."""
