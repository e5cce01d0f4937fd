"""When to call while iTop fails."""

import pytest

from itop_bridge.itop.breaker import Breaker, Decision, Verdict, backoff_s, probe_after_s

_PROCEED = Decision(Verdict.PROCEED)
_PROBE = Decision(Verdict.PROBE)


def _wait(wait_s):
    return Decision(Verdict.WAIT, wait_s)


@pytest.fixture
def breaker(fake_time):
    return Breaker(fake_time.clock, lambda: 1.0)


def _fail_probe(breaker, fake_time):
    fake_time.now += breaker.wait_s
    assert breaker.decide() == _PROBE
    breaker.record_failure()


def test_closed_lets_calls_pass(breaker):
    assert breaker.decide() == _PROCEED
    assert breaker.wait_s == 0.0


def test_one_failure_opens(breaker):
    breaker.record_failure()
    assert not breaker.is_closed
    assert breaker.decide() == _wait(1.0)


def test_one_probe_when_the_time_has_come_and_no_second(breaker, fake_time):
    breaker.record_failure()
    fake_time.now += 1.0
    assert [breaker.decide().verdict for _ in range(3)] == [Verdict.PROBE, Verdict.WAIT, Verdict.WAIT]


def test_a_probe_that_succeeds_closes_and_forgets(breaker, fake_time):
    breaker.record_failure()
    _fail_probe(breaker, fake_time)
    fake_time.now += 2.0
    breaker.decide()
    breaker.record_success()
    assert breaker.decide() == _PROCEED
    breaker.record_failure()
    assert breaker.decide() == _wait(1.0)


def test_probes_that_fail_wait_longer_up_to_a_minute(breaker, fake_time):
    breaker.record_failure()
    waits = []
    for _ in range(10):
        waits.append(breaker.wait_s)
        _fail_probe(breaker, fake_time)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_failures_of_calls_that_were_under_way_do_not_lengthen_the_wait(breaker, fake_time):
    for _ in range(5):
        breaker.record_failure()
    assert breaker.decide() == _wait(1.0)


def test_halted_probes_every_five_minutes(breaker, fake_time):
    breaker.halt("credentials")
    assert breaker.halted == "credentials"
    assert breaker.decide() == _wait(300.0)
    _fail_probe(breaker, fake_time)
    assert breaker.decide() == _wait(300.0)
    fake_time.now += 300.0
    assert breaker.decide() == _PROBE
    breaker.halt("credentials")
    assert breaker.decide() == _wait(300.0)


def test_a_reset_probes_now_and_does_not_let_calls_pass_unproved(breaker):
    breaker.halt("credentials")
    breaker.reset()
    assert not breaker.is_closed
    assert breaker.decide() == _PROBE
    breaker.record_success()
    assert breaker.decide() == _PROCEED
    assert breaker.halted is None


def test_a_reset_of_a_closed_breaker_changes_nothing(breaker):
    breaker.reset()
    assert breaker.decide() == _PROCEED


def test_a_spawned_breaker_is_its_own(breaker):
    breaker.record_failure()
    assert breaker.spawn().decide() == _PROCEED


@pytest.mark.parametrize(("attempt", "most"), [(0, 1), (1, 1), (2, 2), (9, 256), (10, 300), (10_000, 300)])
def test_backoff_is_full_jitter_up_to_five_minutes(attempt, most):
    assert backoff_s(attempt, lambda: 0.0) == 0.0
    assert backoff_s(attempt, lambda: 0.5) == most / 2
    assert backoff_s(attempt, lambda: 1.0) == most


@pytest.mark.parametrize(("failures", "most"), [(0, 1), (1, 1), (2, 2), (6, 32), (7, 60), (10_000, 60)])
def test_the_next_probe_is_after_half_of_its_time_at_least_and_a_minute_at_most(failures, most):
    assert probe_after_s(failures, lambda: 0.0) == most / 2
    assert probe_after_s(failures, lambda: 1.0) == most
