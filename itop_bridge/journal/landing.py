"""What triage stores: alerts as they land, and what is known of those that landed before: values, no I/O."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from itop_bridge.alert import State
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.policy import Storm

MOST_DETAIL = 2_000
"""Characters of a dead letter's detail that are kept."""


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
    storm: Storm | None = None
    """When its route has a storm of new cases."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known under an alert's id. `state` is firing, resolved, waiting (resolved before it fired) or expired
    (nothing was heard of it for long: it counts as over until something is)."""

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
class Tie:
    """A rule of `inhibit` that an alert is a source or a target of."""

    key: str
    """The rule, the organisation and the values of `equal`: a source inhibits the targets with its key."""
    mutual: bool
    """Whether the alert is both a source and a target of the rule."""
    hold_s: float = 0.0
    """Of a source: how long it inhibits if no resolve comes."""


@dataclass(frozen=True, slots=True)
class Bearing:
    """What the rules of `inhibit` say of an alert. One that does not fire is neither a source nor a target."""

    scope: str
    alert_id: str
    received: float
    sources: tuple[Tie, ...] = ()
    targets: tuple[Tie, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """What became of one element of an event, by one route: with `continue` an element has several."""

    event_id: int
    index: int
    result: Landing | Dropped | Rejected
    bearing: Bearing | None = None
    """None where no rule of `inhibit` is configured."""
    alert_id: str | None = None
    """As its SIEM gave it; None where it has none, or could not be read."""

    @property
    def route(self) -> str:
        """The route that took it; "" where none did."""
        return self.result.route or ""


Decide = Callable[[Seen | None, Landing], Verdict]


@dataclass(slots=True)
class Tally:
    """What a batch came to, for the log and the metrics."""

    accepted: int = 0
    dropped: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the rejected ones."""
    drops: Counter[str] = field(default_factory=Counter)
    """The reasons of the dropped ones."""
    letters: list[tuple[int, str]] = field(default_factory=list)
    """The dead letters that were made: event and route ("": none), in order."""
    storms: list[tuple[str, str, str]] = field(default_factory=list)
    """The storms that began: route, organisation and the digest of their case."""
