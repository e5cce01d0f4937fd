from itop_bridge.log import Alarms


def test_an_alarm_is_logged_once_when_it_begins_and_once_when_it_ends(lines):
    now = [100.0]
    alarms = Alarms(clock=lambda: now[0])
    assert alarms.raise_("itop_unreachable", "refused", address="https://x")
    now[0] = 160.0
    assert not alarms.raise_("itop_unreachable", "timeout")
    assert alarms.clear("itop_unreachable")
    assert not alarms.clear("itop_unreachable")
    raised, cleared = lines()
    assert (raised["event"], raised["level"], raised["alarm"]) == ("alarm.raised", "warning", "itop_unreachable")
    assert (raised["detail"], raised["address"]) == ("refused", "https://x")
    assert (cleared["event"], cleared["lasted_s"]) == ("alarm.cleared", 60.0)


def test_what_holds_is_shown_with_its_beginning_and_latest_detail(lines):
    now = [100.0]
    alarms = Alarms(clock=lambda: now[0])
    alarms.raise_("journal_full", "disk full", reason="x")
    now[0] = 200.0
    alarms.raise_("journal_full", "still full")
    alarms.raise_("itop_unreachable")
    assert list(alarms.active) == ["journal_full", "itop_unreachable"]
    alarm = alarms.active["journal_full"]
    assert (alarm.since, alarm.detail, dict(alarm.facts)) == (100.0, "still full", {})
    alarms.clear("journal_full")
    assert list(alarms.active) == ["itop_unreachable"]


def test_a_clock_that_goes_back_gives_no_negative_time(lines):
    now = [100.0]
    alarms = Alarms(clock=lambda: now[0])
    alarms.raise_("itop_unreachable")
    now[0] = 50.0
    alarms.clear("itop_unreachable")
    assert lines()[-1]["lasted_s"] == 0.0
