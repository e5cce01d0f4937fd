"""The probe against the stand-in, of every release and install: it agrees with a sound one and tells an odd one."""

import pytest

from itop_bridge.cli.probe import Probe, Site, Subject
from itop_bridge.itop.client import Connection
from itop_bridge.itop.error import ITopError
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.schema import INSTALLS
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

MARKER = "itop-bridge record 0123456789abcdef"
WANTED = {"caller_id": 2, "team_id": 6, "agent_id": 3, "service_id": 1}


async def probe(simulator, user="rest_agent", record=lambda _: None, **subject):
    """The findings, and what was told of the cleaning."""
    iclass = "Incident" if "Incident" in simulator.store.datamodel else "UserRequest"
    fields = {**WANTED, **({} if iclass == "Incident" else {"request_type": "incident"})}
    subject = Subject(**{"iclass": iclass, "organization": "EXC", "marker": MARKER, "fields": fields, **subject})
    async with serve(simulator) as url, Site(Connection(url, user, user), record) as site:
        run = Probe(site, subject)
        findings = [finding async for finding in run.findings()]
        return findings, [told async for told in run.clean_up()] if run.may_have_written else []


def names(findings):
    """Of the findings that are not as expected."""
    return [finding.name for finding in findings if not finding.agrees]


@pytest.mark.parametrize("php", [7, 8])
@pytest.mark.parametrize("install", INSTALLS)
@pytest.mark.parametrize("version", ["2.7", "3.1", "3.2"])
async def test_every_release_and_install_is_as_the_bridge_expects(version, install, php):
    simulator = Simulator(version=version, install=install, php=php)
    findings, cleaned = await probe(simulator)
    assert names(findings) == []
    assert len(findings) > 30
    assert [told.endswith("closed (this user may not delete)") for told in cleaned] == [True]
    assert [ticket["status"] for ticket in simulator.objects("Ticket")] == ["closed"]


async def test_who_may_delete_leaves_nothing():
    simulator = Simulator()
    findings, cleaned = await probe(simulator, "rest_admin", organization="Example Customer")
    assert names(findings) == []
    assert cleaned == ["Incident::1 (I-000005): deleted"]
    assert simulator.objects("Ticket") == []


async def test_tickets_of_others_are_left_alone():
    simulator = Simulator()
    async with serve(simulator) as url, Site(Connection(url, "admin", "admin"), lambda _: None) as site:
        await site.create("Incident", {"org_id": 2, "title": MARKER, "description": "a real one"}, comment="c")
    await probe(simulator, "rest_admin")
    assert [ticket["description"] for ticket in simulator.objects("Ticket")] == ["<p>a real one</p>"]


async def test_a_wrong_password_ends_it_at_once():
    simulator = Simulator()
    findings, cleaned = await probe(simulator, "agent_norest")
    assert names(findings) == ["log in"]
    assert "CredentialsError" in findings[0].answered
    assert (cleaned, len(simulator.calls)) == ([], 1)


@pytest.mark.parametrize("organization", ["NONE", "SOMECODE"])
async def test_an_organisation_out_of_sight_ends_it_before_anything_is_written(organization):
    simulator = Simulator()
    findings, _ = await probe(simulator, "rest_silo", organization=organization)
    assert names(findings) == ["get the organisation"]
    assert not any(call.wrote for call in simulator.calls)


async def test_a_mandatory_attribute_of_the_site_is_told_and_can_be_given(tmp_path):
    path = tmp_path / "own.json"
    path.write_text('{"Incident": {"attributes": {"siem": {"kind": "text", "label": "S", "required": true}}}}')
    findings, cleaned = await probe(Simulator(datamodel=path))
    assert "create with an entry in both logs" in names(findings)
    assert "siem" in findings[-1].answered
    assert cleaned == []
    findings, _ = await probe(Simulator(datamodel=path), fields={**WANTED, "siem": "x"})
    assert names(findings) == []


async def test_what_an_odd_itop_takes_is_told_and_removed(tmp_path):
    path = tmp_path / "own.json"
    path.write_text('{"Incident": {"attributes": {"urgency": {"kind": "text"}}}}')
    findings, cleaned = await probe(Simulator(datamodel=path), "rest_admin")
    assert names(findings) == [
        "create with an unknown value",
        "get by LIKE on the title",
        "update with one good and one bad value",
        "the good one is not written either",
    ]
    assert [told.endswith("deleted") for told in cleaned] == [True, True]


async def test_a_failure_in_the_middle_is_a_finding_and_what_was_made_is_found_again():
    simulator = Simulator()
    simulator.faults.add(
        Fault("http_502", operation="core/create", stored=True, when=lambda each: "public_log" in each["fields"])
    )
    findings, cleaned = await probe(simulator, "rest_admin")
    assert names(findings) == ["create with an entry in both logs"]
    assert "ServerError: HTTP 502" in findings[-1].answered
    assert cleaned == ["Incident::1 (I-000005): deleted"]


async def test_every_call_is_recorded_without_the_password():
    exchanges = []
    simulator = Simulator()
    simulator.accounts["rest_agent"].password = "S3cret"
    async with serve(simulator) as url, Site(Connection(url, "rest_agent", "S3cret"), exchanges.append) as site:
        await site.check()
    async with Site(Connection(url, "rest_agent", "S3cret"), exchanges.append) as site:
        with pytest.raises(ITopError):
            await site.check()
    assert [exchange["response"] and exchange["response"]["status"] for exchange in exchanges] == [200, None]
    assert "S3cret" not in repr(exchanges)
