from itop_bridge.delivery.flapping import Flap, decide_flapping, describe_flapping
from itop_bridge.settings.policy import Flapping

RULE = Flapping(changes=3, within=100.0)
FAST = (10.0, 20.0, 30.0, 40.0)


def test_more_changes_than_allowed_in_the_time_are_flapping():
    assert decide_flapping(FAST, RULE, 0.0, 50.0) == Flap(140.0, told=False)


def test_as_many_as_allowed_are_not():
    assert decide_flapping(FAST[:3], RULE, 0.0, 50.0) is None


def test_changes_spread_over_a_longer_time_are_not():
    assert decide_flapping((10.0, 50.0, 90.0, 110.0), RULE, 0.0, 111.0) is None


def test_it_ends_when_it_has_been_quiet_for_the_time():
    assert decide_flapping(FAST, RULE, 0.0, 139.0) is not None
    assert decide_flapping(FAST, RULE, 0.0, 140.0) is None


def test_once_told_a_slower_change_prolongs_it():
    assert decide_flapping((*FAST, 130.0), RULE, 140.0, 200.0) == Flap(230.0, told=True)


def test_what_begins_again_after_quiet_is_to_be_told_again():
    later = (300.0, 310.0, 320.0, 330.0)
    assert decide_flapping((*FAST, *later), RULE, 140.0, 340.0) == Flap(430.0, told=False)
    assert decide_flapping((*FAST, *later[:3]), RULE, 140.0, 340.0) is None


def test_what_its_incident_was_told_names_the_rule():
    text = describe_flapping(Flapping(6, 600.0))
    assert "more than 6 times within 10m" in text
    assert "until nothing has changed for 10m" in text


def test_a_clock_that_was_set_back_does_not_prolong_it():
    assert decide_flapping((), RULE, 100_000.0, 50.0) == Flap(150.0, told=True)
