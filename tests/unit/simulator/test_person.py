import pytest

from itop_bridge.simulator.failure import RefusedError
from itop_bridge.simulator.simulator import Simulator


@pytest.fixture
async def incident(client):
    return await client.create()


@pytest.fixture
def alice(simulator: Simulator):
    return simulator.person("Alice Agent")


def shown(simulator):
    return simulator.objects("Incident")[0]


async def test_a_person_takes_an_incident_with_the_persons_team(simulator, alice, incident):
    alice.assign(incident)
    assert (shown(simulator)["status"], shown(simulator)["agent_id"], shown(simulator)["team_id"]) == (
        "assigned",
        "3",
        "6",
    )
    simulator.person("Bob Agent").assign(str(incident))
    assert shown(simulator)["agent_name"] == "Agent"
    assert shown(simulator)["agent_id"] == "4"


async def test_a_person_goes_through_the_whole_life(simulator, alice, incident):
    alice.assign(incident)
    alice.pending(incident, "waits for the user")
    assert shown(simulator)["pending_reason"] == "waits for the user"
    alice.resolve(incident, "fixed")
    assert (shown(simulator)["status"], shown(simulator)["solution"]) == ("resolved", "<p>fixed</p>")
    alice.reopen(incident)
    alice.close(incident)
    assert shown(simulator)["operational_status"] == "closed"
    with pytest.raises(RefusedError, match="ev_reopen"):
        alice.reopen(incident)


async def test_a_person_edits_and_writes_under_the_own_name(simulator, alice, incident):
    alice.edit(incident, urgency="1", title="mine")
    alice.log(incident, "looked at it", log="private_log")
    assert (shown(simulator)["urgency"], shown(simulator)["priority"], shown(simulator)["title"]) == ("1", "1", "mine")
    (entry,) = shown(simulator)["private_log"]
    assert (entry["user_login"], entry["message"]) == ("Alice Agent", "looked at it")
    assert entry["user_id"] == str(simulator.accounts["alice"].id)


async def test_a_person_deletes(simulator, alice, incident):
    alice.delete(incident)
    assert simulator.objects("Incident") == []
    with pytest.raises(LookupError):
        alice.log(incident, "too late")


async def test_acts_of_people_are_no_calls(simulator, alice, incident):
    alice.assign(incident)
    assert [call.operation for call in simulator.calls] == ["core/create"]


def test_who_is_not_there_cannot_act(simulator):
    with pytest.raises(LookupError, match="Eve"):
        simulator.person("Eve Nobody")


def test_a_person_without_an_account_acts_too(simulator):
    simulator.person("My first name My last name")


async def test_a_person_fills_in_what_the_form_insists_on(start):
    simulator, client = await start(install="simple")
    request = await client.create("UserRequest")
    simulator.person("Alice Agent").resolve(request, "fixed")
    (shown,) = simulator.objects("UserRequest")
    assert (shown["status"], shown["request_type"], shown["service_id"]) == ("resolved", "incident", "1")


async def test_a_person_can_do_any_stimulus(simulator, client):
    request = await client.create("UserRequest")
    simulator.person("Alice Agent").stimulate(request, "ev_wait_for_approval")
    simulator.person("Bob Agent").act("stimulate", request, "ev_reject")
    assert simulator.objects("UserRequest")[0]["status"] == "rejected"
    with pytest.raises(LookupError, match="'_write' is no act"):
        simulator.person("Bob Agent").act("_write", request)
