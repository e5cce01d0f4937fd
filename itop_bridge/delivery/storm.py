"""What the incident of a storm says of itself. Pure."""

from typing import Any

from itop_bridge.delivery.fold import Backlog
from itop_bridge.journal.storm import StormCount
from itop_bridge.settings.policy import Storm
from itop_bridge.settings.unit import format_duration

_FACTS = (*("id", "format", "time", "description", "host", "user", "source", "destination", "rule", "link", "tenant"),)
_LONGEST_TITLE = 120


def describe_lead(route: str, rule: Storm | None, backlog: Backlog) -> dict[str, Any]:
    """What stands for the alert that the incident is opened with, which is only one of many."""
    rate = f"more than {rule.cases} new cases in {format_duration(rule.within)}" if rule else "many new cases"
    return {
        **dict.fromkeys(_FACTS),
        "title": f"Alert storm: {rate} of route {route}",
        "severity": backlog.severity,
        "state": "firing",
        "observables": {},
        "notes": [],
    }


def describe_storm(route: str, count: StormCount) -> str:
    """What each of its log entries begins with."""
    titles = ", ".join(f"{' '.join(title.split())[:_LONGEST_TITLE]} ({times})" for title, times in count.titles)
    often = f"\nMost often: {titles}." if titles else ""
    plural = "" if count.cases == 1 else "s"
    return f"Storm of route {route}: {count.cases} further new case{plural} so far, told here in one incident.{often}"
