"""What a look for a token tells. Only the token proves a write: never a status, an urgency or a title. Pure."""

from dataclasses import dataclass

from itop_bridge.delivery.incident import Incident
from itop_bridge.journal.case import Attempt, CaseState
from itop_bridge.journal.shadow import is_shadow

LOOK_AGAIN_S = 0.4
"""An entry that is still there after this stays (transcripts 633, 897: read-modify-write of the whole log)."""
TWIN_LOOKS_S = (600.0, 3_600.0)
"""A create that was not found is looked for again so long after it was sent."""
_MOST_REWRITES = 5


@dataclass(frozen=True, slots=True)
class Proved:
    """The write is there: its intents are delivered."""


@dataclass(frozen=True, slots=True)
class Absent:
    """The write is not there: plan anew. A create is looked for again at `look` (seconds since the epoch)."""

    look: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The entry stayed, or the incident is out of sight: nothing more to do."""


@dataclass(frozen=True, slots=True)
class Lost:
    """iTop answered yes, and the entry is gone: another save overwrote the log. It is written again."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The entry is gone however often it was written again: a dead letter."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A create that was given up landed late, beside the case's own incident."""


Finding = Proved | Absent | Kept | Lost | GivenUp | Twin


def decide_finding(attempt: Attempt, found: Incident | None, case: CaseState, *, visible: bool) -> Finding:
    """What it means that the token was `found` or not; `visible` tells whether iTop shows the attempt's incident."""
    if attempt.state == "applied":
        if found is not None or not visible or not attempt.message:
            return Kept()
        return Lost() if attempt.looks <= _MOST_REWRITES else GivenUp()
    if found is not None:
        # what it was sent for is pending no more: another write did it
        done = attempt.state == "absent" and all(each.id != attempt.id for each in case.attempts)
        own = None if is_shadow(case.incident) else case.incident  # one in iTop is more than a shadow
        return Twin() if done and own not in (None, found.id) else Proved()
    return Absent(_next_look(attempt) if attempt.kind == "create" else None)


def _next_look(attempt: Attempt) -> float | None:
    later = [attempt.sent + wait_s for wait_s in TWIN_LOOKS_S if attempt.sent + wait_s > (attempt.look or attempt.sent)]
    return min(later) if later else None
