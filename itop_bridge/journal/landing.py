"""What triage stores: alerts as they land, and what is known of those that landed before: values, no I/O."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from itop_bridge.alert import State
from itop_bridge.outcome import Dropped, Rejected


@dataclass(frozen=True, slots=True)
class Owed:
    """One intent, as it is stored."""

    kind: str
    """create, append or resolve."""
    case_key: str
    digest: str
    organization: str
    urgency: int
    impact: int
    facts: bytes
    """The alert, normalised, as JSON."""


@dataclass(frozen=True, slots=True)
class Landing:
    """A mapped alert and what is owed for it."""

    scope: str
    """Organisation and route: alert ids are unique within it."""
    identity: str | None
    """The alert's id, or what stands for it; None where nothing tells a repeat from a new alert."""
    state: State
    one_shot: bool
    episode: float | None
    """The alert's time, seconds since the epoch."""
    content: str
    received: float
    intents: tuple[Owed, ...]
    profile: str
    """The hash of the settings to write with (`TriageJournal.record_profile`)."""
    duplicate_window_s: float
    resolve_wait_s: float
    group_wait_s: float
    route: str = ""
    """The name of the route that produced it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known under an alert's id. `state` is firing, resolved or waiting (resolved before it fired)."""

    case_id: int
    state: str
    one_shot: bool
    episode: float | None
    content: str
    received: float
    repeats: int
    first_seq: int
    handled: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a landing. `action` is accept, wait (a resolve before its alert) or drop."""

    action: str
    reason: str
    same_episode: bool = False
    overtaken: bool = False
    """True if what is known under its id is newer, and stays: the alert is told all the same."""


@dataclass(frozen=True, slots=True)
class Element:
    """What became of one element of an event."""

    event_id: int
    index: int
    result: Landing | Dropped | Rejected


Decide = Callable[[Seen | None, Landing], Verdict]


@dataclass(slots=True)
class Tally:
    """What a batch came to, for the log and the metrics."""

    accepted: int = 0
    dropped: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the rejected ones."""
