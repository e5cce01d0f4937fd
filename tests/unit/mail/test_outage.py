from itop_bridge.log import Alarm
from itop_bridge.mail.outage import Turn, find_turns

ALARM = Alarm("itop_unreachable", 100.0, "no answer", {})


def find(active=(ALARM,), told=(), names=("itop_unreachable",), before=100.0, *, settled=True):
    return list(find_turns({each.name: each for each in active}, dict(told), names, before, settled=settled))


def test_an_alarm_is_told_when_it_has_lasted():
    assert find(before=99.0) == []
    assert find() == [Turn("itop_unreachable", 100.0, over=False, detail="no answer")]


def test_it_is_told_once_and_when_it_is_over():
    told = {"itop_unreachable": 100.0}
    assert find(told=told) == []
    assert find(active=(), told=told) == [Turn("itop_unreachable", 100.0, over=True)]


def test_right_after_a_start_nothing_is_over_yet():
    assert find(active=(), told={"itop_unreachable": 100.0}, settled=False) == []


def test_an_alarm_that_is_none_of_these_is_not_told():
    assert find(names=("journal_full",)) == []


def test_an_outage_that_is_no_longer_configured_ends_all_the_same():
    assert find(active=(), told={"itop_unreachable": 100.0}, names=())[0].over
