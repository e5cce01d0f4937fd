"""When the bridge writes in iTop, reopens and resolves: a route's rules, resolved. Frozen values, no I/O."""

from dataclasses import dataclass
from typing import Literal

Recurrence = Literal["reopen", "append", "new"]
Resolving = Literal["unheld", "always", "never"]
Expiry = Literal["note", "resolve"]


@dataclass(frozen=True, slots=True)
class Flapping:
    """A case flaps that changed between firing and resolved more than `changes` times in `within` seconds."""

    changes: int
    within: float


@dataclass(frozen=True, slots=True)
class Storm:
    """There is a storm while more than `cases` new cases came in `within` seconds, and so long after that."""

    cases: int
    within: float
    link: bool = False
    """Incidents that are made meanwhile get the storm's as their parent."""


@dataclass(frozen=True, slots=True)
class Attach:
    """The alert that opened an incident is attached to it, at most so many bytes of it."""

    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one route, as the configuration's keys of the same names (`model.PolicyKeys`) tell them.

    Waits are seconds; the defaults are the configuration's.
    """

    group_wait: float = 0.0
    group_interval: float = 300.0
    repeat_interval: float = 14_400.0
    duplicate_window: float = 600.0
    resolve_wait: float = 600.0
    resolve_grace: float = 600.0
    reopen_within: float = 86_400.0
    recurrence: Recurrence = "reopen"
    max_reopens: int = 3
    resolve: Resolving = "unheld"
    resolve_path: tuple[str, ...] = ()
    """The stimuli that lead to resolved, in order; empty: iTop's own shortest way."""
    firing_expires: float = 604_800.0
    expired: Expiry = "note"
    log_budget: int = 200
    spacing: float = 30.0
    unknown_severity: str = "medium"
    shadow: bool = False
    flapping: Flapping | None = None
    """None: no case counts as flapping."""
    storm: Storm | None = None
    """Of new cases of the route and one organisation. None: each has an incident of its own, however many there are."""
    attach: Attach | None = None
