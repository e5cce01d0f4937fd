import json

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.simulator.release import RELEASES
from itop_bridge.simulator.schema import INSTALLS, load_datamodel, merge_patch

OWN = {
    "SecurityIncident": {
        "parent": "Incident",
        "prefix": "S",
        "attributes": {
            "siem": {"kind": "text", "label": "SIEM", "max": 20, "required": True},
            "urgency": {"kind": "enum", "label": "Urgency", "values": ["low", "high"], "default": "low"},
        },
        "states": {
            "new": {"transitions": {"ev_verify": "verified"}},
            "verified": {"mandatory": ["siem"], "transitions": {"ev_reopen": "new"}, "operational_status": "resolved"},
        },
    },
    "Incident": {"attributes": {"origin": {"values": ["siem", "phone"]}, "escalation_reason": None}},
}


@pytest.fixture
def write(tmp_path):
    def write(changes):
        path = tmp_path / "own.json"
        path.write_text(changes if isinstance(changes, str) else json.dumps(changes))
        return path

    return write


@pytest.mark.parametrize(
    ("patch", "merged"),
    [
        ({"a": 2}, {"a": 2, "b": {"c": 1, "d": [1, 2]}}),
        ({"b": {"c": None, "d": [3]}}, {"a": 1, "b": {"d": [3]}}),
        ({"a": {"x": {"y": None}}}, {"a": {"x": {}}, "b": {"c": 1, "d": [1, 2]}}),
    ],
)
def test_a_merge_patch_adds_replaces_and_takes_away(patch, merged):
    assert merge_patch({"a": 1, "b": {"c": 1, "d": [1, 2]}}, patch) == merged


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("install", INSTALLS)
def test_the_models_of_all_releases_and_installs_are_sound(version, install, write):
    datamodel = load_datamodel(version, install, write({}))
    assert ("Incident" in datamodel) is (install == "itil")
    assert ("team_email" in datamodel["UserRequest"].attributes) is (version == "3.2")


def test_monitoring_is_an_origin_of_a_request_only_where_there_is_no_incident():
    for version in RELEASES:
        for install in INSTALLS:
            origin = load_datamodel(version, install)["UserRequest"].attributes["origin"]
            assert ("monitoring" in origin.values) is (install == "simple")
            assert ("chat" in origin.values) is (version != "2.7")


async def test_an_own_class_lives_by_its_own_states_and_wants_its_own_attributes(start, write):
    simulator, client = await start(user="rest_agent", datamodel=write(OWN))
    ticket = {"org_id": 2, "title": "t", "description": "d"}
    refused = await client("create", "SecurityIncident", fields=ticket)
    assert "'SIEM' (siem) : Null not allowed" in refused["message"]
    key = await client.create("SecurityIncident", siem="wazuh", urgency="high", origin="siem")
    request = {"key": key, "stimulus": "ev_verify", "fields": {}, "output_fields": "ref,status,operational_status"}
    answer = await client("apply_stimulus", "SecurityIncident", **request)
    shown = answer["objects"][f"SecurityIncident::{key}"]["fields"]
    assert shown == {"ref": "S-000002", "status": "verified", "operational_status": "resolved"}
    assert simulator.objects("Incident")[0]["resolution_date"] == "2026-11-24 04:03:57"
    answer = await client("get", "SecurityIncident", key=key, output_fields="escalation_reason")
    assert answer["message"] == "Error: output_fields: invalid attribute code 'escalation_reason'"


async def test_an_agent_may_not_delete_tickets_of_an_own_class(start, write):
    _, client = await start(user="rest_agent", datamodel=write(OWN))
    key = await client.create("SecurityIncident", siem="x")
    assert (await client("delete", "SecurityIncident", key=key))["code"] == 1


async def test_an_own_stimulus_leads_where_the_stock_ones_do_not(start, write):
    changes = {
        "Incident": {
            "states": {
                "triaged": {"transitions": {"ev_resolve": "resolved"}},
                "new": {"transitions": {"ev_triage": "triaged"}},
            }
        }
    }
    simulator, client = await start(datamodel=write(changes))
    incident = await client.create()
    simulator.person("Alice Agent").stimulate(incident, "ev_triage")
    simulator.person("Alice Agent").stimulate(incident, "ev_resolve", solution="x")
    assert (await client.read(incident, "status"))["status"] == "resolved"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ("{", "own.json:1:2: not valid JSON"),
        ("[]", "must be an object of classes"),
        ({"Ticket": None}, "Ticket: this class must stay"),
        ({"Incident": 5}, "Incident: must be an object, or null"),
        ({"Incident": {"colour": "red"}}, "Incident.colour: unknown; known are abstract"),
        ({"X": {"parent": "Y"}}, "X.parent: there is no class 'Y' that it can come from"),
        ({"X": {"parent": "Z"}, "Z": {"parent": "X"}}, "X.parent: there is no class 'X' that it can come from"),
        ({"X": {"attributes": []}}, "X.attributes: must be an object of objects"),
        ({"X": {"attributes": {"a": {"kind": "colour"}}}}, "X.attributes.a.kind: must be one of blob, "),
        ({"X": {"attributes": {"a": {"kind": "text", "size": 1}}}}, "X.attributes.a.size: unknown"),
        ({"X": {"attributes": {"a": {"kind": "key", "target": "Y"}}}}, "X.attributes.a.target: there is no class 'Y'"),
        ({"X": {"attributes": {"a": {"kind": "enum"}}}}, "X.attributes.a.values: must be a list"),
        (
            {"X": {"attributes": {"a": {"kind": "field", "key": "b", "field": "name"}}}},
            "X.attributes.a: there is no b->name",
        ),
        (
            {"X": {"attributes": {"a": {"kind": "enum", "values": ["x"], "default": "y"}}}},
            "X.attributes.a.default: 'y' is not one of the values",
        ),
        ({"X": {"states": {"new": {"mandatory": "a"}}}}, "X.states.new.mandatory: must be a list"),
        (
            {"X": {"states": {"new": {"transitions": {"ev_x": "y"}}}}},
            "X.states.new.transitions.ev_x: there is no state 'y'",
        ),
        ({"X": {"states": {"new": {"mandatory": ["a"]}}}}, "X.states.new.mandatory: there is no attribute 'a'"),
        ({"Incident": None}, "UserRequest.attributes.parent_incident_id.target: there is no class 'Incident'"),
    ],
)
def test_what_is_wrong_with_changes_is_named(write, changes, problem):
    with pytest.raises(ConfigurationError, match=r"own\.json") as caught:
        load_datamodel(changes=write(changes))
    assert any(problem in each for each in caught.value.problems), caught.value.problems


def test_all_problems_are_named_at_once(write):
    with pytest.raises(ConfigurationError) as caught:
        load_datamodel(changes=write({"X": {"colour": 1, "parent": "Y"}, "Team": None}))
    assert len(caught.value.problems) >= 3


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_datamodel(changes=tmp_path / "none.json")
