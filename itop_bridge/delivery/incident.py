"""A case's incident, as iTop showed it."""

from dataclasses import dataclass

from itop_bridge.itop.lifecycle import Phase


@dataclass(frozen=True, slots=True)
class Incident:
    """What one read told."""

    id: int
    ref: str
    title: str
    status: str
    phase: Phase
    org: int
    agent: int
    agent_name: str
    team: int
    service: int
    urgency: int
    last_update: str
    """As iTop wrote it: only ever compared with what it wrote."""
    resolution_date: str
    """As iTop wrote it; empty if it never was resolved."""
    resolved_at: float | None
    """Seconds since the epoch, of this machine's clock; None if not resolved, or if iTop's clock is not known yet."""
