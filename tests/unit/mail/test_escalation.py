from dataclasses import replace

import pytest

from itop_bridge.alert import Severity
from itop_bridge.journal.mail import Late
from itop_bridge.mail.escalation import decide_escalation

NOW = 10_000.0
AFTER_S = 600.0
NEW = Late(
    seq=5,
    episode=5,
    route="wazuh",
    severity="critical",
    received=NOW - AFTER_S,
    urgency=1,
    told_seq=0,
    has_incident=False,
    written_urgency=None,
    resolved=False,
    told_at=0.0,
    interval_s=0.0,
    changed_at=0.0,
    group_wait_s=0.0,
    resolve_grace_s=600.0,
    held=False,
)
APPENDED = replace(NEW, has_incident=True, written_urgency=1, told_seq=4, told_at=NOW - AFTER_S - 300, interval_s=300.0)


def decide(late, **changes):
    return decide_escalation(replace(late, **changes), AFTER_S, Severity.HIGH, NOW)


@pytest.mark.parametrize(
    ("late", "changes", "verdict"),
    [
        (NEW, {}, "late"),
        (NEW, {"received": NOW - AFTER_S + 1}, "waiting"),
        (NEW, {"severity": "medium"}, "mild"),
        (NEW, {"severity": "high"}, "late"),
        # it may wait for others of its case
        (NEW, {"group_wait_s": 30.0}, "waiting"),
        (NEW, {"group_wait_s": 3600.0, "held": True}, "late"),
        # its incident is there, and the next log entry has its time
        (APPENDED, {}, "late"),
        (APPENDED, {"told_at": NOW - AFTER_S - 299}, "waiting"),
        (APPENDED, {"interval_s": 14_400.0}, "waiting"),
        (APPENDED, {"interval_s": 14_400.0, "held": True}, "late"),
        (APPENDED, {"interval_s": 14_400.0, "written_urgency": 2}, "late"),
        # an update of what its incident shows
        (APPENDED, {"episode": 4}, "told"),
        (APPENDED, {"episode": 4, "held": True}, "told"),
        (APPENDED, {"episode": 4, "written_urgency": 2}, "late"),
        # a straggler of an incident that we resolved
        (APPENDED, {"resolved": True, "changed_at": NOW - 1_200.0}, "late"),
        (APPENDED, {"resolved": True, "changed_at": NOW - 1_199.0}, "waiting"),
    ],
)
def test_an_alert_is_late_when_nothing_but_trouble_keeps_it_from_itop(late, changes, verdict):
    assert decide(late, **changes) == verdict


def test_without_a_time_nothing_is_escalated():
    assert decide_escalation(NEW, 0.0, Severity.HIGH, NOW) == "off"
