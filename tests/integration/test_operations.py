"""What operators do, on a real SQLite file against the simulator: triage and delivery as in the daemon."""

import asyncio
import contextlib
import json

import pytest
from rig import TIME_LIMIT_S, profile_of
from world import World

from itop_bridge.journal.inquiry import Inquiry, LetterFilter
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.load import load_settings
from itop_bridge.settings.policy import Policy
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

MINUTE = 60.0
HOUR = 3600.0
BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
routes:
"""
ROUTE = '  - {name: one, topic: one, format: generic, factory: incident-siem, organization: "{{ raw.site }}"}\n'
MENDED = "  - {name: one, topic: one, format: generic, factory: incident-siem, organization: EXC}\n"
PICKY = (
    "  - {name: one, topic: one, format: generic, factory: incident-siem, organization: EXC,"
    " when: alert.severity >= 'critical'}\n"
)
OTHER = "  - {name: two, topic: two, format: generic, factory: incident-siem, organization: EXC}\n"


class Site(World):
    """A world whose alerts come as messages, through the real triage."""

    folder = None
    text = ROUTE + OTHER

    async def compose(self):
        await super().compose()
        self.stage = Triage(TriageJournal(self.life, self.clock), self.routes(), self.alarms)
        self.operations = Operations(self.life, self.clock, self.delivery.wake, self.stage.wake)
        self.inquiry = Inquiry(self.store, self.clock)

    def routes(self):
        path = self.folder / "bridge.yaml"
        path.write_text(BASE + self.text)
        return load_routing(load_settings(path)).routes

    def mend(self, text=MENDED + OTHER):
        """The configuration is read again."""
        self.text = text
        self.stage.routes = self.routes()

    async def publish(self, *alerts, topic="one"):
        payload = json.dumps(alerts[0] if len(alerts) == 1 else alerts).encode()
        intake = IntakeJournal(self.store)
        connection = await intake.open_connection(session_present=False)
        await intake.record_events(connection, [Received(topic.encode(), payload, self.now, len(payload))])
        await self.map()

    async def map(self):
        while await self.stage.step():
            pass

    async def letters(self, **wanted):
        return await self.inquiry.fetch_letters(LetterFilter(**{"state": "all", **wanted}))

    async def states(self):
        return [letter["state"] for letter in await self.letters()]

    async def retry(self):
        """All that is open."""
        changed = await self.operations.retry_letters(await self.inquiry.find_letters(LetterFilter()))
        await self.map()
        return changed


@pytest.fixture
def opened(tmp_path):
    @contextlib.asynccontextmanager
    async def open_site(profile=None):
        Site.folder = tmp_path
        async with Site.open(tmp_path / "journal.db", profile) as site:
            yield site

    return open_site


def alert(alert_id="a1", **changes):
    return {"id": alert_id, "title": f"T {alert_id}", "severity": "high", "rule": alert_id, **changes}


# elements


async def test_a_rejected_element_lands_once_when_its_route_is_mended(opened):
    async with opened() as site:
        await site.publish(alert())
        (letter,) = await site.letters()
        assert (letter["state"], letter["reason"], letter["route"]) == ("open", "organization_missing", "one")
        site.mend()
        assert await site.retry() == 1
        (letter,) = await site.letters()
        assert (letter["state"], letter["outcome"], letter["settled"]) == ("retried", "landed", site.now)
        await site.settle()
        assert site.incident()["title"].endswith("T a1")


async def test_what_was_retried_is_not_retried_again(opened):
    async with opened() as site:
        await site.publish(alert())
        site.mend()
        assert await site.operations.retry_letters([1]) == 1
        assert await site.operations.retry_letters([1]) == 0
        await site.map()
        assert await site.operations.retry_letters([1]) == 0
        assert await site.operations.drop_letters([1]) == 0
        await site.map()
        await site.settle()
        assert await site.intents() == [("delivered", "create")]
        assert len(site.entries()) == 1


async def test_a_retry_with_the_route_as_it_was_is_open_again(opened):
    async with opened() as site:
        await site.publish(alert())
        assert await site.retry() == 1
        (letter,) = await site.letters()
        assert (letter["state"], letter["reason"], letter["outcome"]) == ("open", "organization_missing", None)
        site.mend(OTHER)
        assert await site.retry() == 1
        (letter,) = await site.letters()
        assert (letter["state"], letter["reason"]) == ("open", "no_route")


async def test_a_retry_that_no_route_wants_any_more_is_a_drop(opened):
    async with opened() as site:
        await site.publish(alert())
        site.mend(PICKY + OTHER)
        await site.retry()
        assert [letter["outcome"] for letter in await site.letters()] == ["dropped"]
        assert await site.drops() == ["filtered"]
        await site.settle()
        assert site.incidents == []


async def test_the_neighbours_of_a_retried_element_are_not_touched(opened):
    async with opened() as site:
        good, bad, worse = alert("a1", site="EXC"), alert("a2"), alert("a3")
        await site.publish(good, bad, worse)
        await site.settle()
        site.mend()
        assert await site.operations.retry_letters([1]) == 1
        await site.map()
        await site.settle()
        assert sorted(incident["title"][-4:] for incident in site.incidents) == ["T a1", "T a2"]
        assert await site.states() == ["retried", "open"]
        assert len(await site.intents()) == 2


async def test_a_letter_of_a_whole_event_brings_all_its_elements(opened):
    async with opened() as site:
        await site.publish(alert("a1"), {"no": "alert"}, alert("a3"), topic="later")
        assert [letter["reason"] for letter in await site.letters()] == ["no_route"]
        site.mend(MENDED.replace("topic: one", "topic: later"))
        await site.retry()
        await site.settle()
        assert {"T a1", "T a3"} <= {incident["title"][-4:] for incident in site.incidents}
        count = len(site.incidents)
        assert await site.retry() == len(await site.letters(state="open"))
        await site.settle()
        assert len(site.incidents) == count


async def test_a_whole_event_whose_first_element_is_dead_again_still_brings_the_others(opened):
    async with opened() as site:
        await site.publish(alert("a1"), alert("a2", site="EXC"), topic="later")
        site.mend(ROUTE.replace("topic: one", "topic: later"))
        await site.retry()
        assert [letter["reason"] for letter in await site.letters(state="open")] == ["organization_missing"]
        await site.settle()
        assert site.incident()["title"].endswith("T a2")


async def test_a_retry_is_never_taken_for_a_repeat(opened):
    async with opened() as site:
        await site.publish(alert())
        site.mend()
        await site.publish(alert())
        await site.settle()
        await site.retry()
        site.advance(HOUR)
        await site.settle()
        assert await site.intents() == [("delivered", "create"), ("delivered", "append")]
        assert len(site.incidents) == 1


async def test_a_retried_resolve_does_not_end_what_fired_again_since(opened):
    async with opened() as site:
        await site.publish(alert(site="EXC", status="firing"))
        site.advance(MINUTE)
        await site.publish(alert(status="resolved"))
        site.advance(HOUR)
        await site.publish(alert(site="EXC", status="firing"))
        await site.settle()
        site.mend()
        await site.retry()
        await site.live(HOUR)
        assert site.incident()["status"] == "new"
        assert await site.drops() == ["already_resolved"]


async def test_an_event_whose_payload_was_pruned_stays_a_dead_letter(opened):
    async with opened() as site:
        await site.publish(alert())
        await site.store.write(lambda sql: sql.execute("UPDATE events SET payload = NULL").rowcount)
        site.mend()
        await site.retry()
        assert [(letter["state"], letter["reason"]) for letter in await site.letters()] == [("open", "payload_pruned")]


async def test_letters_that_are_retried_never_hold_up_new_events(opened):
    async with opened() as site:
        await site.publish(alert("a1"))
        site.mend()
        await site.operations.retry_letters([1])
        intake = IntakeJournal(site.store)
        connection = await intake.open_connection(session_present=False)
        batch = [Received(b"one", json.dumps(alert(f"b{n}")).encode(), site.now, 9) for n in range(300)]
        await intake.record_events(connection, batch)
        assert await site.stage.step()
        assert await site.states() == ["retried"]
        assert site.stage.counters.events == 1 + 256


@pytest.mark.parametrize("point", range(20))
async def test_a_process_that_dies_while_it_retries_retries_once(opened, point):
    async with opened() as site:
        await site.publish(alert("a1"), alert("a2"), alert("a3", site="EXC"))
        site.mend()
        site.life.points_left = point
        dying = asyncio.create_task(site.life.killed.wait())
        work = asyncio.create_task(_retry_and_deliver(site))
        await asyncio.wait({work, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        work.cancel()
        await asyncio.gather(work, dying, return_exceptions=True)
        await site.crash()
        await site.map()
        await site.retry()
        await site.live(2 * TIME_LIMIT_S + HOUR)
        assert await site.states() == ["retried", "retried"]
        assert sorted(incident["title"][-4:] for incident in site.incidents) == ["T a1", "T a2", "T a3"]
        assert [len(site.entries(incident)) for incident in site.incidents] == [1, 1, 1]


async def _retry_and_deliver(site):
    await site.operations.retry_letters([1, 2])
    await site.map()
    await site._round()


async def test_a_dropped_element_never_lands(opened):
    async with opened() as site:
        await site.publish(alert())
        assert await site.operations.drop_letters([1, 99]) == 1
        site.mend()
        assert await site.retry() == 0
        await site.settle()
        assert (await site.states(), site.incidents) == (["dropped"], [])


# cases


async def park(site):
    """A case of an organisation that iTop does not have."""
    site.mend(MENDED.replace("EXC", "NOPE") + OTHER)
    await site.publish(alert())
    await site.settle()
    (letter,) = await site.letters()
    assert (letter["state"], letter["reason"], letter["route"]) == ("open", "organization_unknown", "one")
    return letter


async def test_a_parked_case_that_is_retried_has_its_turn(opened):
    async with opened() as site:
        await park(site)
        row = site.simulator.store.get("Organization", 2)
        row.values["code"] = "NOPE"
        site.advance(HOUR)
        assert await site.retry() == 1
        await site.settle()
        assert site.incident()["title"].endswith("T a1")
        assert await site.states() == ["retried"]
        assert "case_parked" not in site.alarms.active


async def test_a_parked_case_that_is_retried_in_vain_is_another_letter(opened):
    async with opened() as site:
        await park(site)
        site.advance(HOUR)
        await site.retry()
        await site.settle()
        assert await site.states() == ["retried", "open"]
        assert "case_parked" in site.alarms.active


async def test_that_cases_are_parked_is_an_alarm_until_none_is(opened):
    async with opened() as site:
        first = await park(site)
        await site.publish(alert("b1"))
        await site.settle()
        await site.operations.drop_letters([first["id"]])
        await site.settle()
        assert "case_parked" in site.alarms.active
        await site.operations.drop_letters([letter["id"] for letter in await site.letters()])
        await site.settle()
        assert "case_parked" not in site.alarms.active


async def test_a_case_that_is_parked_while_it_is_looked_whether_any_is_keeps_the_alarm(opened):
    async with opened() as site:
        letter = await park(site)
        await site.operations.drop_letters([letter["id"]])
        has_parked = site.journal.has_parked

        async def look():
            found = await has_parked()
            site.alarms.raise_("case_parked", case="another", reason="refused")
            return found

        site.journal.has_parked = look
        await site.delivery.step()
        assert site.alarms.active["case_parked"].facts["case"] == "another"


async def test_a_parked_case_that_is_dropped_goes_on_with_what_comes_later(opened):
    async with opened() as site:
        letter = await park(site)
        assert await site.operations.drop_letters([letter["id"]]) == 1
        assert await site.intents() == [("dropped", "dead_letter_dropped")]
        assert await site.journal.next_due() is None
        row = site.simulator.store.get("Organization", 2)
        row.values["code"] = "NOPE"
        site.advance(HOUR)
        await site.publish(alert("a2", rule="a1"))
        await site.settle()
        assert site.incident()["title"].endswith("T a2")


async def lose(site):
    """An incident whose entry every save overwrites, until the bridge gives up."""
    site.mend()
    await site.publish(alert())
    await site.deliver()
    incident = int(site.incident()["id"])
    (token,) = site.standing()
    for _ in range(20):
        site.overwrite(incident, token)
        await site.live(2.0)
    assert [letter["reason"] for letter in await site.letters(state="open")] == ["entry_lost"]
    return token


async def test_a_lost_entry_that_is_retried_is_written_again(opened):
    async with opened() as site:
        token = await lose(site)
        assert site.standing()[token] == 0
        assert await site.retry() == 1
        await site.live(MINUTE)
        assert site.standing()[token] == 1
        assert await site.states() == ["retried"]


async def test_a_lost_entry_that_is_there_after_all_is_not_written_again(opened):
    async with opened() as site:
        token = await lose(site)
        (letter,) = await site.letters(state="open")
        person = site.simulator.person("Bob Agent")
        person.log(int(site.incident()["id"]), letter["detail"], site.log)
        writes = len(site.simulator.calls)
        await site.retry()
        await site.live(MINUTE)
        assert site.standing()[token] == 1
        assert len(site.simulator.calls) > writes


async def test_a_reload_leaves_a_lost_entry_to_the_operator(opened):
    async with opened() as site:
        await lose(site)
        await site.store.write(lambda sql: sql.execute("UPDATE cases SET parked = 'poison'").rowcount)
        await site.delivery.release()
        assert await site.states() == ["open"]


# pauses


async def test_a_route_that_is_paused_sends_nothing_and_others_go_on(opened):
    async with opened() as site:
        site.mend()
        assert await site.operations.pause("one")
        assert not await site.operations.pause("one")
        await site.publish(alert("a1"))
        await site.publish(alert("b1"), topic="two")
        await site.settle()
        assert site.incident()["title"].endswith("T b1")
        assert site.alarms.active["delivery_paused"].detail == "one"
        due = await site.journal.next_due()
        assert due is None
        assert await site.operations.fetch_pauses() == {"one": 1_790_000_000.0}


async def test_a_route_that_is_resumed_is_delivered(opened):
    async with opened() as site:
        site.mend()
        await site.operations.pause("one")
        await site.publish(alert("a1"))
        await site.settle()
        assert site.incidents == []
        assert await site.operations.resume("one")
        assert not await site.operations.resume("one")
        await site.settle()
        assert site.incident()["title"].endswith("T a1")
        assert "delivery_paused" not in site.alarms.active


async def test_a_pause_of_all_outlives_a_restart(opened):
    async with opened() as site:
        site.mend()
        await site.operations.pause(None)
        await site.crash()
        assert site.alarms.active["delivery_paused"].detail == "all routes"
        await site.publish(alert("a1"), topic="two")
        await site.settle()
        assert site.simulator.calls == []
        await site.operations.resume(None)
        await site.settle()
        assert len(site.incidents) == 1


async def test_a_paused_route_looks_for_no_token_until_it_is_resumed(opened):
    async with opened() as site:
        site.mend()
        await site.publish(alert())
        await site.deliver()
        calls = len(site.simulator.calls)
        await site.operations.pause("one")
        await site.live(HOUR)
        assert (len(site.simulator.calls), await site.attempts()) == (calls, [("create", "applied")])
        await site.operations.resume("one")
        await site.settle()
        assert await site.attempts() == [("create", "confirmed")]


async def test_what_waits_for_its_turn_when_its_route_is_paused_is_sent_only_once_it_is_resumed(opened):
    async with opened() as site:
        site.mend()
        for number in range(4):
            await site.publish(alert(f"a{number}"))
        await site.delivery.step()
        await site.operations.pause("one")
        await site.delivery.finish()
        assert len(site.incidents) <= 1  # the one call that may have been under way
        await site.settle()
        assert len(site.incidents) <= 1
        assert await site.rows("SELECT DISTINCT failures FROM cases") == [(0,)]
        await site.operations.resume("one")
        await site.settle()
        assert len(site.incidents) == 4


class Bell(Alarms):
    """Rings at an alarm."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.rung = asyncio.Event()

    def raise_(self, name, detail="", **facts):
        if name == self.name:
            self.rung.set()
        return super().raise_(name, detail, **facts)


