import pytest

RESOLVE = {"solution": "done", "service_id": 1, "resolution_code": "other"}
ASSIGN = {"team_id": 6, "agent_id": 3}


async def stimulate(client, key, stimulus, iclass="Incident", **fields):
    """The message of the refusal, or the new status."""
    answer = await client("apply_stimulus", iclass, key=key, stimulus=stimulus, fields=fields, output_fields="status")
    return answer["message"] or answer["objects"][f"{iclass}::{key}"]["fields"]["status"]


async def test_an_incident_lives_from_new_to_closed_and_dates_are_noted(client, clock):
    incident = await client.create()
    for stimulus, fields, status in [
        ("ev_assign", ASSIGN, "assigned"),
        ("ev_pending", {"pending_reason": "waits"}, "pending"),
        ("ev_assign", {}, "assigned"),
        ("ev_resolve", RESOLVE, "resolved"),
        ("ev_reopen", {}, "assigned"),
        ("ev_resolve", {}, "resolved"),
        ("ev_close", {}, "closed"),
    ]:
        clock.now += 60
        assert await stimulate(client, incident, stimulus, **fields) == status
    dates = ("assignment_date", "last_pending_date", "resolution_date", "close_date")
    shown = await client.read(incident, ",".join((*dates, "operational_status", "solution", "time_spent")))
    assert [shown[date][-5:] for date in dates] == ["04:57", "05:57", "09:57", "10:57"]
    assert (shown["operational_status"], shown["solution"], shown["time_spent"]) == ("closed", "<p>done</p>", "360")


async def test_autoresolve_needs_only_a_solution(client):
    incident = await client.create()
    missing = "Missing mandatory attribute(s) for applying the stimulus: solution."
    assert await stimulate(client, incident, "ev_autoresolve") == missing
    assert await stimulate(client, incident, "ev_autoresolve", solution="x") == "resolved"
    assert await stimulate(client, incident, "ev_autoresolve") == "resolved"


@pytest.mark.parametrize("stimulus", ["ev_resolve", "ev_close", "ev_foo", "ev_autoclose"])
async def test_a_stimulus_that_the_state_does_not_know_stores_nothing(simulator, client, stimulus):
    incident = await client.create()
    message = f"Invalid stimulus: '{stimulus}' on the object I-000001 in state 'new'"
    assert await stimulate(client, incident, stimulus, title="changed", **RESOLVE) == message
    assert simulator.objects("Incident")[0]["title"] == "t"
    assert not simulator.calls[-1].wrote


async def test_an_incident_stuck_in_escalated_tto_answers_a_page(client):
    incident = await client.create()
    assert await stimulate(client, incident, "ev_timeout") == "escalated_tto"
    request = {"operation": "core/apply_stimulus", "class": "Incident", "comment": "c", "key": incident}
    async with client.post({**request, "stimulus": "ev_assign", "fields": ASSIGN}) as response:
        assert response.status == 500
    assert (await client.read(incident, "status"))["status"] == "escalated_tto"


async def test_a_user_request_leaves_escalated_tto(client):
    request = await client.create("UserRequest")
    assert await stimulate(client, request, "ev_timeout", "UserRequest") == "escalated_tto"
    assert await stimulate(client, request, "ev_assign", "UserRequest", **ASSIGN) == "assigned"


async def test_a_rejected_request_is_closed_and_can_be_reopened(client):
    request = await client.create("UserRequest")
    await stimulate(client, request, "ev_wait_for_approval", "UserRequest")
    assert await stimulate(client, request, "ev_reject", "UserRequest") == "rejected"
    assert (await client.read(request, "operational_status", "UserRequest"))["operational_status"] == "closed"
    assert await stimulate(client, request, "ev_reopen", "UserRequest") == "new"


async def test_a_reassignment_to_the_same_agent_changes_nothing(simulator, client, clock):
    incident = await client.create()
    await stimulate(client, incident, "ev_assign", **ASSIGN)
    clock.now += 60
    assert await stimulate(client, incident, "ev_reassign", **ASSIGN) == "assigned"
    assert not simulator.calls[-1].wrote
