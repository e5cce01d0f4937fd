from itop_bridge.log.reminder import Reminder


def test_what_goes_on_is_told_after_a_minute_then_ever_less_often_and_in_the_end_every_hour():
    reminder = Reminder(0.0)
    told = [minute for minute in range(300) if reminder.take(minute * 60.0)]
    assert told == [1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_a_look_that_comes_late_is_told_once():
    reminder = Reminder(0.0)
    assert reminder.take(10_000.0)
    assert not reminder.take(10_000.0)
