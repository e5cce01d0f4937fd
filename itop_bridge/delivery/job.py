"""A case in a round: what it owes, and how its route writes."""

from dataclasses import dataclass

from itop_bridge.delivery.asset import Finding
from itop_bridge.delivery.plan import Situation
from itop_bridge.delivery.reference import UnknownOrganization
from itop_bridge.delivery.style import Style


@dataclass(frozen=True, slots=True)
class Job:
    """A case in a round."""

    situation: Situation
    style: Style
    org: int | UnknownOrganization | None = None
    """Known for a case that has no incident yet, or needs another."""
    finding: Finding | None = None
    """What was found in the CMDB for such a case."""
