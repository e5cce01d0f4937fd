"""The daemon is killed at each named point of its work, and started again: nothing is lost and nothing done twice."""

import asyncio
import contextlib
import json
import re
import signal
import sqlite3
from collections import Counter
from itertools import pairwise

import aiomqtt
import pytest
from daemon_process import until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from itop_bridge.crash_point import CRASH_POINTS, VARIABLE
from itop_bridge.journal.schema import load_migrations, migrate

pytestmark = pytest.mark.mosquitto

TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")
COUNT = re.compile(r"(\d+) alerts?\b")
ALERTS = 30
RULES = 3
TWO_HOURS_S = 7200
PRUNED_BYTES = 50_000
CHECKPOINTED_BYTES = 250_000


def alert(number, padding=0):
    told = {"id": f"a{number}", "title": "Rule", "rule": f"r{number % RULES}", "severity": "high"}
    return json.dumps({**told, "host": f"srv-{number:02}", "padding": "x" * padding})


class Victim:
    """The daemon, the broker with a session for it, and what iTop is to show in the end."""

    def __init__(self, daemon, mosquitto, itop):
        self.daemon, self.mosquitto, self.itop = daemon, mosquitto, itop
        changes = {"timeout: 2s": "timeout: 1s", "server_time_limit: 3s": "server_time_limit: 1s"}
        changes['journal.db"}'] = 'journal.db", keep: 1h}'
        text = daemon.config.read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        daemon.config.write_text(text)

    def want_results(self):
        text = self.daemon.config.read_text()
        self.daemon.config.write_text(text.replace("  spacing: 0s\n", "  spacing: 0s\n  results: true\n"))

    async def subscribe(self):
        """As the daemon does, so that the broker keeps what is published before it has ever run."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        protocol = aiomqtt.ProtocolVersion.V5
        session = {"identifier": "acceptance", "protocol": protocol, "clean_start": False, "properties": properties}
        async with aiomqtt.Client("127.0.0.1", self.mosquitto.port, **session) as client:
            await client.subscribe("siem/+/generic", 1)

    async def publish(self, padding=0):
        await self.subscribe()
        await self.mosquitto.publish("siem/EXC/generic", [alert(number, padding) for number in range(ALERTS)])

    async def die_at(self, point, passes=1):
        """Start, and end by SIGKILL at the point."""
        await self.daemon.start(None, **{VARIABLE: f"{point}:{passes}"})
        assert await asyncio.wait_for(self.daemon.process.wait(), 30) == -signal.SIGKILL, self.log()

    async def go_on(self, events=ALERTS):
        """Start again, work everything off, end in order."""
        await self.daemon.start()
        await self.daemon.settled(events)
        assert await self.daemon.stop() == 0, self.log()

    def check(self, alerts=ALERTS):
        incidents = self.itop.objects("Incident")
        texts = [entry["message"] for incident in incidents for entry in incident["public_log"]]
        assert max(Counter(token for text in texts for token in TOKEN.findall(text)).values()) == 1
        assert len(incidents) == RULES
        assert sum(int(COUNT.search(text)[1]) for text in texts) == alerts
        assert self.daemon.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.daemon.count("SELECT count(*) FROM dead_letters") == 0

    def change_journal(self, *statements):
        with contextlib.closing(sqlite3.connect(self.daemon.journal, isolation_level=None)) as sql:
            for statement in statements:
                sql.execute(statement)

    def log(self):
        return self.daemon.log.read_text(errors="replace")[-4000:]


@pytest.fixture
def victim(daemon, mosquitto, itop):
    return Victim(daemon, mosquitto, itop)


PASSED_BY_ALERTS = {
    "intake.read": 1,
    "intake.inserted": 1,
    "intake.committed": 1,
    "intake.acknowledging": 2,
    "triage.mapped": 1,
    "triage.landed": 1,
    "triage.committed": 1,
    "delivery.marked": 2,
    "delivery.sent": 2,
    "delivery.answered": 2,
    "delivery.settled": 2,
    "delivery.looked": 1,
}
"""And at which pass the daemon ends."""

PASSED_BY_RESULTS = ("results.published", "results.settled")


@contextlib.asynccontextmanager
async def reading_results(port):
    """The results that are published, as they come."""
    results = []

    async def read(client):
        async for message in client.messages:
            results.append(json.loads(message.payload))  # noqa: PERF401 - they are wanted as they come

    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("itop-bridge/results/+", 1)
        reading = asyncio.create_task(read(client))
        try:
            yield results
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


ATTACHING = ("attachment.marked", "attachment.answered")


@pytest.mark.parametrize("point", PASSED_BY_ALERTS)
async def test_every_alert_is_told_once_after_an_end_at(victim, point):
    await victim.publish()
    await victim.die_at(point, PASSED_BY_ALERTS[point])
    await victim.go_on()
    victim.check()


async def test_every_alert_is_told_once_after_an_end_in_the_middle_of_a_checkpoint(victim):
    await victim.publish(CHECKPOINTED_BYTES)
    await victim.die_at("journal.checkpointing")
    await victim.go_on()
    victim.check()


@pytest.mark.parametrize("point", ["journal.pruning", "journal.vacuumed"])
async def test_the_journal_opens_clean_and_knows_its_alerts_after_an_end_while_it_is_pruned(victim, point):
    await victim.publish(PRUNED_BYTES)
    await victim.go_on()
    victim.change_journal(
        f"UPDATE events SET received = received - {TWO_HOURS_S}",
        f"UPDATE intents SET received = received - {TWO_HOURS_S}",
        f"UPDATE attempts SET sent = sent - {TWO_HOURS_S}",
    )
    await victim.die_at(point)
    # not byte for byte, or they could be what the broker sends again because it did not get our acknowledgement
    again = [alert(number, PRUNED_BYTES) + " " for number in range(ALERTS + 1)]
    await victim.mosquitto.publish("siem/EXC/generic", again)
    await victim.go_on(ALERTS + len(again))
    victim.check(ALERTS + 1)
    assert victim.daemon.count("SELECT count(*) FROM drops WHERE reason = 'repeat'") == ALERTS
    assert victim.daemon.count(f"SELECT count(*) FROM events WHERE id <= {ALERTS} AND payload IS NOT NULL") == 0


async def test_an_end_while_the_journal_is_brought_up_to_date_leaves_the_version_before(victim):
    with contextlib.closing(sqlite3.connect(victim.daemon.journal, isolation_level=None)) as sql:
        migrate(sql, load_migrations()[:1])
        sql.execute(
            "INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain)"
            " VALUES (1, 1, 1.0, ?, ?, 9, x'00', 1, 0)",
            (b"siem/EXC/generic", alert(ALERTS).encode()),
        )
    await victim.publish()
    await victim.die_at("journal.migrated")
    assert victim.daemon.rows("PRAGMA user_version") == [(1,)]
    await victim.go_on(ALERTS + 1)
    assert victim.daemon.rows("PRAGMA user_version") == [(len(load_migrations()),)]
    victim.check(ALERTS + 1)


async def test_every_alert_is_told_once_after_an_end_in_the_middle_of_a_stop(victim):
    victim.itop.latency_s = 0.3
    await victim.publish()
    await victim.daemon.start(**{VARIABLE: "daemon.stopping"})
    await until(lambda: victim.itop.objects("Incident"), what="an incident", rig=victim.daemon)
    assert await victim.daemon.stop(signal.SIGTERM) == -signal.SIGKILL
    await victim.go_on()
    victim.check()


@pytest.mark.parametrize("point", ATTACHING)
async def test_every_incident_has_its_alert_attached_once_after_an_end_at(victim, point):
    text = victim.daemon.config.read_text()
    victim.daemon.config.write_text(text.replace("defaults:\n", "defaults:\n  attach: {}\n"))
    await victim.publish()
    await victim.die_at(point)
    await victim.daemon.start()
    owed = "SELECT count(*) FROM attachments WHERE state <> 'done'"
    attached = "SELECT count(*) FROM attachments WHERE state = 'done'"
    await until(lambda: victim.daemon.count(attached) == RULES, what="three attachments", rig=victim.daemon)
    await victim.daemon.settled(ALERTS)
    assert await victim.daemon.stop() == 0, victim.log()
    victim.check()
    assert victim.daemon.count(owed) == 0
    assert Counter(each["item_id"] for each in victim.itop.objects("Attachment")) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("point", PASSED_BY_RESULTS)
async def test_every_result_is_published_at_least_once_and_in_order_after_an_end_at(victim, point):
    victim.want_results()
    async with reading_results(victim.mosquitto.port) as results:
        await victim.publish()
        await victim.die_at(point)
        before = len(results)
        await victim.daemon.start()
        await victim.daemon.settled(ALERTS)
        owed = "SELECT count(*) FROM results"
        await until(lambda: victim.daemon.count(owed) == 0, what="all results", rig=victim.daemon)
        await until(lambda: len(results) > before, what="the results that were sent again", rig=victim.daemon)
        assert await victim.daemon.stop() == 0, victim.log()
    victim.check()
    ids = [each["id"] for each in results]
    # some of before the end may be read after it
    again = next((place for place, (one, other) in enumerate(pairwise(ids), 1) if other <= one), len(ids))
    assert ids[again:] == sorted(set(ids[again:]))
    assert sorted(set(ids)) == [*range(1, max(ids) + 1)]  # no gap: what may not have arrived comes again
    first = {each["id"]: each for each in reversed(results)}
    assert sorted(each["alert_id"] for each in first.values()) == sorted(f"a{number}" for number in range(ALERTS))
    assert {each["outcome"] for each in results} == {"delivered"}
    assert all(each == first[each["id"]] for each in results)


def test_no_point_is_left_out():
    others = {"journal.checkpointing", "journal.pruning", "journal.vacuumed", "journal.migrated", "daemon.stopping"}
    assert sorted({*PASSED_BY_ALERTS, *PASSED_BY_RESULTS, *ATTACHING, *others}) == sorted(CRASH_POINTS)
