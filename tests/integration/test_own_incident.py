"""What the bridge cannot do by itself is an incident of its own team: one per reason and day, however much there is."""

import contextlib
import re

import pytest
from rig import Rig

from itop_bridge.journal.inquiry import Inquiry, LetterFilter
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.letter_day import LetterDayJournal
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.source import SourceJournal
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.heartbeat import Heartbeat
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.own_incident import LetterWatch
from itop_bridge.triage.triage import Triage

MINUTE = 60.0
DAY = 86_400.0
CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC}
own_incidents: {organization: OTH%s}
routes:
  - {name: one, topic: one, format: generic, factory: incident-siem, organization: "{{ raw.site }}", expect_every: 30m}
  - {name: two, topic: two, format: generic, factory: incident-siem, expect_every: 30m, silence_incident: true}
"""
HOSTILE = "<script>alert(1)</script> {{ 123 * 456 }}"


class Site:
    """A bridge without a broker: what is published is journaled and mapped; `minutes` lets time pass."""

    def __init__(self, rig, folder):
        self.rig = rig
        self.folder = folder
        self.configure()
        self.start()

    def configure(self, own=""):
        path = self.folder / "bridge.yaml"
        path.write_text(CONFIGURATION % own)
        self.routes = load_routing(load_settings(path)).routes

    def start(self):
        journal = TriageJournal(self.rig.store, self.rig.clock)
        self.triage = Triage(journal, self.routes, Alarms(), clock=self.rig.clock)
        self.letters = LetterWatch(
            LetterDayJournal(self.rig.store, self.rig.clock, self.triage.wake), lambda: self.routes
        )
        self.heartbeat = Heartbeat(
            SourceJournal(self.rig.store, self.rig.clock, self.triage.wake),
            Alarms(),
            lambda: self.routes,
            lambda: 1,
            monotonic=self.rig.clock,
        )
        self.inquiry = Inquiry(self.rig.store, self.rig.clock)
        self.operations = Operations(self.rig.store, self.rig.clock)

    async def restart(self):
        await self.rig.crash()
        self.start()

    async def publish(self, payload, topic="two"):
        journal = IntakeJournal(self.rig.store)
        received = Received(topic.encode(), payload.encode(), self.rig.now, len(payload))
        await journal.record_events(await journal.open_connection(session_present=False), [received])
        await self.map()

    async def map(self):
        while await self.triage.step():
            pass

    async def work(self):
        await self.letters.step()
        await self.map()
        await self.rig.settle()

    async def minutes(self, count, step=1.0):
        until = self.rig.now + count * MINUTE
        while self.rig.now < until:
            self.rig.advance(step * MINUTE)
            await self.work()

    async def settle_letters(self, **wanted):
        await self.operations.drop_letters(await self.inquiry.find_letters(LetterFilter(**wanted)))

    async def own_events(self):
        rows = await self.rig.store.read(
            lambda sql: list(sql.execute("SELECT topic FROM events WHERE CAST(topic AS TEXT) LIKE '$itop-bridge/%'"))
        )
        return [row[0].decode() for row in rows]

    @property
    def reasons(self):
        return sorted(re.search(r"Dead letters: (\w+)", each["title"])[1] for each in self.rig.incidents)


@contextlib.asynccontextmanager
async def open_site(folder):
    async with Rig.open(folder / "journal.db") as rig:
        site = Site(rig, folder)
        await site.work()
        yield site


@pytest.fixture
async def site(tmp_path):
    async with open_site(tmp_path) as opened:
        yield opened


async def test_a_dead_letter_opens_an_incident_of_the_own_team(site):
    await site.publish("no JSON")
    await site.work()
    incident = site.rig.incident()
    assert "Dead letters: invalid_json, " in incident["title"]
    assert (incident["org_id"], incident["status"]) == ("3", "new")
    (entry,) = site.rig.entries()
    assert "1 open of 1 dead letters" in entry
    assert "two: 1, the last is 1" in entry
    assert "dead-letters list --reason invalid_json" in entry
    assert "<td>Reported by</td><td>itop-bridge</td>" in incident["description"]


async def test_ten_thousand_letters_of_three_reasons_are_three_incidents_with_few_entries(site):
    for _ in range(4):
        await site.publish(f"[{','.join(['1'] * 2_000)}]")
        await site.publish(f"[{','.join(['{}'] * 450)}]", topic="one")
        for n in range(50):
            await site.publish(str(n), topic="unknown")
        await site.minutes(3, step=0.25)
    await site.minutes(8 * 60, step=10)
    assert len(await site.inquiry.find_letters(LetterFilter())) == 10_000
    assert site.reasons == ["no_route", "not_an_object", "organization_missing"]
    entries = [site.rig.entries(each) for each in site.rig.incidents]
    assert max(map(len, entries)) <= 4
    assert any("8000 open of 8000 dead letters" in str(told) for told in entries)


async def test_nothing_of_a_payload_or_topic_is_told(site):
    await site.publish(f'["{HOSTILE}"]')
    await site.publish("{}", topic=HOSTILE)
    await site.work()
    shown = str(site.rig.incidents)
    assert "<script" not in shown
    assert "56088" not in shown


async def test_the_incident_is_resolved_when_all_letters_of_the_day_are_settled(site):
    await site.publish("no JSON")
    await site.publish("{}", topic="unknown")
    await site.minutes(6)
    await site.settle_letters(reason="invalid_json")
    await site.minutes(6)
    assert {each["title"].split(": ")[1][:8]: each["status"] for each in site.rig.incidents} == {
        "invalid_": "resolved",
        "no_route": "new",
    }


async def test_letters_that_come_after_the_end_reopen_the_incident_of_their_day(site):
    await site.publish("no JSON")
    await site.minutes(6)
    await site.settle_letters()
    await site.minutes(20)
    assert site.rig.incident()["status"] == "resolved"
    await site.publish("no JSON again")
    await site.minutes(2)
    assert site.rig.incident()["status"] == "assigned"


async def test_an_incident_that_a_person_holds_is_not_resolved(site):
    await site.publish("no JSON")
    await site.work()
    site.rig.simulator.person("Alice Agent").assign(site.rig.incident()["id"])
    await site.minutes(6)
    await site.settle_letters()
    await site.minutes(10)
    assert site.rig.incident()["status"] == "assigned"
    assert "None of the dead letters" in site.rig.entries()[-1]


async def test_each_day_has_an_incident_of_its_own(site):
    for _ in range(2):
        await site.publish("no JSON")
        await site.work()
        site.rig.advance(DAY)
    days = {each["title"].rsplit(", ", 1)[1] for each in site.rig.incidents}
    assert len(days) == len(site.rig.incidents) == 2


async def test_a_restart_tells_nothing_twice(site):
    await site.publish("no JSON")
    await site.letters.step()
    await site.restart()  # before the event was mapped
    await site.work()
    for _ in range(3):
        await site.restart()
        await site.minutes(6)
    assert len(site.rig.incidents) == 1
    assert len(site.rig.entries()) == 1
    assert len(await site.own_events()) == 1


async def test_what_its_own_route_cannot_do_is_never_told_by_it(site):
    site.configure(", settings: {fields: {impact_nope: 1}}")
    site.start()
    await site.publish("no JSON")
    await site.minutes(30)
    parked = await site.inquiry.fetch_letters(LetterFilter(route="own-incidents"))
    assert [letter["reason"] for letter in parked] == ["field_refused"]
    assert len(await site.own_events()) == 1
    assert site.rig.incidents == []
    assert "case_parked" in site.rig.alarms.active


async def test_its_events_are_not_told_either_once_the_section_is_gone(site):
    await site.publish("no JSON")
    await site.letters.step()
    path = site.folder / "bridge.yaml"
    path.write_text(re.sub("own_incidents.*\n", "", CONFIGURATION))
    own, site.routes = site.routes, load_routing(load_settings(path)).routes
    site.triage.routes = site.routes
    await site.map()
    site.routes = site.triage.routes = own
    await site.minutes(10)
    (letter,) = await site.inquiry.fetch_letters(LetterFilter(reason="no_route"))
    assert letter["route"] == "own-incidents"
    assert len(await site.own_events()) == 1


async def test_in_the_shadow_its_incidents_are_kept_as_all_others(site):
    site.configure(", shadow: true")
    site.start()
    await site.publish("no JSON")
    await site.minutes(6)
    await site.settle_letters()
    await site.minutes(6)
    assert site.rig.incidents == []
    assert [state for _, state in await site.rig.attempts()] == ["shadowed", "shadowed"]


async def test_all_sources_that_are_silent_on_a_day_are_one_incident(site):
    for _ in range(40):
        site.rig.advance(MINUTE)
        await site.heartbeat.step()
        await site.map()
        await site.rig.settle()
    incident = site.rig.incident()
    assert incident["org_id"] == "3"
    assert "No alerts from one" in str(incident)
    assert "for route two" in str(incident)
    states = []
    for topic in ("one", "two"):
        await site.publish('{"severity": "low", "site": "EXC"}', topic=topic)
        await site.heartbeat.step()
        await site.minutes(1)
        states += [each["status"] for each in site.rig.incidents if each["id"] == incident["id"]]
    assert states == ["new", "resolved"]
