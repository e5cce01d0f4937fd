import pytest
from situation import (
    NOW,
    adds,
    attempt,
    backlog,
    case,
    closed_incident,
    fires,
    incident,
    opened,
    resolved_incident,
    resolves,
    situation,
)

from itop_bridge.delivery.plan import (
    Append,
    Create,
    Drop,
    Idle,
    Park,
    Reopen,
    Resolve,
    Wait,
    next_interval_s,
    plan,
    plan_unread,
)
from itop_bridge.journal.turn import LOOK_TOGETHER_S
from itop_bridge.settings.policy import Policy

HOUR = 3600.0


# no incident


def test_nothing_pending_is_idle():
    assert plan(situation(opened(), backlog()), incident()) == Idle()


def test_a_firing_alert_opens_an_incident():
    assert plan(situation(case(), backlog(fires(1), fires(2))), None) == Create(2, "new")


def test_create_and_resolve_both_pending_is_a_create_first():
    assert plan(situation(case(firing=0), backlog(fires(1), resolves(2))), None) == Create(1, "new")


def test_a_refire_after_a_resolve_is_covered_by_the_create():
    assert plan(situation(case(), backlog(fires(1), resolves(2), fires(3))), None) == Create(3, "new")


@pytest.mark.parametrize("owed", [backlog(adds(1)), backlog(resolves(1)), backlog(adds(1), resolves(2))])
def test_what_deserves_no_incident_opens_none(owed):
    assert plan(situation(case(), owed), None) == Drop(owed.last_seq, "no_incident")


def test_an_attempt_of_unknown_outcome_is_waited_for_before_anything_else():
    known = case(attempts=(attempt(kind="create", incident=None, look=NOW + 50),))
    step = plan(situation(known, backlog(fires(1))), None)
    assert step == Wait(NOW + 50 + LOOK_TOGETHER_S, "attempt_unknown")


# ongoing


def test_a_firing_alert_is_appended():
    assert plan(situation(opened(), backlog(fires(1))), incident()) == Append(1, "ongoing")


def test_a_more_urgent_alert_raises_the_urgency():
    step = plan(situation(opened(), backlog(fires(1, urgency=1))), incident(urgency=2))
    assert step == Append(1, "more_urgent", 1)


def test_an_urgency_that_a_person_changed_stays():
    step = plan(situation(opened(), backlog(fires(1, urgency=1))), incident(urgency=3))
    assert step == Append(1, "ongoing")


def test_state_changes_are_spaced():
    known = opened(changed_at=NOW - 10)
    step = plan(situation(known, backlog(fires(1, urgency=1))), incident(urgency=2))
    assert step == Wait(NOW + 20, "spacing")


def test_a_log_entry_waits_for_the_group_interval():
    step = plan(situation(opened(told_at=NOW - 100), backlog(fires(1))), incident())
    assert step == Wait(NOW + 200, "group_interval")


def test_while_only_counts_change_the_interval_is_the_doubled_one():
    known = opened(told_at=NOW - 400, interval_s=600.0)
    assert plan(situation(known, backlog(fires(1))), incident()) == Wait(NOW + 200, "repeat_interval")


def test_news_is_told_after_the_group_interval_however_long_the_interval_has_become():
    known = opened(told_at=NOW - 400, interval_s=14_400.0)
    assert plan(situation(known, backlog(fires(1, host="srv-02"))), incident()) == Append(1, "ongoing")


def test_the_interval_doubles_up_to_the_repeat_interval_and_falls_back_with_news():
    calm = situation(opened(interval_s=300.0), backlog(fires(1)))
    assert next_interval_s(calm) == 600.0
    assert next_interval_s(situation(opened(interval_s=14_000.0), backlog(fires(1)))) == 14_400.0
    assert next_interval_s(situation(opened(interval_s=14_000.0), backlog(fires(1, host="new")))) == 300.0


def test_the_incident_is_resolved_when_nothing_fires_any_more():
    step = plan(situation(opened(firing=0), backlog(resolves(1))), incident(status="new"))
    assert step == Resolve(1, "nothing_fires", "ev_autoresolve")


def test_a_resolve_with_others_firing_is_a_log_entry():
    assert plan(situation(opened(firing=2), backlog(resolves(1))), incident()) == Append(1, "ongoing")


def test_an_alert_after_the_resolve_keeps_the_incident_open():
    assert plan(situation(opened(firing=0), backlog(resolves(1), fires(2))), incident()) == Append(2, "ongoing")


@pytest.mark.parametrize(
    "shown", [incident(status="assigned", agent=4), incident(status="pending")], ids=["agent", "pending"]
)
def test_what_a_person_holds_is_not_resolved(shown):
    assert plan(situation(opened(firing=0), backlog(resolves(1))), shown) == Append(1, "held_by_person")


def test_the_agent_that_we_set_holds_nothing():
    shown = incident(status="assigned", agent=4)
    assert isinstance(plan(situation(opened(firing=0, agent=4), backlog(resolves(1))), shown), Resolve)


def test_resolve_always_resolves_what_a_person_holds():
    shown = incident(status="assigned", agent=4)
    step = plan(situation(opened(firing=0), backlog(resolves(1)), Policy(resolve="always")), shown)
    assert step == Resolve(1, "nothing_fires", "ev_resolve")


def test_resolve_never_is_a_log_entry():
    step = plan(situation(opened(firing=0), backlog(resolves(1)), Policy(resolve="never")), incident())
    assert step == Append(1, "resolve_never")


def test_where_the_way_to_resolved_is_closed_it_is_a_log_entry():
    shown = incident(status="escalated_tto")
    assert plan(situation(opened(firing=0), backlog(resolves(1))), shown) == Append(1, "way_closed")


