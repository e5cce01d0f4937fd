"""The verbs, over HTTP: what the exchanges recorded one after another cannot show, and what a client relies on most."""

import asyncio

import pytest

from itop_bridge.simulator.fault import Fault


async def test_parallel_appends_to_one_log_lose_entries_though_each_is_answered_with_its_own(simulator, client):
    incident = await client.create()
    answers = await asyncio.gather(*(client.append(incident, f"m{n}") for n in range(8)))
    for n, answer in enumerate(answers):
        assert answer["code"] == 0
        (shown,) = answer["objects"].values()
        assert f"m{n}" in [entry["message"] for entry in shown["fields"]["public_log"]["entries"]]
    assert 1 <= len(simulator.objects("Incident")[0]["public_log"]) < 8


async def test_appends_one_after_another_lose_nothing(simulator, client):
    incident = await client.create()
    for n in range(8):
        await client.append(incident, f"m{n}")
    assert [entry["message"] for entry in simulator.objects("Incident")[0]["public_log"]] == [f"m{n}" for n in range(8)]


async def test_parallel_writes_to_different_columns_do_not_hurt_each_other(simulator, client):
    incident = await client.create()
    await asyncio.gather(
        client.append(incident, "public"),
        client.append(incident, "private", log="private_log"),
        client("update", key=incident, fields={"urgency": 1}, output_fields="id"),
    )
    (shown,) = simulator.objects("Incident")
    assert (len(shown["public_log"]), len(shown["private_log"]), shown["urgency"]) == (1, 1, "1")


async def test_a_person_who_writes_during_a_call_loses_what_the_call_overwrites(simulator, client):
    incident = await client.create()
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_):
        waiting.set()
        await go_on.wait()

    simulator.sleep = sleep
    append = asyncio.create_task(client.append(incident, "by the bridge"))
    await waiting.wait()
    simulator.person("Alice Agent").log(incident, "by a person")
    go_on.set()
    await append
    assert [entry["message"] for entry in simulator.objects("Incident")[0]["public_log"]] == ["by the bridge"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("last_update = '2026-11-24 04:03:57'", True),
        ("last_update = '2026-11-24 04:03:56'", False),
        ("status = 'new' AND agent_id = 0 AND urgency = '4'", True),
        ("operational_status = 'resolved'", False),
        ("public_log NOT LIKE '%[sb:0123456789abcdef]%'", True),
        ("private_log LIKE '%[sb:0123456789abcdef]%'", False),
    ],
)
@pytest.mark.parametrize("operation", ["update", "apply_stimulus"])
async def test_a_write_under_a_condition_is_done_only_if_it_holds(simulator, client, operation, condition, holds):
    incident = await client.create()
    key = f"SELECT Incident WHERE id = {incident} AND {condition}"
    fields = {"solution": "done", "private_log": "x"}
    answer = await client(operation, key=key, stimulus="ev_autoresolve", fields=fields, output_fields="id")
    assert answer["message"] == (None if holds else f"Error: No item found for query: {key}")
    assert simulator.calls[-1].wrote is holds
    assert bool(simulator.objects("Incident")[0]["private_log"]) is holds


async def test_one_bad_field_leaves_all_of_them_unwritten(simulator, client):
    incident = await client.create()
    answer = await client.append(incident, "x", urgency="9")
    assert "Value not allowed [9]" in answer["message"]
    assert answer["message"].endswith(f"class = Incident, id = {incident}")
    assert simulator.objects("Incident")[0]["public_log"] == []


async def test_a_failed_check_burns_a_number_and_a_failed_look_up_does_not(client):
    assert (await client("create", fields={"org_id": 2}))["code"] == 100
    assert (await client("create", fields={"org_id": 99999}))[
        "message"
    ] == "Error: org_id: Invalid object Organization::99999"
    incident = await client.create()
    request = await client.create("UserRequest")
    assert (await client.read(incident, "ref"))["ref"] == "I-000002"
    assert (await client.read(request, "ref", "UserRequest"))["ref"] == "R-000003"
    assert request == incident + 1


