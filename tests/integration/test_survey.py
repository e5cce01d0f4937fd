"""What the bridge finds out about iTop's data model before the first alert."""

import contextlib

import pytest
from rig import profile_of

from itop_bridge.delivery.survey import find_mismatches
from itop_bridge.itop.client import Client, Connection
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator


@contextlib.asynccontextmanager
async def itop(user="rest_agent", **options):
    simulator = Simulator(**options)
    async with serve(simulator) as url, Client(Connection(url, user=user, password=user)) as client:
        yield simulator, client


async def survey(simulator_and_client, **settings):
    simulator, client = simulator_and_client
    found = await find_mismatches(client, profile_of(**settings).writing, {})
    assert not simulator.objects("Ticket"), "nothing is made"
    return {each.attribute: each.detail for each in found}


@pytest.mark.parametrize("version", ["2.7", "3.1", "3.2"])
async def test_a_stock_itop_has_all_that_the_usual_settings_want(version):
    async with itop(version=version) as each:
        assert await survey(each, team="SOC", caller="Carla Caller") == {}


async def test_every_mismatch_is_told_at_once():
    async with itop() as each:
        found = await survey(
            each,
            team="CERT",
            caller="Nobody Here",
            origin="siem",
            fields={"sla_code": "x", "impact": "9", "urgency": "2"},
        )
    assert "no attribute sla_code" in found["sla_code"]
    assert "no Team called 'CERT'" in found["team_id"]
    assert "no Person called 'Nobody Here'" in found["caller_id"]
    assert "does not take 'siem'" in found["origin"]
    assert "does not take '9'" in found["impact"]
    assert "urgency" not in found


async def test_a_class_that_is_not_there_is_told():
    async with itop(install="simple") as each:
        found = await survey(each)
    assert list(found) == [""]
    assert "no class Incident" in found[""]


async def test_user_request_beside_incident_has_no_monitoring_origin():
    async with itop() as each:
        assert "does not take 'monitoring'" in (await survey(each, **{"class": "UserRequest"}))["origin"]
        assert await survey(each, **{"class": "UserRequest", "origin": ""}) == {}


async def test_a_mandatory_attribute_of_the_site_is_told_until_it_is_filled(tmp_path):
    model = tmp_path / "model.json"
    model.write_text(
        '{"Incident": {"attributes": {"sla_code": {"kind": "text", "label": "SLA", "max": 20, "required": true}}}}'
    )
    async with itop(datamodel=model) as each:
        assert "wants sla_code" in (await survey(each))["sla_code"]
        assert await survey(each, fields={"sla_code": "gold"}) == {}


async def test_a_user_who_may_not_write_is_told():
    async with itop(user="rest_only") as each:
        assert "would not let the bridge create" in (await survey(each))[""]


@pytest.mark.parametrize("version", ["2.7", "3.1", "3.2"])
async def test_a_stock_itop_has_the_usual_cmdb(version):
    async with itop(version=version) as each:
        assert await survey(each, cmdb={"match": {"name": "host", "managementip": "source"}}) == {}


async def test_what_the_cmdb_has_not_is_told_with_the_setting_that_names_it():
    cmdb = {
        "classes": ["Server", "Servre", "Farm"],
        "match": {"name": "host", "managementip": "source"},
        "where": {"stauts": "production"},
        "team": "supportteam_id",
    }
    async with itop() as each:
        found = await survey(each, cmdb=cmdb)
    assert "no class Servre" in found["cmdb.classes[1]"]
    assert "class Farm has no attribute managementip" in found["cmdb.match.managementip"]
    assert "no attribute stauts" in found["cmdb.where.stauts"]
    assert "no attribute supportteam_id" in found["cmdb.team"]


async def test_a_class_that_is_no_ci_is_told():
    async with itop() as each:
        found = await survey(each, cmdb={"classes": ["Person"]})
    assert "class Person has no attribute business_criticity" in found["cmdb.classes"]


async def test_a_class_without_cis_is_told(tmp_path):
    model = tmp_path / "model.json"
    model.write_text('{"Ticket": {"attributes": {"functionalcis_list": null}}}')
    async with itop(datamodel=model) as each:
        assert "no attribute functionalcis_list" in (await survey(each, cmdb={}))["functionalcis_list"]
        assert await survey(each) == {}
