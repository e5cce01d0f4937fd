"""What the journal knows of a case, what it owes, and the writes that settle it: values, no I/O."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write to iTop. Times are seconds since the epoch."""

    id: int
    case_id: int
    kind: str
    """create, append, resolve or reopen."""
    token: str
    incident: int | None
    through: int
    state: str
    sent: float
    look: float | None
    looks: int
    message: str
    effect: dict[str, Any]
    """Columns of the case to set once the token is seen."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that is about to be sent."""

    case_id: int
    kind: str
    token: str
    incident: int | None
    through: int
    message: str
    effect: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CaseState:
    """What the journal knows of a case; see the schema for each column."""

    id: int
    key: str
    digest: str
    organization: str
    profile: str
    incident: int | None
    ref: str | None
    urgency: int | None
    agent: int
    resolved: bool
    entries: int
    log_full: bool
    reopened: int
    told: dict[str, Any]
    told_at: float
    told_seq: int
    interval_s: float
    changed_at: float
    previous: str | None
    replaced_at: float
    failures: int
    parked: str | None
    attempts: tuple[Attempt, ...] = ()
    resolution: str | None = None
    flaps_until: float = 0.0
    storm: bool = False
    firing: int = 0
    """Alerts of the case that fire now and that no person has dealt with."""

    @property
    def unsettled(self) -> tuple[Attempt, ...]:
        """Attempts whose outcome is not known."""
        return tuple(a for a in self.attempts if a.state in ("in_flight", "unknown"))


@dataclass(frozen=True, slots=True)
class Owing:
    """A pending intent of a case, as it is folded."""

    seq: int
    kind: str
    received: float
    urgency: int
    impact: int
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """The alert that a case's next incident will be opened with."""

    organization: str
    profile: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a case is like after its intents up to `through` were settled."""

    case_id: int
    through: int
    state: str
    """delivered or dropped."""
    reason: str
    attempt: int | None = None
    attempt_state: str = "confirmed"
    look: float | None = None
    """When to look for the attempt's token again."""
    changes: dict[str, object] = field(default_factory=dict)
    """Columns of the case to set."""