async def test_identical_creates_make_two_objects(simulator, client):
    await asyncio.gather(client.create(), client.create())
    assert simulator.count("core/create", wrote=True) == len(simulator.objects("Incident")) == 2


@pytest.mark.parametrize(
    ("fields", "moves"),
    [
        ({"urgency": "1"}, True),
        ({"urgency": "4"}, False),
        ({}, False),
        ({"public_log": {"add_item": {"message": "x", "format": "text"}}}, True),
        ({"public_log": {"add_item": {"message": "", "format": "text"}}}, True),
        ({"functionalcis_list": [{"functionalci_id": 1}]}, True),
        ({"functionalcis_list": []}, True),
    ],
)
async def test_last_update_moves_with_every_change(simulator, client, clock, fields, moves):
    incident = await client.create()
    clock.now += 60
    answer = await client("update", key=incident, fields=fields, output_fields="last_update")
    assert answer["code"] == 0
    shown = answer["objects"][f"Incident::{incident}"]["fields"]
    assert shown["last_update"] == ("2026-11-24 04:04:57" if moves else "2026-11-24 04:03:57")
    assert simulator.calls[-1].wrote is moves


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("read_only", 1, "The current user does not have enough permissions for modifying data of class Incident"),
        ("lock_wait", 100, "mysql_errno = 1205, mysql_error = Lock wait timeout exceeded"),
        ("database_read_only", 100, "mysql_errno = 1290"),
        ("log_full", 100, "mysql_errno = 1406, mysql_error = Data too long for column 'public_log_index' at row 1"),
    ],
)
async def test_trouble_inside_itop_refuses_the_write_and_lets_reads_through(simulator, client, kind, code, text):
    incident = await client.create()
    simulator.faults.add(Fault(kind, times=None))
    answer = await client.append(incident, "x")
    assert answer["code"] == code
    assert text in answer["message"]
    assert (await client.read(incident, "public_log"))["public_log"] == {"entries": []}
    assert not simulator.calls[1].wrote


async def test_a_create_answers_the_databases_own_number(simulator, client):
    simulator.faults.add(Fault("database_read_only"))
    answer = await client("create", fields={"org_id": 2, "title": "it's", "description": "d"}, output_fields="id")
    assert answer["code"] == 1290
    assert "INSERT INTO" in answer["message"]


async def test_a_full_log_does_not_hinder_a_write_without_an_entry(simulator, client):
    incident = await client.create()
    simulator.faults.add(Fault("log_full"))
    assert (await client("update", key=incident, fields={"urgency": 1}, output_fields="id"))["code"] == 0


async def test_output_fields_are_checked_before_anything_is_made(simulator, client):
    answer = await client("create", fields={"org_id": 2, "title": "t", "description": "d"}, output_fields="id,foo")
    assert answer == {"code": 100, "message": "Error: output_fields: invalid attribute code 'foo'"}
    assert simulator.objects("Incident") == []


async def test_limit_and_page_cut_while_the_message_counts_all(client):
    for _ in range(3):
        await client.create()
    answer = await client("get", key="SELECT Incident", limit=2, page=2, output_fields="id")
    assert (answer["message"], list(answer["objects"])) == ("Found: 3", ["Incident::1"])


async def test_deleting_takes_links_along_and_what_is_gone_is_no_error(simulator, client):
    incident = await client.create(functionalcis_list=[{"functionalci_id": 1}])
    simulated = await client("delete", key=incident, simulate=True)
    assert simulated["message"] == "SIMULATING: Deleted: 1 plus (for DB integrity) 1"
    assert len(simulator.objects("Incident")) == 1
    await client("delete", key=incident)
    assert simulator.objects("lnkFunctionalCIToTicket") == simulator.objects("Incident") == []
    assert await client("delete", key=incident) == {"code": 0, "message": "Deleted: 0", "objects": None}


async def test_latency_is_added_to_every_call(simulator, client):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    simulator.sleep = sleep
    simulator.latency_s = iter([0.06, 0.5]).__next__
    await client.create()
    simulator.faults.add(Fault("latency", seconds=30.0))
    await client.create()
    assert slept == [0.06, 30.0, 0.5]
