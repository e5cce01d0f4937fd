"""The way from a status to resolved and back, per class, as iTop's own data model has it. Pure.

Seen over REST: transcripts 292-334 and 376-393 (Incident), 604-632 and 696-708 (UserRequest); escalated_ttr and
approved are from the data model alone.
"""

from enum import Enum
from types import MappingProxyType


class Phase(Enum):
    """Where an object stands, whatever its status is called."""

    ONGOING = "ongoing"
    RESOLVED = "resolved"
    CLOSED = "closed"


_INCIDENT = MappingProxyType(
    {
        "new": "ev_autoresolve",
        "assigned": "ev_resolve",
        "escalated_ttr": "ev_resolve",
        "pending": "ev_autoresolve",
    }
)
_RESOLVE = {
    "Incident": _INCIDENT,
    # an approved request waits for its assignment, as a new one does
    "UserRequest": MappingProxyType({**_INCIDENT, "approved": "ev_autoresolve"}),
}

_CLOSED_STATUSES = frozenset({"closed", "rejected"})


def resolve_stimulus(iclass: str, status: str) -> str | None:
    """The stimulus that resolves in one step, or None: already resolved, or no way from there (escalated_tto).

    A class of the site's own is taken for a kind of Incident.
    """
    return _RESOLVE.get(iclass, _INCIDENT).get(status)


def reopen_stimulus(iclass: str, status: str) -> str | None:  # noqa: ARG001 - the same for both classes today
    """The stimulus that takes a resolved object back to its agent, or None.

    A rejected UserRequest could be reopened too (transcript 703), but it counts as closed.
    """
    return "ev_reopen" if status == "resolved" else None


def phase_of(status: str, operational_status: str) -> Phase:
    """The phase, by iTop's `operational_status`, or by the status where that is empty."""
    if status in _CLOSED_STATUSES:
        return Phase.CLOSED
    try:
        return Phase(operational_status)
    except ValueError:
        return Phase.RESOLVED if status == "resolved" else Phase.ONGOING
