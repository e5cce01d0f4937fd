import datetime as dt

import pytest

from itop_bridge.errors import ElementError, ExpressionError
from itop_bridge.outcome import Dropped
from itop_bridge.settings.silence import RouteSilence
from itop_bridge.triage.silence import Watch, find_silence, make_silence


def silence(matches=lambda _scene: True, **keys):
    return make_silence("silences[0]", RouteSilence.model_validate({"when": "true", **keys}), matches)


def at(text):
    return dt.datetime.fromisoformat(text)


NIGHTS = {"days": ["sat", "sun"], "from": "22:00", "to": "06:00", "timezone": "Europe/Paris"}


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-11-28T21:59:59+01:00", False),  # a Saturday
        ("2026-11-28T22:00:00+01:00", True),
        ("2026-11-29T05:59:59+01:00", True),
        ("2026-11-29T06:00:00+01:00", False),
        ("2026-11-30T05:59:00+01:00", True),  # Monday morning: Sunday's
        ("2026-11-30T22:00:00+01:00", False),
        ("2026-11-28T05:00:00+01:00", False),  # Saturday morning: Friday's
        ("2026-11-28T21:00:00+00:00", True),
    ],
)
def test_a_window_may_go_past_midnight_and_belongs_to_the_day_of_its_beginning(moment, holds):
    assert silence(windows=[NIGHTS]).holds(at(moment)) is holds


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-28T21:00:00+00:00", True),  # 22:00 in winter time; clocks are put forward in the night
        ("2026-03-28T20:59:00+00:00", False),
        ("2026-03-29T03:59:00+00:00", True),  # 05:59 in summer time
        ("2026-03-29T04:00:00+00:00", False),
        ("2026-10-24T20:00:00+00:00", True),  # 22:00 in summer time; clocks are put back in the night
        ("2026-10-25T04:59:00+00:00", True),  # 05:59 in winter time
        ("2026-10-25T05:00:00+00:00", False),
    ],
)
def test_a_window_is_by_the_clock_on_the_wall_when_clocks_change(moment, holds):
    assert silence(windows=[NIGHTS]).holds(at(moment)) is holds


def test_an_hour_that_comes_twice_is_twice_within():
    short = silence(windows=[{"from": "02:00", "to": "03:00", "timezone": "Europe/Paris"}])
    assert [short.holds(at(f"2026-10-25T0{hour}:30:00+00:00")) for hour in range(3)] == [True, True, False]
    assert [short.holds(at(f"2026-03-29T0{hour}:30:00+00:00")) for hour in range(3)] == [False, False, False]


def test_a_window_without_hours_is_the_whole_day():
    sunday = silence(windows=[{"days": ["sun"]}])
    days = ("2026-11-28T23:59:59+00:00", "2026-11-29T00:00:00+00:00", "2026-11-29T23:59:59+00:00")
    assert [sunday.holds(at(day)) for day in days] == [False, True, True]


def test_a_window_from_an_hour_to_the_same_is_a_day_long():
    day = silence(windows=[{"days": ["sun"], "from": "08:00", "to": "08:00"}])
    moments = ("2026-11-29T07:59:00+00:00", "2026-11-29T08:00:00+00:00", "2026-11-30T07:59:00+00:00")
    assert [day.holds(at(moment)) for moment in moments] == [False, True, True]


def test_a_windows_clock_is_the_silences_if_it_names_none():
    window = silence(timezone="Asia/Tokyo", windows=[{"from": "09:00", "to": "10:00"}])
    assert window.holds(at("2026-11-29T00:30:00+00:00"))


@pytest.mark.parametrize(
    ("keys", "inside", "outside"),
    [
        ({"from": "2026-11-24T22:00:00+01:00"}, "2026-11-24T21:00:00+00:00", "2026-11-24T20:59:59+00:00"),
        ({"until": "2026-11-24T22:00:00+01:00"}, "2026-11-24T20:59:59+00:00", "2026-11-24T21:00:00+00:00"),
        ({"from": "2026-11-24 22:00", "timezone": "Europe/Paris"}, "2026-11-24T21:00:00Z", "2026-11-24T20:59:00Z"),
        ({"from": dt.date(2026, 11, 24)}, "2026-11-24T00:00:00Z", "2026-11-23T23:59:59Z"),
    ],
)
def test_a_silence_has_a_first_moment_and_an_end_that_is_not_in_it(keys, inside, outside):
    timed = silence(**keys)
    assert (timed.holds(at(inside)), timed.holds(at(outside))) == (True, False)


def test_windows_count_only_between_from_and_until():
    both = silence(**{"from": "2026-11-29", "windows": [{"days": ["sun"]}]})
    assert [both.holds(at(f"2026-11-{day}T12:00:00Z")) for day in (22, 29)] == [False, True]


NOW = at("2026-11-24T12:00:00Z")


def test_the_first_silence_that_holds_and_matches_is_told():
    over = silence(name="over", until="2026-11-24T11:00:00Z")
    other = silence(lambda scene: scene["alert"] == "b", name="other")
    usual = silence(name="usual")
    assert find_silence([over, other, usual], {"alert": "a"}, NOW) is usual
    assert find_silence([over, other], {"alert": "a"}, NOW) is None


def fail(_scene):
    raise ExpressionError("no")


def test_an_expression_that_fails_is_told_and_one_of_a_silence_that_is_over_is_not_asked():
    with pytest.raises(ElementError) as caught:
        find_silence([silence(fail)], {}, NOW)
    assert (caught.value.reason, caught.value.field) == ("expression_failed", "silences")
    assert find_silence([silence(fail, until="2026-11-24T11:00:00Z")], {}, NOW) is None


def test_a_silence_is_told_when_it_begins_and_with_its_count_when_it_ends():
    timed = silence(name="s", **{"from": "2026-11-24T11:00:00Z", "until": "2026-11-24T13:00:00Z"})
    watch = Watch()
    hour = dt.timedelta(hours=1)
    assert list(watch.look([timed], NOW - 2 * hour)) == []
    assert list(watch.look([timed, timed], NOW)) == [("s", None)]
    assert list(watch.look([timed], NOW)) == []
    watch.count([Dropped("silenced", "r", "s"), Dropped("silenced", "r", "other"), Dropped("filtered"), None])
    watch.count([Dropped("silenced", "r", "s")])
    assert list(watch.look([timed], NOW + hour)) == [("s", 2)]
    assert list(watch.look([timed], NOW + hour)) == []


def test_a_reload_with_the_same_silence_ends_none():
    watch = Watch()
    list(watch.look([silence(name="s")], NOW))
    assert list(watch.look([silence(name="s")], NOW)) == []
    assert list(watch.look([], NOW)) == [("s", 0)]
