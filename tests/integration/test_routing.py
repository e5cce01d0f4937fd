"""Routes that go on, silences and inhibition, on a real SQLite file against the simulator; crashes, retries."""

import asyncio
import contextlib
import json

import pytest
from rig import TIME_LIMIT_S
from world import World

from itop_bridge.journal.inquiry import Inquiry, LetterFilter
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

MINUTE = 60.0
HOUR = 3600.0
BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC}
"""
SOC = "  - {name: soc, topic: t, format: generic, factory: incident-siem, continue: true}\n"
NET = "  - {name: net, topic: t, format: generic, factory: incident-siem}\n"
FAILING = NET.replace("}", ', organization: "{{ raw.site }}"}')
FORKED = f"routes:\n{SOC}{FAILING}"
MENDED = f"routes:\n{SOC}{NET}"


class Site(World):
    """A world whose alerts come as messages, through the real triage."""

    folder = None
    text = MENDED

    async def compose(self):
        await super().compose()
        self.stage = Triage(TriageJournal(self.life, self.clock), self.routes(self.text), self.alarms, clock=self.clock)
        self.operations = Operations(self.life, self.clock, self.delivery.wake, self.stage.wake)
        self.inquiry = Inquiry(self.store, self.clock)

    def routes(self, text):
        path = self.folder / "bridge.yaml"
        path.write_text(BASE + text)
        return load_routing(load_settings(path)).routes

    def configure(self, text):
        """The configuration is read again."""
        Site.text = text
        self.stage.routes = self.routes(text)

    async def publish(self, *alerts, topic="t"):
        payload = json.dumps(alerts[0] if len(alerts) == 1 else alerts).encode()
        intake = IntakeJournal(self.store)
        connection = await intake.open_connection(session_present=False)
        await intake.record_events(connection, [Received(topic.encode(), payload, self.now, len(payload))])
        await self.map()

    async def map(self):
        while await self.stage.step():
            pass

    async def retry(self):
        """All that is open."""
        await self.operations.retry_letters(await self.inquiry.find_letters(LetterFilter()))
        await self.map()

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])

    async def letters(self):
        return await self.rows("SELECT idx, route, state, reason FROM dead_letters ORDER BY id")

    async def landed(self):
        return await self.rows("SELECT event_id, idx, n, route FROM intents ORDER BY seq")

    async def dropped(self):
        return await self.rows("SELECT event_id, idx, route, reason FROM drops")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    @contextlib.asynccontextmanager
    async def open_site(text):
        monkeypatch.setattr(Site, "folder", tmp_path)
        monkeypatch.setattr(Site, "text", text)
        async with Site.open(tmp_path / "journal.db") as site:
            yield site

    return open_site


def alert(alert_id="a1", **changes):
    return {"id": alert_id, "title": f"T {alert_id}", "severity": "high", "rule": alert_id, **changes}


# several routes


async def test_each_route_has_a_case_of_its_own_and_a_resolve_ends_both(opened):
    async with opened(MENDED) as site:
        await site.publish(alert(status="firing"))
        await site.settle()
        assert await site.landed() == [(1, 0, 0, "soc"), (1, 0, 1, "net")]
        assert len(site.incidents) == 2
        await site.publish(alert(status="resolved"))
        await site.live(HOUR)
        assert [incident["status"] for incident in site.incidents] == ["resolved", "resolved"]


async def test_a_route_that_failed_is_retried_alone(opened):
    async with opened(FORKED) as site:
        await site.publish(alert("a1"), alert("a2", site="EXC"))
        assert await site.letters() == [(0, "net", "open", "organization_missing")]
        site.configure(MENDED)
        await site.retry()
        assert await site.letters() == [(0, "net", "retried", "organization_missing")]
        assert await site.landed() == [(1, 0, 0, "soc"), (1, 1, 0, "soc"), (1, 1, 1, "net"), (1, 0, 1, "net")]
        await site.settle()
        assert len(site.incidents) == 4


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (MENDED.replace("name: soc", "name: soc2"), ("net", "retried")),
        (MENDED.replace("name: net", "name: net2"), ("net", "open")),
        (MENDED.replace("name: net", "name: net, when: alert.severity == 'low'"), ("net", "retried")),
        (f"routes:\n{SOC}", ("net", "open")),
    ],
)
async def test_what_landed_never_lands_again_whatever_the_configuration_is_now(opened, now, state):
    async with opened(FORKED) as site:
        await site.publish(alert())
        await site.settle()
        site.configure(now)
        await site.retry()
        await site.retry()
        assert [(route, letter) for _, route, letter, _ in await site.letters()] == [state]
        await site.settle()
        assert [route for *_, route in await site.landed()].count("soc") == 1
        assert {route for *_, route in await site.landed()} <= {"soc", "net"}
        assert len({incident["title"][:20] for incident in site.incidents}) == len(site.incidents)


async def test_a_drop_of_one_route_does_not_hide_the_letter_of_another(opened):
    silent = SOC.replace("}", ", silences: [{matchers: {rule: a1}}]}")
    async with opened(f"routes:\n{silent}{FAILING}") as site:
        await site.publish(alert())
        assert await site.dropped() == [(1, 0, "soc", "silenced")]
        assert await site.letters() == [(0, "net", "open", "organization_missing")]
        event = await site.inquiry.fetch_event(1)
        (element,) = event["elements"]
        assert [drop["reason"] for drop in element["drops"]] == ["silenced"]
        assert [letter["route"] for letter in element["letters"]] == ["net"]
        site.configure(f"routes:\n{SOC}{NET}")
        await site.retry()
        assert await site.landed() == [(1, 0, 0, "net")]
        (letter,) = await site.inquiry.fetch_letters(LetterFilter(state="all"))
        assert letter["outcome"] == "landed"


async def test_both_routes_failed_and_are_retried_once_each(opened):
    both = MENDED.replace("}", ', organization: "{{ raw.site }}"}')
    async with opened(both) as site:
        await site.publish(alert())
        assert [route for _, route, *_ in await site.letters()] == ["soc", "net"]
        site.configure(MENDED)
        await site.retry()
        assert await site.landed() == [(1, 0, 0, "soc"), (1, 0, 1, "net")]
        assert [state for *_, state, _ in await site.letters()] == ["retried", "retried"]


async def test_an_event_that_could_not_be_read_goes_to_all_its_routes(opened):
    async with opened(MENDED) as site:
        await site.publish(alert(), topic="later")
        site.configure(MENDED.replace("topic: t,", "topic: later,"))
        await site.retry()
        assert await site.landed() == [(1, 0, 0, "soc"), (1, 0, 1, "net")]


@pytest.mark.parametrize("point", range(16))
async def test_a_process_that_dies_lands_each_route_once(opened, point):
    async with opened(FORKED) as site:
        await site.publish(alert("a1"), alert("a2", site="EXC"))
        site.configure(MENDED)
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
        assert sorted((index, route) for _, index, _, route in await site.landed()) == [
            (0, "net"),
            (0, "soc"),
            (1, "net"),
            (1, "soc"),
        ]
        assert [len(site.entries(incident)) for incident in site.incidents] == [1, 1, 1, 1]


async def _retry_and_deliver(site):
    await site.operations.retry_letters([1])
    await site.map()
    await site._round()


# silences


async def test_a_silenced_alert_opens_nothing_and_the_resolve_of_an_open_case_passes(opened):
    async with opened(f"routes:\n{NET}") as site:
        await site.publish(alert("a1", status="firing"))
        await site.settle()
        site.configure(f"silences: [{{matchers: {{rule: [a1, a2]}}}}]\nroutes:\n{NET}")
        site.advance(HOUR)
        await site.publish(alert("a2", status="firing"), alert("a1", status="resolved"))
        await site.live(HOUR)
        assert site.incident()["status"] == "resolved"
        assert await site.dropped() == [(2, 0, "net", "silenced")]


async def test_a_silence_ends_by_itself(opened):
    silence = "silences: [{matchers: {rule: a1}, until: 2026-09-21T15:00:00Z}]\n"
    async with opened(f"{silence}routes:\n{NET}") as site:
        await site.publish(alert(time="2026-09-21T14:13:00Z"))
        site.advance(HOUR)
        await site.publish(alert(time="2026-09-21T15:13:00Z", title="again"))
        assert await site.dropped() == [(1, 0, "net", "silenced")]
        assert await site.landed() == [(2, 0, 0, "net")]


# inhibition

INHIBITING = f"""\
inhibit:
  - source: {{matchers: {{rule: down}}}}
    target: {{matchers: {{rule: slow}}}}
    equal: [host]
    for: 10m