def test_the_logs_budget_ends_log_entries():
    assert plan(situation(opened(entries=200), backlog(fires(1))), incident()) == Drop(1, "log_budget")


def test_a_state_change_goes_on_when_the_budget_is_used_up():
    step = plan(situation(opened(entries=200), backlog(fires(1, urgency=1))), incident(urgency=2))
    assert step == Append(1, "more_urgent", 1)


def test_a_full_log_ends_log_entries():
    assert plan(situation(opened(log_full=True), backlog(fires(1))), incident()) == Drop(1, "log_full")


# resolved


def test_an_alert_from_before_the_resolution_never_reopens():
    owed = backlog(fires(1, received=NOW - 2 * HOUR))
    assert plan(situation(opened(), owed), resolved_incident(HOUR)) == Append(1, "resolved_meanwhile")


def test_an_alert_within_the_grace_is_appended():
    assert plan(situation(opened(), backlog(fires(1))), resolved_incident(300)) == Append(1, "resolved_meanwhile")


def test_a_recurrence_reopens():
    step = plan(situation(opened(), backlog(fires(1))), resolved_incident(HOUR))
    assert step == Reopen(1, "recurrence", "ev_reopen")


def test_a_recurrence_that_has_ended_again_is_reopened_for_its_trace():
    step = plan(situation(opened(firing=0), backlog(fires(1), resolves(2))), resolved_incident(HOUR))
    assert step == Reopen(1, "recurrence", "ev_reopen")


def test_after_three_reopenings_a_recurrence_is_a_new_incident():
    step = plan(situation(opened(reopened=3), backlog(fires(1))), resolved_incident(HOUR))
    assert step == Create(1, "recurrence_new", "I-000007")


def test_recurrence_append_and_new_are_the_sites_choice():
    owed = backlog(fires(1))
    assert plan(situation(opened(), owed, Policy(recurrence="append")), resolved_incident(HOUR)) == Append(
        1, "recurrence_append"
    )
    assert plan(situation(opened(), owed, Policy(recurrence="new")), resolved_incident(HOUR)) == Create(
        1, "recurrence_new", "I-000007"
    )


def test_a_late_recurrence_is_a_new_incident_that_names_the_old_one():
    step = plan(situation(opened(), backlog(fires(1))), resolved_incident(25 * HOUR))
    assert step == Create(1, "recurrence_late", "I-000007")


def test_while_itops_clock_is_unknown_nothing_is_reopened():
    shown = incident(status="resolved", phase=resolved_incident(0).phase, resolved_at=None)
    assert plan(situation(opened(), backlog(fires(1))), shown) == Append(1, "resolved_meanwhile")


def test_a_resolve_of_a_resolved_incident_is_dropped():
    assert plan(situation(opened(firing=0), backlog(resolves(1))), resolved_incident(HOUR)) == Drop(
        1, "already_resolved"
    )


def test_what_fires_after_our_own_resolve_waits_for_the_end_of_the_grace():
    known = opened(resolved=True)
    assert plan(situation(known, backlog(fires(1))), resolved_incident(300)) == Wait(NOW + 300, "resolve_grace")
    assert plan(situation(known, backlog(fires(1))), resolved_incident(600)) == Reopen(1, "recurrence", "ev_reopen")


def test_what_ended_within_the_grace_of_our_own_resolve_is_appended():
    owed = backlog(fires(1), resolves(2))
    assert plan(situation(opened(resolved=True, firing=0), owed), resolved_incident(300)) == Append(
        2, "resolved_meanwhile"
    )


def test_an_alert_below_the_threshold_makes_no_recurrence():
    owed = backlog(fires(1, received=NOW - 2 * HOUR), adds(2))
    assert plan(situation(opened(), owed), resolved_incident(HOUR)) == Append(2, "resolved_meanwhile")


# closed, gone


def test_an_alert_of_a_closed_incident_opens_a_new_one_that_names_it():
    assert plan(situation(opened(), backlog(fires(1))), closed_incident()) == Create(1, "incident_closed", "I-000007")


def test_a_resolve_of_a_closed_incident_is_dropped():
    assert plan(situation(opened(firing=0), backlog(resolves(1))), closed_incident()) == Drop(1, "closed")


def test_an_incident_that_is_gone_is_replaced_once():
    assert plan(situation(opened(), backlog(fires(1))), None) == Create(1, "incident_gone", "I-000007")
    step = plan(situation(opened(replaced_at=NOW - HOUR), backlog(fires(1))), None)
    assert isinstance(step, Park)
    assert step.reason == "incident_gone"


def test_a_resolve_of_an_incident_that_is_gone_is_dropped():
    assert plan(situation(opened(firing=0), backlog(resolves(1))), None) == Drop(1, "incident_gone")


# without a look at iTop


def test_a_log_entry_whose_time_has_not_come_needs_no_look_at_itop():
    assert plan_unread(situation(opened(told_at=NOW - 100), backlog(fires(1)))) == Wait(NOW + 200, "group_interval")


@pytest.mark.parametrize("owed", [backlog(fires(1, urgency=1)), backlog(resolves(1))], ids=["urgent", "resolve"])
def test_what_may_change_the_state_is_looked_at_now(owed):
    assert plan_unread(situation(opened(told_at=NOW - 100), owed)) is None


def test_after_the_group_interval_it_is_looked_at_however_long_the_interval_has_become():
    known = opened(told_at=NOW - 400, interval_s=14_400.0)
    assert plan_unread(situation(known, backlog(fires(1)))) is None
