import pytest

from itop_bridge.delivery.failure import MOST_FAILURES, Action, decide_consequence, is_itops_own
from itop_bridge.itop.error import (
    ConditionError,
    CredentialsError,
    DatabaseError,
    FieldError,
    LogFullError,
    MaintenanceError,
    NoReplyError,
    NotAllowedError,
    NotSentError,
    ObjectGoneError,
    RefusedError,
    RequestError,
    ServerError,
    StimulusError,
    ThrottledError,
    TooLongError,
)


def decide(error, failures=0, healthy=True):
    return decide_consequence(error, optional=frozenset({"team_id"}), failures=failures, healthy=healthy)


@pytest.mark.parametrize(
    ("error", "action", "counts"),
    [
        (NotSentError("x"), Action.BACK_OFF, False),
        (MaintenanceError("x"), Action.BACK_OFF, False),
        (ThrottledError("x"), Action.BACK_OFF, False),
        (CredentialsError("x"), Action.BACK_OFF, False),
        (NotAllowedError("x"), Action.BACK_OFF, False),
        (ConditionError("x"), Action.READ_AGAIN, True),
        (ObjectGoneError("x"), Action.READ_AGAIN, True),
        (NoReplyError("x"), Action.LOOK, True),
        (ServerError("x"), Action.LOOK, True),
        (DatabaseError("x"), Action.LOOK, True),
        (LogFullError("x", column="public_log_index"), Action.WITHOUT_TEXT, False),
        (StimulusError("x", stimulus="ev_resolve"), Action.BACK_OFF, True),
        (FieldError("x", field="team_id", reason="not_found"), Action.WITHOUT_REFERENCE, False),
        (FieldError("x", field="org_id", reason="not_found"), Action.PARK, False),
        (TooLongError("x"), Action.PARK, False),
        (RequestError("x"), Action.PARK, False),
        (RefusedError("x"), Action.PARK, False),
    ],
)
def test_what_follows_is_told_by_the_error(error, action, counts):
    consequence = decide(error)
    assert (consequence.action, consequence.counts) == (action, counts)


def test_an_outage_costs_no_attempts():
    assert not decide(NoReplyError("x"), healthy=False).counts


@pytest.mark.parametrize("error", [ConditionError("x"), StimulusError("x", stimulus="ev_resolve")])
def test_what_fails_by_itself_five_times_is_poison(error):
    assert decide(error, failures=MOST_FAILURES - 2).action is not Action.PARK
    assert decide(error, failures=MOST_FAILURES - 1).reason == "poison"


def test_an_unknown_outcome_is_looked_for_however_often_it_failed():
    assert decide(ServerError("x"), failures=99).action is Action.LOOK


@pytest.mark.parametrize(
    ("error", "healthy", "own"),
    [
        (MaintenanceError("x"), True, True),
        (NoReplyError("x"), False, True),
        (NoReplyError("x"), True, False),
        (ConditionError("x"), False, False),
        (RefusedError("x"), False, False),
    ],
)
def test_a_failure_that_is_itops_own_is_told_from_the_calls(error, healthy, own):
    assert is_itops_own(error, healthy=healthy) is own
