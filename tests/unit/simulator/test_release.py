"""How the releases of iTop differ: each difference in a test of its own, and that 3.2 has it not."""

import aiohttp
import pytest

from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.release import RELEASES

OLDER = ("2.7", "3.1")
TICKET = {"org_id": 2, "title": "t", "description": "d"}
ESCAPED = "<p>a &lt;b&gt; &amp; c</p>"
ASSIGN = {"team_id": 6, "agent_id": 3}

every_release = pytest.mark.parametrize("version", RELEASES)


async def stimulate(client, key, stimulus, iclass="Incident", **fields):
    """The message of the refusal, or the new status."""
    answer = await client("apply_stimulus", iclass, key=key, stimulus=stimulus, fields=fields, output_fields="status")
    return answer["message"] or answer["objects"][f"{iclass}::{key}"]["fields"]["status"]


@every_release
async def test_a_solution_is_plain_text_before_3_2(start, version):
    _, client = await start(version=version)
    incident = await client.create(solution="a\nb <c> & d")
    shown = await client.read(incident, "solution")
    assert shown["solution"] == ("a\nb <c> & d" if version in OLDER else "<p>a\nb </p>")


@every_release
async def test_html_is_returned_with_doubled_ampersands_before_3_2_but_stored_as_it_is(start, version):
    simulator, client = await start(version=version)
    incident = await client.create(description=ESCAPED)
    shown = await client.read(incident, "description")
    assert shown["description"] == (ESCAPED.replace("&", "&amp;") if version in OLDER else ESCAPED)
    found = await client("get", key=f"SELECT Incident WHERE description = '{ESCAPED}'", output_fields="id")
    assert found["message"] == "Found: 1"
    assert simulator.objects("Incident")[0]["description"] == ESCAPED


@pytest.mark.parametrize("version", OLDER)
async def test_an_incident_leaves_escalated_tto_before_3_2(start, version):
    _, client = await start(version=version)
    incident = await client.create()
    await stimulate(client, incident, "ev_timeout")
    assert await stimulate(client, incident, "ev_assign", **ASSIGN) == "assigned"
    assert await stimulate(client, incident, "ev_timeout") == "escalated_ttr"


@every_release
async def test_a_status_that_is_written_sets_no_date_in_any_release(start, version):
    _, client = await start(version=version)
    incident = await client.create()
    await client("update", key=incident, fields={"status": "assigned"}, output_fields="id")
    assert await client.read(incident, "status,assignment_date") == {"status": "assigned", "assignment_date": ""}


@every_release
async def test_team_email_tells_3_2_from_older(start, version):
    _, client = await start(version=version)
    answer = await client("get", key=0, output_fields="id,team_email")
    refused = {"code": 100, "message": "Error: output_fields: invalid attribute code 'team_email'"}
    assert answer == (refused if version in OLDER else {"code": 0, "message": "Found: 0", "objects": None})


@every_release
@pytest.mark.parametrize(("field", "text"), [("title", "🔥" * 64), ("description", "🔥" * 20_000)])
async def test_a_limit_counts_bytes_on_2_7(start, version, field, text):
    _, client = await start(version=version)
    answer = await client("create", fields={**TICKET, field: text}, output_fields="id")
    if version == "2.7":
        assert answer["code"] == 100
        size = len(text.encode()) + (len("<p></p>") if field == "description" else 0)
        assert f"attribute '{field}': String too long (found {size}," in answer["message"]
    else:
        assert answer["code"] == (0 if field == "title" else 1406)


@every_release
async def test_maintenance_is_told_at_the_top_by_2_7_and_in_data_later(start, version):
    simulator, client = await start(version=version)
    simulator.faults.add(Fault("maintenance"))
    async with client.post({"operation": "list_operations"}) as response:
        body = await response.json()
    told = {"code": 100, "message": "This application is currently under maintenance."}
    assert response.status == 503
    assert body == (told if version == "2.7" else {"data": [told], "scripts": []})


@every_release
async def test_2_7_names_no_label_and_no_id_of_what_is_not_made(start, version):
    _, client = await start(version=version)
    answer = await client("create", fields={**TICKET, "title": ""}, output_fields="id")
    issue = "attribute 'title'" if version == "2.7" else "attribute 'Title' (title) "
    text = f"Unexpected value for {issue}: Null not allowed"
    where = f"class = Incident, id = {'' if version == '2.7' else -1}"
    assert answer["message"] == f"Error: {text}: issues = {{0=>{text}}}, {where}"


@every_release
async def test_2_7_takes_the_same_ci_twice(start, version):
    simulator, client = await start(version=version)
    incident = await client.create()
    link = {"ticket_id": incident, "functionalci_id": 1}
    codes = [(await client("create", "lnkFunctionalCIToTicket", fields=link))["code"] for _ in range(2)]
    assert codes == [0, 0 if version == "2.7" else 100]
    assert len(simulator.objects("Incident")[0]["functionalcis_list"]) == codes.count(0)


@every_release
@pytest.mark.parametrize(("origin", "known"), [("chat", False), ("in_person", False), ("monitoring", True)])
async def test_2_7_lacks_two_origins(start, version, origin, known):
    _, client = await start(version=version)
    answer = await client("create", fields={**TICKET, "origin": origin}, output_fields="id")
    assert (answer["code"] == 0) is (known or version != "2.7")


@every_release
async def test_2_7_names_the_entities_of_an_entry(start, version):
    _, client = await start(version=version)
    incident = await client.create()
    await client.append(incident, "Ü < 漢 é\n'q'")
    (entry,) = (await client.read(incident, "public_log"))["public_log"]["entries"]
    assert entry["message"] == "Ü < 漢 é\n'q'"
    first, last = ("&Uuml;", "&eacute;") if version == "2.7" else ("Ü", "é")
    assert entry["message_html"] == f"{first} &lt; 漢 {last}<br/>&#039;q&#039;"


@every_release
async def test_2_7_refuses_a_request_as_a_file(start, version):
    _, client = await start(version=version)
    form = aiohttp.FormData({"auth_user": "admin", "auth_pwd": "admin", "version": "1.3"})
    form.add_field("json_data", b'{"operation": "list_operations"}', filename="r.json", content_type="application/json")
    async with client.session.post(f"{client.url}/webservices/rest.php", data=form) as response:
        assert (await response.json())["code"] == (3 if version == "2.7" else 0)


async def test_php_7_misses_keys_at_a_transition(start):
    _, client = await start(php=7)
    incident = await client.create()
    missing = "Missing mandatory attribute(s) for applying the stimulus: "
    assert await stimulate(client, incident, "ev_assign") == f"{missing}team_id, agent_id."
    assert await stimulate(client, incident, "ev_autoresolve", solution="x") == f"{missing}service_id."
    assert await stimulate(client, incident, "ev_autoresolve", solution="x", service_id=1) == "resolved"
