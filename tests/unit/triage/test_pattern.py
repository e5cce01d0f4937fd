from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.triage.moment import read_moment
from itop_bridge.triage.pattern import rewrite_time

RECEIVED = datetime(2026, 2, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def read(text, pattern):
    return read_moment(rewrite_time(text, pattern), ZoneInfo("UTC"), RECEIVED).time


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Jan 31 2026 12:00:00", "MMM dd yyyy HH:mm:ss"),
        ("janv. 31 2026 13:00:00 CET", "MMM dd yyyy HH:mm:ss z"),
        ("31/01/2026 12:00:00", "dd/MM/yyyy HH:mm:ss"),
        ("1/31/26 12:00 PM", "M/d/yy h:mm a"),
        ("31.01.26 14:00:00 +0200", "dd.MM.yy HH:mm:ss Z"),
        ("2026-01-31T12:00:00Z", "yyyy-MM-dd'T'HH:mm:ssX"),
        ("2026-01-31T13:00:00+01:00", "yyyy-MM-dd'T'HH:mm:ssXXX"),
        ("20260131120000", "yyyyMMddHHmmss"),
        ("20260131 12", "yyyyMMdd HH"),
        ("Sat Jan 31 12:00:00 UTC 2026", "EEE MMM dd HH:mm:ss zzz yyyy"),
        ("12:00:00 o'clock, 31 January 2026", "HH:mm:ss 'o''clock', dd MMMM yyyy"),
        ("Jan   31   12:00:00", "MMM dd HH:mm:ss"),
        ("31/01 12:00:00", "dd/MM HH:mm:ss"),
        ("31.01.2026 12:00:00 GMT+00:00", "dd.MM.yyyy kk:mm:ss z"),
    ],
)
def test_the_letters_of_java_say_what_is_what(text, pattern):
    assert read(text, pattern) == NOON


def test_midnight_has_several_spellings():
    midnight = datetime(2026, 1, 31, tzinfo=UTC)
    assert read("31/01/2026 12:00 am", "dd/MM/yyyy hh:mm a") == midnight
    assert read("31/01/2026 24:00", "dd/MM/yyyy kk:mm") == midnight
    assert read("31/01/2026", "dd/MM/yyyy") is None  # a day is no time


def test_fractions_are_kept():
    assert read("31/01/2026 12:00:00,250", "dd/MM/yyyy HH:mm:ss,SSS") == NOON.replace(microsecond=250_000)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("31/01/2026 12:00:00", "MMM dd yyyy HH:mm:ss"),
        ("31/01/2026 12:00:00", "dd/MM/yyyy HH:mm:ss G"),
        ("31/01/2026 12:00:00", "dd/MM/yyyy HH:mm:ss dd"),
        ("31/01/2026 12:00:00", "d" * 200),
        ("31/01/2026 12:00:00" + " " * 100 + "x", "dd/MM/yyyy HH:mm:ss x"),
        ("12:00:00", "HH:mm:ss"),
        ("2026 12:00:00", "yyyy HH:mm:ss"),
        ("31/01/2026 12:00:00 o", "dd/MM/yyyy HH:mm:ss 'o"),
        ("31/01 12:00:00 CET", "dd/MM HH:mm:ss z"),
        ("x", ""),
    ],
)
def test_what_does_not_fit_is_not_rewritten(text, pattern):
    assert rewrite_time(text, pattern) is None


def test_a_date_that_there_is_not_is_no_time():
    assert read("31/02/2026 12:00:00", "dd/MM/yyyy HH:mm:ss") is None


@given(st.text(max_size=90), st.text("yMdHhmsSzZXaE'/:. -,Tqué(", max_size=90))
def test_no_text_and_no_pattern_raises(text, pattern):
    rewritten = rewrite_time(text, pattern)
    assert rewritten is None or isinstance(rewritten, str)
