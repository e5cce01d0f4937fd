import pytest
from situation import NOW, attempt, case, incident, opened

from itop_bridge.delivery.look import Absent, GivenUp, Kept, Lost, Proved, Twin, decide_finding


def test_a_token_that_is_found_proves_the_write():
    assert decide_finding(attempt(), incident(), opened(), visible=True) == Proved()


def test_a_token_that_is_not_found_means_plan_anew():
    assert decide_finding(attempt(), None, opened(), visible=True) == Absent(None)


@pytest.mark.parametrize(("look", "after"), [(NOW + 50, NOW + 590), (NOW + 590, NOW + 3590), (NOW + 3590, None)])
def test_a_create_is_looked_for_again_after_ten_minutes_and_an_hour(look, after):
    tried = attempt(kind="create", incident=None, state="absent", look=look)
    assert decide_finding(tried, None, case(), visible=False) == Absent(after)


def test_an_entry_that_stayed_is_kept():
    applied = attempt(state="applied")
    assert decide_finding(applied, incident(), opened(), visible=True) == Kept()


def test_an_entry_that_is_gone_is_lost_only_where_the_incident_can_be_seen():
    applied = attempt(state="applied", looks=1)
    assert decide_finding(applied, None, opened(), visible=True) == Lost()
    assert decide_finding(applied, None, opened(), visible=False) == Kept()


def test_an_entry_is_rewritten_five_times_at_most():
    assert decide_finding(attempt(state="applied", looks=5), None, opened(), visible=True) == Lost()
    assert decide_finding(attempt(state="applied", looks=6), None, opened(), visible=True) == GivenUp()


def test_a_write_without_text_leaves_nothing_to_be_lost():
    applied = attempt(state="applied", message="")
    assert decide_finding(applied, None, opened(), visible=True) == Kept()


def test_a_create_that_lands_beside_the_cases_incident_is_a_twin():
    late = attempt(kind="create", incident=None, state="absent")
    assert decide_finding(late, incident(id=9), opened(), visible=True) == Twin()
    assert decide_finding(late, incident(id=7), opened(), visible=True) == Proved()
    assert decide_finding(late, incident(id=9), case(), visible=True) == Proved()


def test_a_create_that_lands_while_its_alerts_are_still_pending_replaces_the_incident_before():
    late = attempt(kind="create", incident=None, state="absent")
    assert decide_finding(late, incident(id=9), opened(attempts=(late,)), visible=True) == Proved()
