import datetime as dt

import pytest
from pydantic import ValidationError

from itop_bridge.settings.silence import RouteSilence, Silence, Window, format_clock, parse_clock, parse_moment


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("06:30", 390), ("23:59", 1439), ("24:00", 1440)])
def test_a_time_of_day_is_minutes_after_midnight(text, minutes):
    assert parse_clock(text) == minutes
    assert format_clock(minutes) == text


@pytest.mark.parametrize("value", ["24:01", "6:30", "22", "22:60", "", None, "22:00:00", "\u0662\u0662:00"])
def test_what_is_no_time_of_day_is_refused(value):
    with pytest.raises(ValueError, match="such as"):
        parse_clock(value)


def test_a_time_that_yaml_read_as_a_number_is_told():
    with pytest.raises(ValueError, match="in quotes"):
        parse_clock(1320)


UTC_TEN = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-24T10:00:00Z", UTC_TEN),
        ("2026-11-24T11:00:00+01:00", UTC_TEN),
        ("2026-11-24 10:00", UTC_TEN.replace(tzinfo=None)),
        (UTC_TEN, UTC_TEN),
        (dt.date(2026, 11, 24), dt.datetime(2026, 11, 24)),  # noqa: DTZ001 - a day without a zone is what is tested
    ],
)
def test_a_moment_is_iso_8601_or_what_yaml_makes_of_it(value, moment):
    assert parse_moment(value) == moment


@pytest.mark.parametrize("value", ["tomorrow", 20261124, None, "2026-13-01"])
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(ValueError, match="such as"):
        parse_moment(value)


def failure(model=Silence, **keys):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(keys)
    return [".".join(map(str, error["loc"])) for error in caught.value.errors()]


def test_a_silence_without_bounds_is_refused():
    assert failure() == failure(name="x", timezone="UTC") == failure(matchers={}) == [""]
    assert failure(RouteSilence, name="x") == [""]
    assert Silence.model_validate({"routes": ["a"]}).routes == ("a",)


def test_a_silence_of_a_route_names_no_routes():
    assert failure(RouteSilence, when="true", routes=["a"]) == ["routes"]


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        ({"from": "2026-11-24T10:00Z", "until": "2026-11-24T10:00Z"}, [""]),
        ({"from": "soon"}, ["from"]),
        ({"windows": [{"days": ["sunday"]}]}, ["windows.0.days.0"]),
        ({"windows": [{"days": []}]}, ["windows.0.days"]),
        ({"windows": [{"from": "25:00"}]}, ["windows.0.from"]),
        ({"windows": [{"start": "10:00"}]}, ["windows.0.start"]),
        ({"when": "true", "timezone": "Europe/Pariss"}, ["timezone"]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(keys, paths):
    assert failure(**keys) == paths


def test_times_without_a_zone_are_the_silences_and_an_hour_that_comes_twice_is_all_within():
    keys = {"from": "2026-10-25 02:30", "until": "2026-10-25 02:30:01", "timezone": "Europe/Paris"}
    start, until = Silence.model_validate(keys).bounds()
    assert (start, until - start) == (dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC).timestamp(), 3601.0)


def test_a_window_is_every_day_all_day_if_it_does_not_say():
    window = Window.model_validate({})
    assert (len(window.days), window.start, window.to) == (7, 0, 1440)
