"""A source that is silent is an alarm and, where its route says so, an incident that ends when it speaks again."""

import contextlib
import itertools

import pytest
from rig import Rig
from structlog.testing import capture_logs

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.source import SourceJournal
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.heartbeat import Heartbeat
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

MINUTE = 60.0
CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC}
routes:
  - name: prometheus
    topic: siem/EXC/alertmanager
    format: generic
    factory: incident-siem
    expect_every: 15m
    silence_incident: true
    heartbeat: alert.rule == 'Watchdog'
  - {name: quiet, topic: siem/EXC/quiet, format: generic, factory: incident-siem, expect_every: 15m,
     heartbeat: alert.rule == 'Watchdog'}
  - {name: unwatched, topic: siem/EXC/other, format: generic, factory: incident-siem}
"""
WATCHDOG = b'{"id": "w", "title": "Watchdog", "rule": "Watchdog", "severity": "low", "state": "firing"}'


class Site:
    """A bridge without a broker: `hear` journals messages, `minutes` lets time pass while it listens."""

    def __init__(self, rig, routes):
        self.rig = rig
        self.routes = routes
        self.connection = 1
        self._numbers = itertools.count(1)
        self.start()

    def start(self):
        self.triage = Triage(self.rig.triage, self.routes, self.rig.alarms)
        self.heartbeat = Heartbeat(
            SourceJournal(self.rig.store, self.rig.clock, self.triage.wake),
            self.rig.alarms,
            lambda: self.routes,
            lambda: self.connection,
            monotonic=self.rig.clock,
        )

    async def hear(self, payload=WATCHDOG, topic="siem/EXC/alertmanager"):
        journal = IntakeJournal(self.rig.store)
        received = Received(topic.encode(), payload, self.rig.now, len(payload))
        await journal.record_events(await journal.open_connection(session_present=False), [received])
        await self.work()

    async def work(self):
        while await self.triage.step():
            pass
        await self.heartbeat.step()
        while await self.triage.step():
            pass
        await self.rig.settle()

    async def minutes(self, count, *, hear=()):
        for _ in range(int(count)):
            self.rig.advance(MINUTE)
            for topic in hear:
                await self.hear(topic=topic)
            await self.work()

    async def restart(self):
        """The process dies: alarms are forgotten, the journal is not."""
        for name in list(self.rig.alarms.active):
            self.rig.alarms.clear(name)
        await self.rig.crash()
        self.start()

    @property
    def silent(self):
        alarm = self.rig.alarms.active.get("source_silent")
        return [] if alarm is None else alarm.facts["routes"]


@contextlib.asynccontextmanager
async def open_site(folder):
    path = folder / "bridge.yaml"
    path.write_text(CONFIGURATION)
    routes = load_routing(load_settings(path)).routes
    async with Rig.open(folder / "journal.db") as rig:
        site = Site(rig, routes)
        await site.work()
        yield site


@pytest.fixture
async def site(tmp_path):
    async with open_site(tmp_path) as opened:
        yield opened


QUIET = ("siem/EXC/quiet",)


async def test_silence_is_an_alarm_that_names_the_route(site):
    await site.minutes(11, hear=QUIET)
    assert site.silent == []
    await site.minutes(5, hear=QUIET)
    assert site.silent == ["prometheus"]
    assert "heard" in site.rig.alarms.active["source_silent"].facts


async def test_what_is_heard_in_time_is_no_silence(site):
    await site.minutes(60, hear=("siem/EXC/alertmanager", *QUIET))
    assert site.silent == []
    assert site.rig.incidents == []


async def test_the_alarm_ends_with_the_next_event(site):
    await site.minutes(20, hear=QUIET)
    with capture_logs() as logged:
        await site.hear()
    assert site.silent == []
    assert [line["route"] for line in logged if line["event"] == "source.heard"] == ["prometheus"]


async def test_a_route_that_asks_for_it_has_an_incident_that_ends_when_it_is_heard(site):
    await site.minutes(40, hear=QUIET)
    incident = site.rig.incident()
    assert "No alerts from prometheus" in incident["title"]
    assert incident["status"] == "new"
    await site.hear()
    assert site.rig.incident()["status"] == "resolved"


async def test_a_route_that_does_not_ask_has_the_alarm_alone(site):
    await site.minutes(40, hear=("siem/EXC/alertmanager",))
    assert site.silent == ["quiet"]
    assert site.rig.incidents == []


async def test_a_heartbeat_opens_nothing(site):
    await site.minutes(5, hear=("siem/EXC/alertmanager",))
    assert set(await site.rig.drops()) == {"heartbeat"}
    assert site.rig.incidents == []


async def test_another_alert_of_the_topic_shows_too_that_the_source_lives(site):
    await site.minutes(11, hear=QUIET)
    await site.hear(b'{"id": "1", "title": "Disk full", "severity": "high"}')
    await site.minutes(11, hear=QUIET)
    assert site.silent == []


async def test_while_there_is_no_broker_nothing_counts_as_silent(site):
    site.connection = None
    await site.minutes(120)
    site.connection = 2
    await site.minutes(10)
    assert site.silent == []
    await site.minutes(10)
    assert sorted(site.silent) == ["prometheus", "quiet"]


async def test_restarts_do_not_begin_the_count_anew(site):
    for _ in range(4):
        await site.minutes(5, hear=QUIET)
        await site.restart()
    await site.work()
    assert site.silent == ["prometheus"]


async def test_a_silence_survives_a_restart_with_one_incident(site):
    await site.minutes(20, hear=QUIET)
    await site.restart()
    await site.minutes(5, hear=QUIET)
    assert site.silent == ["prometheus"]
    assert len(site.rig.incidents) == 1
    await site.hear()
    assert site.rig.incident()["status"] == "resolved"
    assert set(site.rig.tokens().values()) == {1}


async def test_a_crash_before_the_turn_is_mapped_loses_and_doubles_nothing(site):
    await site.minutes(11, hear=QUIET)
    for _ in range(3):
        site.rig.advance(MINUTE)
        await site.heartbeat.step()  # and no triage
    await site.restart()
    await site.work()
    await site.minutes(5, hear=QUIET)
    assert len(site.rig.incidents) == 1


async def test_what_waits_to_be_mapped_may_be_what_is_missed(site):
    await site.minutes(10, hear=QUIET)
    journal = IntakeJournal(site.rig.store)
    received = Received(b"siem/EXC/alertmanager", WATCHDOG, site.rig.now, len(WATCHDOG))
    await journal.record_events(await journal.open_connection(session_present=False), [received])
    for _ in range(20):
        site.rig.advance(MINUTE)
        await site.heartbeat.step()
    assert site.silent == []


async def test_a_second_silence_takes_the_incident_up_again(site):
    for _ in range(2):
        await site.minutes(20, hear=QUIET)
        await site.hear()
    kinds = [kind for kind, _ in await site.rig.attempts()]
    assert kinds.count("create") == 1
    assert site.rig.incident()["status"] == "resolved"


async def test_a_route_that_is_no_longer_watched_ends_the_alarm(site):
    await site.minutes(20, hear=QUIET)
    site.routes = [route for route in site.routes if route.name == "quiet"]
    await site.heartbeat.step()
    assert site.silent == []


async def test_an_alert_cannot_join_the_case_of_a_silence(site):
    await site.minutes(20, hear=QUIET)
    await site.hear(
        b'{"id": "x", "title": "No alerts from prometheus", "rule": "source_silent", "severity": "high"}',
        topic="siem/EXC/quiet",
    )
    assert len(site.rig.incidents) == 2
