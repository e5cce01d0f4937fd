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


def test_one_that_outlasts_the_daemon_is_as_old_as_its_condition(lines):
    alarms = Alarms(clock=lambda: 500.0)
    alarms.raise_("source_silent", since=100.0)
    alarms.raise_("source_silent", since=300.0)
    assert alarms.active["source_silent"].since == 100.0
    alarms.clear("source_silent")
    raised, cleared = lines()
    assert "since" not in raised
    assert cleared["lasted_s"] == 400.0


def reasons(lines):
    return [(line["previous"], line["reason"]) for line in lines() if line["event"] == "alarm.changed"]


def test_another_reason_of_what_holds_is_logged_with_the_one_before(lines):
    now = [100.0]
    alarms = Alarms(clock=lambda: now[0])
    alarms.raise_("itop_unreachable", "no connection", reason="not_sent")
    now[0] += 30.0
    alarms.raise_("itop_unreachable", "still none", reason="not_sent")
    alarms.raise_("itop_unreachable", "Invalid login", reason="credentials")
    _, changed = lines()
    assert (changed["event"], changed["level"]) == ("alarm.changed", "warning")
    assert (changed["previous"], changed["reason"], changed["detail"]) == ("not_sent", "credentials", "Invalid login")


def test_reasons_that_change_quickly_are_a_line_in_ten_seconds_and_the_last_is_not_missed(lines):
    now = [100.0]
    alarms = Alarms(clock=lambda: now[0])
    for reason in ("not_sent", "no_answer", "maintenance", "not_sent", "credentials"):
        alarms.raise_("itop_unreachable", reason=reason)
        now[0] += 1.0
    alarms.remind()
    assert reasons(lines) == []
    now[0] = 110.0
    alarms.remind()
    alarms.remind()
    assert reasons(lines) == [("not_sent", "credentials")]


def test_what_goes_on_is_told_at_growing_intervals_with_its_detail_of_now(lines):
    now = [0.0]
    alarms = Alarms(clock=lambda: now[0])
    alarms.raise_("itop_unreachable", "first", reason="not_sent")
    alarms.raise_("itop_unreachable", "now", reason="not_sent")
    while now[0] < 5 * 3600.0:
        now[0] += 5.0
        alarms.remind()
    held = [line for line in lines() if line["event"] == "alarm.held"]
    assert [line["lasted_s"] / 60 for line in held] == [1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert {line["detail"] for line in held} == {"now"}


def test_what_begins_again_is_told_from_the_beginning(lines):
    now = [0.0]
    alarms = Alarms(clock=lambda: now[0])
    for _ in range(2):
        alarms.raise_("itop_unreachable", reason="not_sent")
        now[0] += 60.0
        alarms.remind()
        alarms.clear("itop_unreachable")
    assert [line["event"] for line in lines()] == ["alarm.raised", "alarm.held", "alarm.cleared"] * 2
