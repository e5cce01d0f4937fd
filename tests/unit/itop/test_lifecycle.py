"""The ways between states."""

import pytest

from itop_bridge.itop.lifecycle import Phase, phase_of, reopen_stimulus, resolve_stimulus

_SHARED = [
    ("new", "ev_autoresolve"),
    ("pending", "ev_autoresolve"),
    ("assigned", "ev_resolve"),
    ("escalated_ttr", "ev_resolve"),
    ("escalated_tto", None),
    ("resolved", None),
    ("closed", None),
    ("", None),
]


@pytest.mark.parametrize("iclass", ["Incident", "UserRequest", "SiteIncident"])
@pytest.mark.parametrize(("status", "stimulus"), _SHARED)
def test_the_shortest_way_to_resolved(iclass, status, stimulus):
    assert resolve_stimulus(iclass, status) == stimulus


@pytest.mark.parametrize(
    ("iclass", "status", "stimulus"),
    [
        ("UserRequest", "approved", "ev_autoresolve"),
        ("UserRequest", "waiting_for_approval", None),
        ("UserRequest", "rejected", None),
        ("Incident", "approved", None),
    ],
)
def test_a_request_has_states_of_its_own(iclass, status, stimulus):
    assert resolve_stimulus(iclass, status) == stimulus


@pytest.mark.parametrize("iclass", ["Incident", "UserRequest"])
def test_only_a_resolved_object_is_reopened(iclass):
    statuses = ["new", "assigned", "pending", "escalated_tto", "escalated_ttr", "resolved", "closed", "rejected"]
    assert [s for s in statuses if reopen_stimulus(iclass, s)] == ["resolved"]
    assert reopen_stimulus(iclass, "resolved") == "ev_reopen"


@pytest.mark.parametrize(
    ("status", "operational_status", "phase"),
    [
        ("new", "ongoing", Phase.ONGOING),
        ("pending", "ongoing", Phase.ONGOING),
        ("waiting_for_approval", "ongoing", Phase.ONGOING),
        ("resolved", "resolved", Phase.RESOLVED),
        ("closed", "closed", Phase.CLOSED),
        ("rejected", "closed", Phase.CLOSED),
        ("rejected", "", Phase.CLOSED),
        ("resolved", "", Phase.RESOLVED),
        ("assigned", "", Phase.ONGOING),
        ("site_state", "resolved", Phase.RESOLVED),
    ],
)
def test_the_phase_of_a_status(status, operational_status, phase):
    assert phase_of(status, operational_status) is phase
