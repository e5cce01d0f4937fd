"""What was found out about one setting by asking broker or iTop. A value."""

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """How it stands with a setting."""

    OK = "ok"
    WRONG = "wrong"
    UNREACHED = "unreached"
    """Broker or iTop did not answer: nothing is known of the setting."""
    UNKNOWN = "unknown"
    """It cannot be asked from outside; no failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `check --online`. `place` is file, line and column of the setting."""

    verdict: Verdict
    place: str
    text: str
