"""iTop was restored from a dump, and gives numbers out again: what is another's now is never written to."""

import pytest
from rig import Rig

MINUTE = 60.0
HOUR = 3600.0


@pytest.fixture
async def rig(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        await rig.fires()
        await rig.settle()
        yield rig


def replace_by_a_persons(rig, title="A ticket of a person"):
    """The same number and reference, and nothing of the bridge's in it."""
    row = rig.simulator.store.get("Incident", rig.incident()["id"])
    log = row.values["public_log"]
    row.values |= {"title": title, "public_log": type(log)(())}


async def test_a_resolve_does_not_resolve_a_ticket_of_a_person(rig):
    replace_by_a_persons(rig)
    rig.advance(HOUR)
    await rig.resolves()
    await rig.settle()
    assert (rig.incident()["status"], rig.entries()) == ("new", [])
    reasons = "SELECT DISTINCT reason FROM intents WHERE kind = 'resolve'"
    assert await rig.store.read(lambda sql: sql.execute(reasons).fetchall()) == [("incident_gone",)]


async def test_an_alert_that_still_fires_gets_an_incident_of_its_own(rig):
    replace_by_a_persons(rig)
    rig.advance(HOUR)
    await rig.fires(content="more")
    await rig.settle()
    theirs, ours = rig.incidents
    assert (theirs["title"], rig.entries(theirs)) == ("A ticket of a person", [])
    assert ours["title"].startswith("[SIEM-")


async def test_nor_is_a_lost_entry_written_into_it_again(rig):
    rig.advance(10 * MINUTE)
    await rig.fires("a2", content="more")
    await rig.deliver()
    replace_by_a_persons(rig)
    await rig.settle()
    assert rig.entries() == []


async def test_an_incident_of_another_case_is_left_alone(rig):
    replace_by_a_persons(rig, title="[SIEM-ffffffffffff] Another case")
    rig.advance(HOUR)
    await rig.resolves()
    await rig.settle()
    assert (rig.incident()["status"], rig.entries()) == ("new", [])


async def test_another_reference_is_another_incident(rig):
    await rig.store.write(lambda sql: sql.execute("UPDATE cases SET ref = 'I-009999'").rowcount)
    rig.advance(HOUR)
    await rig.resolves()
    await rig.settle()
    assert rig.incident()["status"] == "new"


async def test_an_incident_that_a_person_renamed_is_still_the_cases(rig):
    rig.simulator.person("Bob Agent").edit(rig.incident()["id"], title="Brute force, seen by Bob")
    rig.advance(HOUR)
    await rig.resolves()
    await rig.settle()
    assert rig.incident()["status"] == "resolved"
