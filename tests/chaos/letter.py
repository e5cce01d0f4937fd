"""What the SIEMs sent: messages, the alerts in them, and what may become of each."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an alert is."""

    FIRE = "fire"
    """A new firing."""
    UPDATE = "update"
    """News of an alert that fires."""
    RESOLVE = "resolve"
    SHOT = "shot"
    """An alert that never resolves."""
    EARLY = "early"
    """A resolve that comes before its alert."""
    OVERTAKEN = "overtaken"
    """The alert whose resolve came first."""
    HOMELESS = "homeless"
    """An alert for an organisation that iTop does not have."""
    RUBBISH = "rubbish"
    """What is no alert."""


DROPS = {
    Kind.FIRE: frozenset(),
    Kind.UPDATE: frozenset({"handled_by_person"}),
    Kind.RESOLVE: frozenset({"already_resolved", "closed"}),
    Kind.SHOT: frozenset(),
    Kind.EARLY: frozenset({"already_resolved", "never_fired"}),
    Kind.OVERTAKEN: frozenset({"already_resolved"}),
}
"""Why an alert may be dropped that comes for the first time; all others have to be told in iTop."""

REPEATS = frozenset({"repeat", "already_resolved", "handled_by_person"})
"""Why one may be dropped that came before."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One alert in a letter."""

    marker: str
    """Stands in the alert's title and in no other's."""
    number: int
    """The order of sending."""
    kind: Kind
    case: str
    """Organisation, route and group."""
    alert: str
    """The alert's id."""
    reason: str = ""
    """Of rubbish: why it has to become a dead letter."""

    @property
    def org(self):
        return self.case.partition("/")[0]


@dataclass(slots=True, eq=False)
class Letter:
    """One message, which may be sent more than once."""

    topic: str
    payload: bytes
    mentions: tuple[Mention, ...]
    sent: int = 0
    """How often the broker may have got it: a publisher that lost its connection sends what was not acknowledged
    again."""
    acknowledged: int = 0

    @property
    def name(self):
        return f"{self.topic} {' '.join(each.marker for each in self.mentions[:3])}"
