"""What follows when a call failed. One pure table, by what the error says was done."""

from dataclasses import dataclass
from enum import Enum, auto

from itop_bridge.itop.error import (
    ConditionError,
    FieldError,
    ITopError,
    LogFullError,
    ObjectGoneError,
    StimulusError,
    TransientError,
    UncertainError,
)

MOST_FAILURES = 5
"""A call that fails by itself so often, while iTop answers others, is poison."""


class Action(Enum):
    """What the case does next."""

    READ_AGAIN = auto()
    BACK_OFF = auto()
    LOOK = auto()
    """Wait for the server's time limit, then look for the token."""
    WITHOUT_TEXT = auto()
    WITHOUT_REFERENCE = auto()
    PARK = auto()


@dataclass(frozen=True, slots=True)
class Consequence:
    """`action` with its reason; `counts` if the failure is the call's own, not iTop's."""

    action: Action
    reason: str
    counts: bool = False
    field: str | None = None


def decide_consequence(error: ITopError, *, optional: frozenset[str], failures: int, healthy: bool) -> Consequence:
    """What follows from `error`.

    `optional` are the attributes that the call may do without, `failures` how often this case's call failed by itself,
    `healthy` whether iTop answers other calls.
    """
    consequence = _consequence(error, optional)
    uncertain = consequence.action is Action.LOOK
    if (uncertain and healthy) or consequence.counts:
        poisoned = failures + 1 >= MOST_FAILURES
        if poisoned and not uncertain:
            return Consequence(Action.PARK, "poison")
        return Consequence(consequence.action, consequence.reason, counts=True, field=consequence.field)
    return consequence


def is_itops_own(error: ITopError, *, healthy: bool) -> bool:
    """True if iTop as a whole failed, not this call: the same call may work later, and the failure does not count."""
    if isinstance(error, ConditionError):
        return False
    return isinstance(error, TransientError) or (isinstance(error, UncertainError) and not healthy)


def _consequence(error: ITopError, optional: frozenset[str]) -> Consequence:
    if isinstance(error, ConditionError):
        return Consequence(Action.READ_AGAIN, "changed_meanwhile", counts=True)
    if isinstance(error, ObjectGoneError):
        return Consequence(Action.READ_AGAIN, "not_visible", counts=True)
    if isinstance(error, StimulusError):
        return Consequence(Action.BACK_OFF, "stimulus_refused", counts=True)
    if isinstance(error, LogFullError):
        return Consequence(Action.WITHOUT_TEXT, "log_full")
    if isinstance(error, FieldError) and error.field in optional:
        return Consequence(Action.WITHOUT_REFERENCE, "reference_refused", field=error.field)
    if isinstance(error, FieldError):
        return Consequence(Action.PARK, "field_refused", field=error.field)
    if isinstance(error, UncertainError):
        return Consequence(Action.LOOK, "no_answer")
    if isinstance(error, TransientError):
        return Consequence(Action.BACK_OFF, "not_done")
    return Consequence(Action.PARK, "refused")
