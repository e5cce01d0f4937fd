"""Is an alert late for iTop, so that people have to be told by mail? One pure decision, with its reason.

| the alert's case           | it may wait until                                          |
|----------------------------|------------------------------------------------------------|
| is parked, or held back    | it was received                                            |
| has no incident            | `group_wait` after it was received                         |
| has one that we resolved   | `resolve_grace` after that                                 |
| has one, as urgent         | the time of the next log entry                             |
| has one that is less urgent| it was received                                            |
"""

from itop_bridge.alert import Severity
from itop_bridge.journal.mail import Late


def decide_escalation(late: Late, after_s: float, least: Severity, now: float) -> str:
    """`late`, if the alert is to be mailed; else why not: off, mild, told or waiting.

    `after_s` counts from when nothing but trouble keeps it from iTop; 0 is never.
    """
    if after_s <= 0:
        return "off"
    if Severity.parse(late.severity) < least:
        return "mild"
    if late.episode <= late.told_seq and not _is_more_urgent(late):
        return "told"  # its incident shows it: this is an update
    return "late" if max(late.received, _may_wait_until(late)) + after_s <= now else "waiting"


def _may_wait_until(late: Late) -> float:
    if late.held:
        return late.received
    if not late.has_incident:
        return late.received + late.group_wait_s
    if late.resolved:
        return late.changed_at + late.resolve_grace_s
    return late.received if _is_more_urgent(late) else late.told_at + late.interval_s


def _is_more_urgent(late: Late) -> bool:
    return late.has_incident and late.written_urgency is not None and late.urgency < late.written_urgency