routes:
{NET.replace("organization", "x").replace("}", ', organization: "{{ raw.org }}", firing_expires: 1d}')}"""


def on(host, rule, status="firing", org="EXC", **changes):
    return alert(f"{rule}-{host}", rule=rule, host=host, status=status, org=org, **changes)


async def test_while_a_source_fires_its_targets_open_nothing(opened):
    async with opened(INHIBITING) as site:
        await site.publish(on("db1", "down"))
        await site.crash()
        await site.publish(on("db1", "slow"), on("db2", "slow"), on("db1", "slow", org="OTH"))
        assert await site.dropped() == [(2, 0, "net", "inhibited")]
        site.advance(HOUR)
        await site.publish(on("db1", "down", "resolved"), on("db1", "slow"))
        assert await site.dropped() == [(2, 0, "net", "inhibited")]
        assert len(await site.landed()) == 5


async def test_the_resolve_of_a_target_that_was_open_before_passes(opened):
    async with opened(INHIBITING) as site:
        await site.publish(on("db1", "slow"), on("db1", "down"))
        await site.settle()
        site.advance(HOUR)
        await site.publish(on("db1", "slow", "resolved"))
        await site.live(HOUR)
        assert sorted(incident["status"] for incident in site.incidents) == ["new", "resolved"]


async def test_a_source_that_is_never_resolved_ends_with_firing_expires(opened):
    async with opened(INHIBITING) as site:
        await site.publish(on("db1", "down"))
        site.advance(24 * HOUR - 1)
        await site.publish(on("db1", "slow"))
        assert await site.dropped() == [(2, 0, "net", "inhibited")]
        site.advance(2)
        await site.publish(on("db1", "slow"))
        assert len(await site.landed()) == 2


async def test_a_source_without_states_inhibits_for_its_time(opened):
    async with opened(INHIBITING) as site:
        await site.publish({**on("db1", "down"), "status": None})
        site.advance(9 * MINUTE)
        await site.publish(on("db1", "slow"))
        site.advance(2 * MINUTE)
        await site.publish(on("db1", "slow"))
        assert await site.dropped() == [(2, 0, "net", "inhibited")]
        assert len(await site.landed()) == 2


async def test_a_rule_that_was_changed_starts_anew(opened):
    async with opened(INHIBITING) as site:
        await site.publish(on("db1", "down"))
        site.configure(INHIBITING.replace("10m", "11m"))
        await site.publish(on("db1", "slow"))
        assert await site.dropped() == []
