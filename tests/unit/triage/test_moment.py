from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.triage.moment import read_moment

PARIS = ZoneInfo("Europe/Paris")
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST, LAST = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9999-12-30")


def read(value, zone=PARIS, received=RECEIVED):
    reading = read_moment(value, zone, received)
    return (f"{reading.time:%Y-%m-%d %H:%M:%S.%f}" if reading.time else None), reading.notes


def exactly(value):
    time, notes = read(value)
    assert notes == ()
    return time


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (1_772_435_730, "2026-03-02 07:15:30.000000"),
        ("1772435730", "2026-03-02 07:15:30.000000"),
        (1_772_435_730.25, "2026-03-02 07:15:30.250000"),
        ("1772435730.1234569", "2026-03-02 07:15:30.123456"),
        (1_772_435_730_125, "2026-03-02 07:15:30.125000"),
        (1_772_435_730_125_001, "2026-03-02 07:15:30.125001"),
        (1_772_435_730_125_001_999, "2026-03-02 07:15:30.125001"),
        (0, "1970-01-01 00:00:00.000000"),
    ],
)
def test_numbers_are_told_apart_by_their_size(value, time):
    assert exactly(value) == time


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-03-02T07:15:30Z", "2026-03-02 07:15:30.000000"),
        ("2026-03-02t07:15:30z", "2026-03-02 07:15:30.000000"),
        ("2026-03-02T07:15:30.557+0000", "2026-03-02 07:15:30.557000"),
        ("2026-03-02T08:15:30.557123+01:00", "2026-03-02 07:15:30.557123"),
        ("2026-03-02T08:15:30+01", "2026-03-02 07:15:30.000000"),
        ("2026-03-02 16:15:30.5 +09:00", "2026-03-02 07:15:30.500000"),
        ("2026-03-02T07:15:30.123456789Z", "2026-03-02 07:15:30.123456"),
        ("2026-03-02T07:15:30,5Z", "2026-03-02 07:15:30.500000"),
        ("2026-03-02T07:15Z", "2026-03-02 07:15:00.000000"),
        ("2026-03-02 08:15:30 CET", "2026-03-02 07:15:30.000000"),
        (" 2026-03-02T07:15:30Z ", "2026-03-02 07:15:30.000000"),
        (["2026-03-02T07:15:30Z"], "2026-03-02 07:15:30.000000"),
    ],
)
def test_iso_8601(value, time):
    assert exactly(value) == time


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("Mar 02 2026 07:15:30 UTC", "2026-03-02 07:15:30.000000"),
        ("Mar 02 2026 07:15:30.125 GMT+02:00", "2026-03-02 05:15:30.125000"),
        ("2026 Mar 02 07:15:30 Z", "2026-03-02 07:15:30.000000"),
        ("Mon Mar 02 07:15:30 ART 2026", "2026-03-02 10:15:30.000000"),
        ("févr. 28 2026 07:15:30 CET", "2026-02-28 06:15:30.000000"),
        ("MÄR 2 2026 07:15:30 CEST", "2026-03-02 05:15:30.000000"),
        ("Août 2 2025 07:15:30 EDT", "2025-08-02 11:15:30.000000"),
        ("dez. 24 2025 07:15:30 PST", "2025-12-24 15:15:30.000000"),
        ("juil. 14 2025 07:15:30 +0200", "2025-07-14 05:15:30.000000"),
    ],
)
def test_the_names_of_months_and_zones(value, time):
    assert exactly(value) == time


@pytest.mark.parametrize(
    "value", ["2026-07-02T08:15:30", "2026-07-02 08:15:30.000", "Jul 02 2026 08:15:30", "2026 Jul 02 08:15:30"]
)
def test_a_time_without_zone_is_of_the_routes_zone(value):
    assert read(value) == ("2026-07-02 06:15:30.000000", ("time_zone_assumed",))


@pytest.mark.parametrize(
    "value", ["2026-07-02T08:15:30 XYZ", "Jul 02 2026 08:15:30 XYZ", "2026-07-02T08:15:30 Mars/Base"]
)
def test_an_unknown_zone_is_read_as_utc(value):
    assert read(value) == ("2026-07-02 08:15:30.000000", ("time_zone_unknown",))


@pytest.mark.parametrize(
    ("value", "received", "time"),
    [
        ("Mar 02 11:00:00 UTC", RECEIVED, "2026-03-02 11:00:00.000000"),
        ("Mar 03 11:00:00 UTC", RECEIVED, "2026-03-03 11:00:00.000000"),
        ("Mar 04 11:00:00 UTC", RECEIVED, "2025-03-04 11:00:00.000000"),
        ("Dec 31 23:59:59 UTC", datetime(2026, 1, 1, tzinfo=UTC), "2025-12-31 23:59:59.000000"),
        ("Jan 01 00:00:01 UTC", datetime(2025, 12, 31, 23, tzinfo=UTC), "2026-01-01 00:00:01.000000"),
        ("Feb 29 12:00:00 UTC", RECEIVED, "2024-02-29 12:00:00.000000"),
        ("03/02-11:00:00.250000", RECEIVED, "2026-03-02 10:00:00.250000"),
    ],
)
def test_a_time_without_year_is_the_last_that_is_not_more_than_a_day_ahead(value, received, time):
    found, notes = read(value, received=received)
    assert found == time
    assert notes[-1] == "time_year_assumed"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "-",
        True,
        {},
        "soon",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z",
        "2026-03-02T25:00:00Z",
        "2026-03-02T08:15:30+01.00",
        "2026-03-02T08:15:30+99:00",
        "2026-03-02",
        "2026-03-02T08:15:30.1234567890Z",
        "9999-12-31T23:59:59-12:00",
        133_355_377_959_700_000,
        -5,
        1e300,
        "9" * 30,
        "Feb 30 2026 00:00:00",
        "Mar Mar 02 2026 07:15:30",
        "Mar 02 2026",
        "13/45-07:15:30",
        "x" * 1_000_000,
        "\N{ARABIC-INDIC DIGIT TWO}026-03-02T08:15:30Z",
    ],
)
def test_what_is_no_time_is_of_no_use(value):
    assert read(value) == (None, ())


JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.lists(st.text())
)


@given(JSON | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{0,12}[ +-]?[A-Z0-9:]{0,6}"))
def test_no_value_raises_and_every_time_is_aware_utc(value):
    reading = read_moment(value, PARIS, RECEIVED)
    assert reading.time is None or (reading.time.tzinfo is UTC and reading.time.year >= 1970)


@given(st.datetimes(FIRST, LAST, timezones=st.timezones()))
def test_every_iso_time_is_read_as_itself(time):
    reading = read_moment(time.isoformat(), PARIS, RECEIVED)
    # zones of old have offsets with seconds, which no alert has
    assert reading.time in (time.astimezone(UTC), None)
    assert reading.time is not None or time.utcoffset().seconds % 60
