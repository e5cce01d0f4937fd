"""Folding: all that a case owes, merged intent by intent into one value. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from itop_bridge.alert import Severity
from itop_bridge.journal.case import Owing

MOST_NAMED = 20
"""Alerts, hosts, users and sources named in one log entry; the rest is counted."""

_NAMED = ("host", "user", "source")
_MOST_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a case owes, in the order of arrival. Times are seconds since the epoch."""

    firing: int = 0
    resolved: int = 0
    opens: bool = False
    """True if any of it deserves an incident."""
    urgency: int = 4
    """The most urgent, and the impact that goes with it."""
    impact: int = 3
    severity: str = "informational"
    """The worst."""
    first_received: float = 0.0
    last_received: float = 0.0
    newest_opening: float = 0.0
    """Receipt of the newest that deserves an incident: what does not, reopens none either."""
    last_seq: int = 0
    last_firing_seq: int = 0
    ends_resolved: bool = False
    """True if the last of it is a resolve."""
    lead: dict[str, Any] | None = None
    """The alert that the incident is opened with: the first that deserves one."""
    latest: dict[str, Any] | None = None
    samples: tuple[dict[str, Any], ...] = ()
    named: tuple[tuple[str, ...], ...] = ((), (), ())
    """Hosts, users and sources, each at most 20."""

    @property
    def count(self) -> int:
        return self.firing + self.resolved

    @property
    def is_empty(self) -> bool:
        return self.last_seq == 0


def fold(backlog: Backlog, owing: Owing) -> Backlog:
    """The backlog with one more intent."""
    facts = owing.facts
    resolves = owing.kind == "resolve"
    opens = owing.kind == "create"
    first = backlog.is_empty
    more_urgent = opens and (not backlog.opens or owing.urgency < backlog.urgency)
    return replace(
        backlog,
        firing=backlog.firing + (not resolves),
        resolved=backlog.resolved + resolves,
        opens=backlog.opens or opens,
        urgency=owing.urgency if more_urgent else backlog.urgency,
        impact=owing.impact if more_urgent else backlog.impact,
        severity=backlog.severity if resolves else _worse(backlog.severity, facts["severity"]),
        first_received=owing.received if first else min(backlog.first_received, owing.received),
        last_received=max(backlog.last_received, owing.received),
        newest_opening=max(backlog.newest_opening, owing.received) if opens else backlog.newest_opening,
        last_seq=owing.seq,
        last_firing_seq=backlog.last_firing_seq if resolves else owing.seq,
        ends_resolved=resolves,
        lead=facts if backlog.lead is None and opens else backlog.lead,
        latest=facts,
        samples=(*backlog.samples, facts) if len(backlog.samples) < MOST_NAMED else backlog.samples,
        named=_name(backlog.named, facts),
    )


def _worse(one: str, other: str) -> str:
    return one if one == other else str(max(Severity.parse(one), Severity.parse(other)))


def _name(named: tuple[tuple[str, ...], ...], facts: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    if all(not facts.get(role) or facts[role] in values for role, values in zip(_NAMED, named, strict=True)):
        return named
    return tuple(
        (*values, facts[role]) if facts.get(role) and facts[role] not in values and len(values) < MOST_NAMED else values
        for role, values in zip(_NAMED, named, strict=True)
    )


def find_news(backlog: Backlog, told: dict[str, Any]) -> dict[str, list[str]]:
    """What the incident's log does not say yet: a worse severity, a resolve, new hosts, users or sources."""
    news: dict[str, list[str]] = {}
    if backlog.resolved:
        news["state"] = ["resolved"]
    if backlog.firing and _worse(told.get("severity", "informational"), backlog.severity) != told.get("severity"):
        news["severity"] = [backlog.severity]
    for role, values in zip(_NAMED, backlog.named, strict=True):
        fresh = [value for value in values if value not in told.get(role, ())]
        if fresh:
            news[role] = fresh
    return news


def fold_told(told: dict[str, Any], backlog: Backlog) -> dict[str, Any]:
    """What the log says once the backlog is in it."""
    merged: dict[str, Any] = {
        "count": told.get("count", 0) + backlog.count,
        "severity": _worse(told.get("severity", "informational"), backlog.severity),
    }
    for role, values in zip(_NAMED, backlog.named, strict=True):
        known = told.get(role, [])
        merged[role] = (known + [value for value in values if value not in known])[:_MOST_REMEMBERED]
    return merged