async def test_a_pause_is_told_while_itop_cannot_be_reached(opened, monkeypatch):
    monkeypatch.setattr("itop_bridge.delivery.delivery._CLOSED_S", 0.01)
    async with opened() as site:
        site.mend()
        site.unreachable = 1_000_000
        await site.publish(alert())
        await site.delivery.step()
        assert not site.gate.is_open
        site.delivery._alarms = bell = Bell("delivery_paused")
        stop = asyncio.Event()
        running = asyncio.create_task(site.delivery.run(stop))
        await site.operations.pause(None)
        await asyncio.wait_for(bell.rung.wait(), 5)
        assert not site.gate.is_open
        stop.set()
        await running


# resolving after a bad rule


async def test_the_incidents_of_a_bad_rule_are_resolved(opened):
    async with opened() as site:
        site.mend()
        await site.publish(alert("old", status="firing"))
        await site.settle()
        site.advance(HOUR)
        since = site.now
        await site.publish(alert("a1", status="firing"))
        await site.publish(alert("a2", severity="critical"))
        await site.publish(alert("b1"), topic="two")
        await site.live(MINUTE)
        ids = await site.operations.find_resolvable("one", since)
        assert await site.operations.resolve_cases(ids) == 2
        assert await site.operations.resolve_cases(ids) == 2
        assert await site.operations.count_owed(ids) == 2
        await site.live(HOUR)
        assert await site.operations.count_owed(ids) == 0
        status = {incident["title"].rpartition("T ")[2]: incident["status"] for incident in site.incidents}
        assert status == {"old": "new", "a1": "resolved", "a2": "resolved", "b1": "new"}
        assert await site.operations.find_resolvable("one", since) == []


