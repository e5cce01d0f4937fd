"""The control from outside. That faults can be set so is shown with the wire's tests."""

import pytest

from itop_bridge.simulator.control import set_latency


async def order(client, path, command):
    async with client.session.post(f"{client.url}/simulator/{path}", json=command) as response:
        return response.status, await response.text()


async def test_people_act_on_demand(simulator, client):
    incident = await client.create()
    for act in (
        {"act": "assign"},
        {"act": "log", "text": "on it", "log": "private_log"},
        {"act": "edit", "urgency": "1"},
        {"act": "resolve", "solution": "done"},
        {"act": "stimulate", "stimulus": "ev_close"},
    ):
        status, _ = await order(client, "people", {"person": "Alice Agent", "ticket": incident, **act})
        assert status == 200
    (shown,) = simulator.objects("Incident")
    assert (shown["status"], shown["urgency"], shown["agent_id"]) == ("closed", "1", "3")
    assert [entry["message"] for entry in shown["private_log"]] == ["on it"]
    await order(client, "people", {"person": "Alice Agent", "ticket": incident, "act": "delete"})
    assert simulator.objects("Incident") == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([], "must be an object"),
        ({"act": "log"}, "the keys act, person, ticket"),
        ({"person": "Eve", "act": "log", "ticket": 1}, "no person called 'Eve'"),
        ({"person": "Alice Agent", "act": "__init__", "ticket": 1}, "no act; there are assign"),
        ({"person": "Alice Agent", "act": "log", "ticket": 9, "text": "x"}, "no ticket 9"),
        ({"person": "Alice Agent", "act": "log", "ticket": 1}, "missing 1 required positional argument: 'text'"),
        ({"person": "Alice Agent", "act": "reopen", "ticket": 1}, "Invalid stimulus: 'ev_reopen'"),
        ({"person": "Alice Agent", "act": "edit", "ticket": 1, "colour": "red"}, "colour: Unknown attribute"),
    ],
)
async def test_an_act_that_cannot_be_is_refused(client, command, told):
    await client.create()
    status, text = await order(client, "people", command)
    assert status == 400
    assert told in text


async def test_latency_can_be_set_from_outside(simulator, client):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    simulator.sleep = sleep
    assert (await order(client, "latency", {"seconds": 2}))[0] == 200
    await client.create()
    assert slept == [2]
    for wrong in ({}, {"seconds": -1}, {"seconds": "2"}, {"seconds": 1, "colour": 2}):
        assert (await order(client, "latency", wrong))[0] == 400


def test_a_latency_with_a_percentile_varies_by_that_distribution(simulator):
    set_latency(simulator, {"seconds": 0.1, "p95_s": 0.4})
    drawn = sorted(simulator.latency_s() for _ in range(2_000))
    assert 0.08 < drawn[1_000] < 0.12
    assert 0.3 < drawn[1_900] < 0.55


async def test_what_is_no_json_is_refused(client):
    headers = {"Content-Type": "application/json"}
    async with client.session.post(f"{client.url}/simulator/people", data="{", headers=headers) as response:
        assert response.status == 400
