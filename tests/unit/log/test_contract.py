import pytest

from itop_bridge.log import ALARMS, EVENTS, find_breach

UNREACHABLE = {"alarm": "itop_unreachable", "reason": "no_answer"}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_with_its_level_and_fields_is_as_the_catalogue_says(name):
    event = EVENTS[name]
    alarm = {"alarm": "broker_unreachable"} if "alarm" in event.always else {}
    always = dict.fromkeys(event.always) | alarm
    assert find_breach(name, event.level, always) is None
    assert find_breach(name, event.level, always | dict.fromkeys(event.sometimes)) is None
    for field in set(event.always) - {"alarm"}:
        assert f"{field} is missing" in find_breach(
            name, event.level, {key: value for key, value in always.items() if key != field}
        )


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_begins_with_its_fields_and_ends_without(name):
    facts = {"alarm": name, **dict.fromkeys(ALARMS[name].always)}
    assert find_breach("alarm.raised", "warning", facts) is None
    assert find_breach("alarm.raised", "warning", facts | {"detail": "x"}) is None
    assert find_breach("alarm.cleared", "info", {"alarm": name, "lasted_s": 1.0}) is None


@pytest.mark.parametrize(
    ("name", "level", "facts", "told"),
    [
        ("journal.resumd", "info", {}, "'journal.resumd' is not in the catalogue of log events"),
        ("journal.resumed", "error", {}, "the catalogue says info, not error"),
        ("journal.resumed", "info", {"a": 1, "b": 1}, "the catalogue does not have a, b"),
        ("alarm.raised", "warning", {}, "alarm is missing"),
        ("alarm.raised", "warning", {"alarm": "x"}, "'x' is not in the catalogue of alarms"),
        ("alarm.raised", "warning", UNREACHABLE | {"bytes": 1}, "the catalogue does not have bytes"),
        ("alarm.cleared", "info", UNREACHABLE | {"lasted_s": 1.0}, "the catalogue does not have reason"),
        ("alarm.cleared", "info", {"alarm": "x", "lasted_s": 1.0}, "'x' is not in the catalogue of alarms"),
    ],
)
def test_what_is_not_as_the_catalogue_says_is_told(name, level, facts, told):
    assert told in find_breach(name, level, facts)