async def test_an_incident_that_a_person_holds_gets_an_entry_instead(opened):
    async with opened() as site:
        site.mend()
        await site.publish(alert("a1", status="firing"))
        await site.live(HOUR)
        (row,) = site._rows()
        site.act("assign", row, 0.0)
        ids = await site.operations.find_resolvable("one", 0.0)
        await site.operations.resolve_cases(ids)
        await site.live(HOUR)
        assert site.incident()["status"] == "assigned"
        assert len(site.entries()) == 2
        assert await site.operations.count_owed(ids) == 0


async def test_a_route_that_never_resolves_gets_an_entry_instead(opened):
    async with opened(profile_of(Policy(resolve="never"))) as site:
        await site.fires()
        await site.live(HOUR)
        await site.operations.resolve_cases(await site.operations.find_resolvable("wazuh", 0.0))
        await site.live(HOUR)
        assert site.incident()["status"] == "new"
        assert len(site.entries()) == 2


async def test_a_case_that_was_resolved_by_an_operator_may_fire_again(opened):
    async with opened() as site:
        site.mend()
        for _ in range(3):
            await site.publish(alert("a1", status="firing"))
            await site.live(HOUR)
            ids = await site.operations.find_resolvable("one", 0.0)
            assert await site.operations.resolve_cases(ids) == 1
            await site.live(HOUR)
        assert site.incident()["status"] == "resolved"


async def test_a_parked_case_is_not_resolved(opened):
    async with opened() as site:
        await site.fires()
        await site.settle()
        await site.store.write(lambda sql: sql.execute("UPDATE cases SET parked = 'poison', due = NULL").rowcount)
        assert await site.operations.find_resolvable("wazuh", 0.0) == []
        assert await site.operations.resolve_cases([1]) == 0
