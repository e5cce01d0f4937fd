from itop_bridge.simulator.simulator import Simulator


async def test_objects_show_attributes_as_itop_does_and_logs_as_lists(simulator, client):
    await client.create(public_log="hello")
    (shown,) = simulator.objects("Incident")
    assert (shown["id"], shown["org_id"], shown["priority"], shown["origin"]) == (1, "2", "4", "phone")
    assert [entry["message"] for entry in shown["public_log"]] == ["hello"]
    assert shown["private_log"] == []


async def test_calls_are_recorded_with_what_was_asked(simulator, client, clock):
    await client.create(title="asked")
    (call,) = simulator.calls
    assert (call.operation, call.iclass, call.at, call.code, call.wrote) == (
        "core/create",
        "Incident",
        clock.now,
        0,
        True,
    )
    assert call.request["fields"]["title"] == "asked"
    assert simulator.count("core/create") == 1
    assert simulator.count("core/create", wrote=False) == simulator.count("core/get") == 0


async def test_now_in_a_query_is_the_databases_clock(clock):
    simulator = Simulator(clock=clock, zone="Europe/Paris", database_zone="UTC")
    session = simulator.open_session(simulator.accounts["admin"])
    assert (session.now(), session.database_now()) == ("2026-11-24 04:03:57", "2026-11-24 03:03:57")


def test_without_a_sample_there_is_nothing_but_the_users():
    simulator = Simulator(sample=False)
    assert simulator.objects("Organization") == []
    assert "admin" in simulator.accounts


def test_the_sample_is_a_customer_with_a_soc(simulator):
    assert [(each["id"], each["code"]) for each in simulator.objects("Organization")] == [
        (1, "SOMECODE"),
        (2, "EXC"),
        (3, "OTH"),
    ]
    (team,) = simulator.objects("Team")
    assert [link["person_id_friendlyname"] for link in team["persons_list"]] == ["Alice Agent", "Bob Agent"]
    assert "CSOC - Security Monitoring" in [each["name"] for each in simulator.objects("Service")]
    assert [each["managementip"] for each in simulator.objects("Server")].count("10.1.0.1") == 2
