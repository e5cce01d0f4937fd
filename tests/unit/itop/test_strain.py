"""When an iTop that answers counts as slow, and as one that wants to be left alone."""

import pytest

from itop_bridge.itop.strain import Slowness, Throttling


@pytest.fixture
def slowness(fake_time):
    return Slowness(fake_time.clock)


@pytest.fixture
def throttling(fake_time):
    return Throttling(fake_time.clock)


def answer(slowness, fake_time, latency_s, times):
    """One after the other, as fast as they come."""
    for _ in range(times):
        fake_time.now += latency_s
        slowness.record(latency_s)


def test_before_the_first_call_nothing_is_slow(slowness):
    assert (slowness.is_slow, slowness.typical_s) == (False, 0.0)


def test_slow_is_what_stays_slow_for_a_minute(slowness, fake_time):
    answer(slowness, fake_time, 3.0, 8 + 19)
    assert not slowness.is_slow
    answer(slowness, fake_time, 3.0, 1)
    assert slowness.is_slow
    assert slowness.typical_s == 3.0


def test_a_slow_call_now_and_then_is_no_slow_itop(slowness, fake_time):
    for _ in range(100):
        answer(slowness, fake_time, 30.0, 1)
        answer(slowness, fake_time, 0.1, 2)
    assert not slowness.is_slow


def test_a_minute_that_is_broken_off_begins_anew(slowness, fake_time):
    for _ in range(5):
        answer(slowness, fake_time, 3.0, 20)
        answer(slowness, fake_time, 0.1, 8)
    assert not slowness.is_slow


def test_it_is_slow_until_it_is_quick(slowness, fake_time):
    answer(slowness, fake_time, 3.0, 40)
    answer(slowness, fake_time, 1.5, 100)
    assert slowness.is_slow
    answer(slowness, fake_time, 0.9, 8)
    assert not slowness.is_slow


def test_pause_after_pause_is_one_throttling(throttling, fake_time):
    assert (throttling.lasts_s, throttling.left_s) == (0.0, 0.0)
    for _ in range(3):
        throttling.record(10.0)
        assert throttling.left_s == 10.0
        fake_time.now += 12.0
    assert throttling.lasts_s == 36.0
    assert throttling.left_s == 0.0


def test_a_shorter_pause_does_not_shorten_it(throttling):
    throttling.record(60.0)
    throttling.record(5.0)
    assert throttling.left_s == 60.0


def test_it_is_over_with_the_first_call_that_gets_through_or_when_none_was_made_for_long(throttling, fake_time):
    throttling.record(60.0)
    throttling.end()
    assert (throttling.lasts_s, throttling.left_s) == (0.0, 0.0)
    throttling.record(60.0)
    fake_time.now += 60.0 + Throttling.GAP_S + 1.0
    assert throttling.lasts_s == 0.0
    throttling.record(10.0)
    assert throttling.lasts_s < 1.0
