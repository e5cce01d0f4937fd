from zoneinfo import ZoneInfo

import pytest

from itop_bridge.simulator.moment import format_moment, is_moment, parse_moment, seconds_between, shift_moment


def test_dates_are_in_the_servers_zone():
    assert format_moment(1_795_489_437.0, ZoneInfo("Europe/Paris")) == "2026-11-24 04:03:57"
    assert format_moment(1_795_489_437.0, ZoneInfo("UTC")) == "2026-11-24 03:03:57"


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "yesterday", "2026-13-01 00:00:00", "2026-01-02"])
def test_only_itops_own_form_is_written(text):
    assert not is_moment(text)


def test_a_zone_is_ignored_and_a_fraction_counts():
    assert parse_moment("2026-11-24T10:43:56Z") == parse_moment("2026-11-24 10:43:56+01:00")
    assert parse_moment("2026-11-24 10:43:56.5") != parse_moment("2026-11-24 10:43:56")
    assert parse_moment("") is None


def test_moments_can_be_shifted_and_subtracted():
    assert shift_moment("2026-11-24 00:30:00", -1, "HOUR") == "2026-11-23 23:30:00"
    assert shift_moment("no date", 1, "DAY") == ""
    assert seconds_between("2026-11-24 00:00:00", "2026-11-24 00:01:05") == 65
    assert seconds_between("", "2026-11-24 00:01:05") == 0
