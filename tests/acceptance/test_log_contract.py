"""The log as a contract: the daemon through its life, and what its life does not show by smaller scenes of its parts.

Every line is held to the catalogue, by each scene. Every event and alarm of the catalogue is shown by one of them.
"""

import asyncio
import contextlib
import datetime
import io
import json
import signal
import socket
import sqlite3

import aiohttp
import aiomqtt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from breach import find_breaches
from broker import FakeBroker
from daemon_process import Daemon, until
from intake import MemoryJournal, settings_for
from postbox import Inbox, serve_inbox
from rig import TIME_LIMIT_S, Rig, profile_of
from world import World

from itop_bridge import daemon as composition
from itop_bridge.beat import Beats
from itop_bridge.cli.main import main
from itop_bridge.control.address import socket_of
from itop_bridge.control.server import serve_control
from itop_bridge.delivery.attachment import Attachments
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.strain import tell_strain
from itop_bridge.errors import JournalFullError
from itop_bridge.intake import broker as way_to_broker
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.itop.strain import Slowness, Throttling
from itop_bridge.journal.attachment import AttachmentJournal
from itop_bridge.journal.checkpoint import watch_log
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.letter_day import LetterDayJournal
from itop_bridge.journal.mail import MailJournal
from itop_bridge.journal.result import ResultJournal
from itop_bridge.journal.retention import Retention
from itop_bridge.journal.source import SourceJournal
from itop_bridge.log import ALARMS, EVENTS, Alarms, configure_log
from itop_bridge.mail.correspondence import describe_correspondence
from itop_bridge.mail.mailer import Mailer
from itop_bridge.mail.mailer import Pace as MailPace
from itop_bridge.metric.meter import Meter
from itop_bridge.outward.presence import Presence
from itop_bridge.outward.publisher import Publisher
from itop_bridge.pulse import Pulse
from itop_bridge.settings.load import load_settings
from itop_bridge.settings.policy import Attach, Policy
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.triage.heartbeat import Heartbeat
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.own_incident import LetterWatch
from itop_bridge.triage.triage import Triage

MINUTE, HOUR = 60.0, 3600.0
SHOWN = {}
"""By scene: the events and alarms that it shows."""


def shows(*names):
    """Says what a scene shows, and is held to."""

    def mark(scene):
        SHOWN[scene.__name__] = frozenset(names)
        return scene

    return mark


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def names_in(lines):
    """The events, and the alarms that were raised."""
    return {line["event"] for line in lines} | {line["alarm"] for line in lines if line["event"] == "alarm.raised"}


@pytest.fixture(autouse=True)
def _contract(request, tmp_path):
    """Of every line that a scene logs, in this process, in a daemon, or by a command."""
    stream = io.StringIO()
    configure_log("debug", layout="json", stream=stream)
    yield
    logs = [stream.getvalue(), *(path.read_text(errors="replace") for path in tmp_path.rglob("*.log"))]
    lines = [line for log in logs for line in lines_of(log)]
    assert find_breaches(lines) == []
    callspec = getattr(request.node, "callspec", None)
    shown = {callspec.id} if callspec else SHOWN.get(request.node.name, set())
    assert shown - names_in(lines) == set()


def test_the_scenes_show_the_whole_catalogue():
    shown = frozenset().union(*SHOWN.values())
    assert sorted({*EVENTS, *ALARMS} - shown) == [], "of these no scene is known"
    assert sorted(shown - {*EVENTS, *ALARMS}) == []


# the daemon


def change(daemon, old, new):
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new, 1))


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alert(name, rule="r", **facts):
    told = {"id": name, "title": f"Rule {rule}", "rule": rule, "severity": "high", "state": "firing", "host": name}
    return json.dumps({**told, **facts})


async def seen(daemon, *names):
    await until(lambda: names_in(daemon.events()) >= {*names}, what=names, rig=daemon)


async def counted(daemon, event, count):
    await until(lambda: sum(e["event"] == event for e in daemon.events()) >= count, what=(event, count), rig=daemon)


async def order(daemon, operation, **words):
    """An operator's order, by the control socket."""
    connector = aiohttp.UnixConnector(str(socket_of(daemon.journal)))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://control/{operation}", data=json.dumps(words).encode()) as response,
    ):
        assert "error" not in (await response.text()), operation


@pytest.mark.mosquitto
@shows(
    *("factory.loaded", "factory.rejected", "configuration.warned", "journal.opened", "control.started"),
    *("console.started", "daemon.started", "broker.connected", "broker.subscribed"),
    *("configuration.mismatched", "itop_mismatch"),
    *("event.journaled", "alerts.mapped", "silence.began", "silence.ended", "storm.began", "elements.rejected"),
    *("incident.created", "incident.appended", "incident.resolved", "incident.reopened", "reference_refused"),
    *("case.parked", "case_parked", "alerts.handled_by_person", "intents.dropped"),
    *("control.performed", "delivery_paused", "letters.retried"),
    *("configuration.rejected", "configuration_rejected", "configuration.reloaded", "case.released"),
    *("alarm.raised", "alarm.cleared"),
    *("configuration.restart_wanted", "daemon.stopping", "daemon.stopped"),
)
async def test_a_shift_of_the_daemon(daemon, mosquitto, itop):
    (daemon.folder / "own").mkdir()
    (daemon.folder / "own" / "broken.py").write_text("raise ValueError")
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=8)
    change(daemon, "mqtt:", "factories: [own]\nlog: {level: debug}\nmqtt:")
    change(daemon, 'listen: "off"', f"listen: 127.0.0.1:{find_port()}")
    change(daemon, "spacing: 0s", "spacing: 0s\n  resolve_grace: 0s")
    daemon.config.write_text(
        daemon.config.read_text()
        + f"  - {{name: quiet, topic: quiet, format: generic, factory: incident-siem, organization: EXC, silences: "
        f'[{{name: works, until: "{soon.isoformat()}"}}]}}\n'
        "  - {name: storm, topic: storm, format: generic, factory: incident-siem, organization: EXC, "
        "group_by: [rule], storm: {cases: 2, within: 1m}}\n"
        "  - {name: odd, topic: odd, format: generic, factory: incident-siem, organization: EXC, "
        "settings: {service: Nobody knows}}\n"
    )
    await daemon.start()
    await seen(daemon, "silence.began", "itop_mismatch")
    # alerts of all kinds
    persons = [alert("p1", "of a person"), alert("p2", "of a person")]
    await mosquitto.publish("siem/EXC/generic", [alert("a"), *persons, b"{not json"])
    await mosquitto.publish("siem/NONE/generic", [alert("n")])
    await mosquitto.publish("quiet", [alert("q")])
    await mosquitto.publish("storm", [alert(f"s{number}", f"s{number}") for number in range(4)])
    await mosquitto.publish("odd", [alert("o")])
    await seen(daemon, "elements.rejected", "case.parked", "reference_refused", "storm.began")
    await counted(daemon, "incident.created", 5)
    await mosquitto.publish("siem/EXC/generic", [alert("b")])
    await seen(daemon, "incident.appended")
    # what a person resolves is theirs
    [theirs] = [each["id"] for each in itop.objects("Incident") if "of a person" in each["title"]]
    itop.person("Alice Agent").resolve(theirs, "done")
    ends = [alert("p1", "of a person", state="resolved"), alert("a", state="resolved"), alert("b", state="resolved")]
    await mosquitto.publish("siem/EXC/generic", ends)
    await seen(daemon, "incident.resolved", "alerts.handled_by_person", "intents.dropped")
    await asyncio.sleep(1.1)  # iTop's times are whole seconds: an alert of the same one is not later
    await mosquitto.publish("siem/EXC/generic", [alert("a", host="again")])
    await seen(daemon, "incident.reopened")
    # operators
    await order(daemon, "pause")
    await seen(daemon, "delivery_paused")
    await order(daemon, "resume")
    await order(daemon, "retry-letters", filter={"reason": "invalid_json"})
    await seen(daemon, "letters.retried")
    daemon.process.send_signal(signal.SIGHUP)
    await seen(daemon, "configuration.rejected")
    (daemon.folder / "own" / "broken.py").unlink()
    change(daemon, "log: {level: debug}", "log: {level: info}")
    daemon.process.send_signal(signal.SIGHUP)
    await seen(daemon, "configuration.reloaded", "configuration.restart_wanted", "case.released", "silence.ended")
    assert await daemon.stop() == 0


@pytest.mark.mosquitto
@shows(
    *("broker.lost", "broker_unreachable", "broker.session_missing", "session_lost"),
    *("client_id_in_use", "broker.refused", "broker_refused"),
)
async def test_a_broker_that_is_in_trouble(daemon, mosquitto):
    await daemon.start()
    mosquitto.stop(signal.SIGKILL)
    await daemon.alarm("broker_unreachable")
    (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    await daemon.alarm("session_lost")
    while "client_id_in_use" not in names_in(daemon.events()):
        with socket.create_connection(("127.0.0.1", mosquitto.port)) as other:
            other.sendall(b"\x10\x16\0\4MQTT\4\2\0\x3c\0\x0aacceptance")  # CONNECT, under the daemon's client id
            await asyncio.sleep(0.1)
    mosquitto.stop()
    mosquitto.configure(mosquitto.add_user("bridge", "secret"), "allow_anonymous false")
    mosquitto.start()
    await daemon.alarm("broker_refused")
    assert await daemon.stop() == 0


@pytest.mark.mosquitto
@shows("event.redelivered", "attempts.unknown", "attempt.absent", "attempt.verified")
async def test_a_daemon_that_is_killed(daemon, mosquitto):
    change(daemon, "timeout: 2s\n  server_time_limit: 3s", "timeout: 1s\n  server_time_limit: 1s")
    await daemon.start(ITOP_BRIDGE_CRASH_AT="intake.committed")
    await mosquitto.publish("siem/EXC/generic", [alert("a")])
    await daemon.process.wait()
    for point in ("delivery.marked", "delivery.answered"):
        await daemon.start(None, ITOP_BRIDGE_CRASH_AT=point)
        await daemon.process.wait()
    await daemon.start()
    await daemon.settled(1)
    assert [each["previous"] for each in daemon.events() if each["event"] == "daemon.started"][-1] == "crashed"
    assert await daemon.stop() == 0


@pytest.mark.mosquitto
@shows("itop_unreachable", "itop_not_allowed", "attempt.failed", "attempt.unknown")
async def test_an_itop_that_is_in_trouble(daemon, mosquitto, itop):
    await daemon.start()
    troubles = {
        "itop_unreachable": Fault(Kind.MAINTENANCE, times=None),
        "attempt.unknown": Fault(Kind.TIMEOUT_AFTER, times=None, operation="core/create"),
        "itop_not_allowed": Fault(Kind.READ_ONLY, times=None, operation="core/create"),
    }
    for name, fault in troubles.items():
        itop.faults.add(fault)
        await mosquitto.publish("siem/EXC/generic", [alert(name, name)])
        await seen(daemon, name)
        itop.faults.clear()
        await seen(daemon, "alarm.cleared")
    assert await daemon.stop() == 0


@pytest.mark.mosquitto
@shows("daemon.stage_failed", "daemon.failed")
async def test_a_daemon_whose_journal_is_spoilt(daemon, mosquitto):
    await daemon.start()
    with contextlib.closing(sqlite3.connect(daemon.journal)) as sql:
        sql.execute("DROP TABLE drops")
        sql.execute("DROP TABLE dead_letters")
    await mosquitto.publish("siem/EXC/generic", [b"{not json"])
    assert await asyncio.wait_for(daemon.process.wait(), 30) == 1


@pytest.mark.mosquitto
@shows("control.unavailable")
async def test_a_daemon_without_a_control_socket(tmp_path, mosquitto, itop):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    daemon = Daemon(folder, mosquitto.port, itop.url)
    await daemon.start()
    assert await daemon.stop() == 0


# commands and orders


@shows("command.started", "command.finished", "command.failed")
async def test_commands_with_a_log(tmp_path, itop):
    config = tmp_path / "itop-bridge.yaml"
    words = ["--config", str(config), "--logfile", str(tmp_path / "command.log"), "core-get", "Team"]
    for password, code in (("admin", 0), ("wrong", 1)):
        config.write_text(f'itop: {{address: "{itop.url}", user: admin, password: {password}}}\n')
        assert await asyncio.to_thread(main, words) == code


@shows("control.failed")
async def test_an_order_that_meets_a_mistake_of_ours(tmp_path):
    broken = None  # in the place of what the orders reach
    async with serve_control(tmp_path / "journal.db", broken):
        connector = aiohttp.UnixConnector(str(socket_of(tmp_path / "journal.db")))
        async with aiohttp.ClientSession(connector=connector) as session, session.post("http://control/reload") as told:
            assert "error" in await told.text()


# intake


async def nap(_seconds):
    await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def taking(fake, **changes):
    """Intake with a broker that misbehaves."""
    alarms, stop = Alarms(), asyncio.Event()
    intake = Intake(Broker(settings_for(fake.port)), MemoryJournal(**changes), alarms, ["siem/#", "no/#"], sleep=nap)
    task = asyncio.create_task(intake.run(stop))
    try:
        yield alarms
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def begun(alarms, name):
    async with asyncio.timeout(10):
        while name not in alarms.active:  # noqa: ASYNC110 - alarms are looked at, they do not call
            await asyncio.sleep(0.001)


@shows("journal.paused", "journal.resumed", "journal_full", "subscription_refused")
async def test_a_full_disk_and_a_topic_that_is_not_granted():
    grants = {"siem/#": 1, "no/#": 0x87}
    async with FakeBroker(grant=grants.get) as fake, taking(fake, errors=[JournalFullError("full")]) as alarms:
        await begun(alarms, "subscription_refused")
        await fake.send(b"siem/a", b"1", mid=1)
        await fake.until(lambda: fake.acknowledged == [1])


@shows("broker_unstable")
async def test_a_broker_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(way_to_broker, "_ANSWER_TIMEOUT_S", 0.05)
    async with FakeBroker(silent=True) as fake, taking(fake) as alarms:
        await begun(alarms, "broker_unstable")


# own incidents, mail, attachments, results

SITE = """\
mqtt: {{host: localhost}}
itop: {{address: "https://itop.example", user: u, password: p}}
own_incidents: {{organization: OTH}}
defaults: {{organization: EXC}}
mail:
  server: 127.0.0.1:{port}
  security: none
  sender: bridge@example.com
  recipients: [soc@example.com, gone@example.com]
  about: [created, dead_letters]
  most_per_hour: 2
  subject: "{{{{ items[0].title * 2 }}}}"
routes: [{{name: wazuh, topic: t, format: generic, factory: incident-siem, expect_every: 5m}}]
"""


def site(tmp_path, port=25):
    config = tmp_path / "itop-bridge.yaml"
    config.write_text(SITE.format(port=port))
    loaded = load_settings(config)
    return loaded.settings, load_routing(loaded).routes


async def journal_event(rig, payload=b"{}"):
    journal = IntakeJournal(rig.store)
    number = await journal.open_connection(session_present=False)
    await journal.record_events(number, [Received(b"t", payload, rig.now, len(payload))])


@shows("storm.began", "storm.ended")
async def test_a_storm_that_ends(tmp_path):
    site(tmp_path)
    config = tmp_path / "itop-bridge.yaml"
    stormy = "group_by: [rule], storm: {cases: 2, within: 1m}"
    config.write_text(config.read_text().replace("expect_every: 5m", stormy))
    routes = load_routing(load_settings(config)).routes
    async with Rig.open(tmp_path / "journal.db") as rig:
        triage = Triage(rig.triage, routes, rig.alarms)
        for number in range(4):
            await journal_event(rig, alert(f"a{number}", f"r{number}").encode())
        await triage.step()
        rig.advance(2 * MINUTE)
        stop = asyncio.Event()
        running = asyncio.create_task(triage.run(stop))
        async with asyncio.timeout(10):
            while triage._stormy:  # noqa: ASYNC110 - it looks, it does not call
                await asyncio.sleep(0.001)
        stop.set()
        await running


@shows("source.lost", "source.heard", "source_silent", "letters.reported")
async def test_a_source_that_is_silent_and_then_sends_what_nobody_can_read(tmp_path):
    _, routes = site(tmp_path)
    async with Rig.open(tmp_path / "journal.db") as rig:
        sources = SourceJournal(rig.store, rig.clock, lambda: None)
        heartbeat = Heartbeat(sources, rig.alarms, lambda: routes, lambda: 1, monotonic=rig.clock)
        letters = LetterWatch(LetterDayJournal(rig.store, rig.clock, lambda: None), lambda: routes)
        await letters.step()
        for _ in range(10):
            await heartbeat.step()
            rig.advance(MINUTE)
        await journal_event(rig, b"no JSON")
        await Triage(rig.triage, routes, rig.alarms).step()
        await heartbeat.step()
        await letters.step()


@shows(
    *("mail.sent", "mail.recipient_refused", "mail.text_failed", "mail.held", "mail.failed", "mail_failing"),
    *("alerts.escalated", "triage_behind"),
)
async def test_mails(tmp_path):
    inbox = Inbox()
    inbox.refused["gone@example.com"] = "550 no such user"
    with serve_inbox(inbox) as (_, port):
        async with Rig.open(tmp_path / "journal.db") as rig:
            settings, _ = site(tmp_path, port)
            pace = MailPace(rig.clock, rig.clock, lambda: 0.5, rig.sleep)
            mailer = Mailer(MailJournal(rig.store, rig.clock), rig.alarms, describe_correspondence(settings), pace)

            async def minutes(count):
                for _ in range(2 * count):
                    rig.advance(MINUTE / 2)
                    await mailer.step()

            await mailer.step()
            for number in range(4):
                await journal_event(rig)
                await rig.fires(f"a{number}", group=f"g{number}")
                await rig.settle()
                await minutes(5)
            inbox.answer = "550 no"
            rig.alarms.raise_("itop_unreachable", reason="no_answer")
            await journal_event(rig)
            await rig.fires("late", group="late", severity="critical")
            await journal_event(rig)
            await minutes(90)


@shows("attachment.added", "attachment.postponed", "attachment.failed", "attachments_refused")
async def test_alerts_that_are_attached_or_not(tmp_path):
    async with Rig.open(tmp_path / "journal.db", profile_of(Policy(attach=Attach(2_000)))) as rig:
        pace = Pace(10.0, TIME_LIMIT_S, rig.clock, rig.clock, lambda: 0.5, rig.sleep)
        attachments = Attachments(AttachmentJournal(rig.store, rig.clock), rig.gate, rig.alarms, pace)
        for number, kind in enumerate((None, Kind.READ_ONLY, Kind.HTTP_500, None), 1):
            await journal_event(rig)
            await rig.fires(f"a{number}", group=f"g{number}")
            await rig.settle()
            if kind:
                of_files = Fault(kind, operation="core/create", when=lambda call: call["class"] == "Attachment")
                rig.simulator.faults.add(of_files)
            elif number > 1:
                rig.simulator.person("Alice Agent").delete(rig.incidents[-1]["id"])
            for _ in range(3):
                await attachments.step()
                attachments.release()
                rig.advance(HOUR)


@shows("presence.refused", "result.refused", "result.delayed", "results_overflowing")
async def test_a_broker_that_takes_no_results(tmp_path, monkeypatch):
    monkeypatch.setattr(way_to_broker, "_ANSWER_TIMEOUT_S", 0.2)
    async with Rig.open(tmp_path / "journal.db") as rig, FakeBroker() as fake:
        results = ResultJournal(rig.store)
        await results.record_answered(["wazuh"], who_asks=False)
        broker = Broker(settings_for(fake.port))
        await broker.connect()
        publisher = Publisher(
            *(broker, results, rig.alarms, Meter()),
            filters=lambda: ["siem/#"],
            itop_address="https://itop.example",
            sleep=nap,
            most_waiting=1,
        )
        publisher.greet()
        fake.take = lambda _topic: 0x87
        await Presence(broker, lambda: True).tell()
        for number in range(4):
            await journal_event(rig)
            await rig.fires(f"a{number}", group=f"g{number}")
        await rig.settle()
        await publisher.step()
        before = len(fake.published)
        publisher.forgive()
        fake.take = lambda _topic: None
        await rig.fires("more", group="more")
        await rig.settle()
        publishing = asyncio.create_task(publisher.run())
        await fake.until(lambda: len(fake.published) > before + 1)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        broker.connection.drop("the scene is over")


# delivery


@shows("incident.adopted", "attempt.lost", "fault.ended", "itop.read_failed", "alerts.expired")
async def test_what_iTop_forgets_and_refuses_to_tell(tmp_path):  # noqa: N802 - its name
    async with World.open(tmp_path / "journal.db", profile_of(Policy(firing_expires=HOUR))) as world:
        await world.fires()
        await world.settle()
        await world.store.write(lambda sql: sql.execute("UPDATE cases SET incident = NULL, ref = NULL").rowcount)
        world.simulator.faults.add(Fault(Kind.HTTP_500, times=4, operation="core/get"))
        await world.fires("a2", host="srv-02")
        await world.live(10 * MINUTE)
        await world.fires("a3", host="srv-03")
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts ORDER BY id DESC LIMIT 1")
        world.overwrite(world.incident()["id"], token)
        await world.live(2 * HOUR)


@shows("incident.foreign")
async def test_an_incident_that_became_anothers(tmp_path):
    async with World.open(tmp_path / "journal.db") as world:
        await world.fires()
        await world.settle()
        await world.store.write(lambda sql: sql.execute("UPDATE cases SET ref = 'I-009999'").rowcount)
        await world.fires("a2", host="srv-02")
        await world.live(10 * MINUTE)


@shows("attempt.rewrite_failed", "attempt.given_up")
async def test_an_entry_that_does_not_stay(tmp_path):
    async with World.open(tmp_path / "journal.db") as world:
        await world.fires()
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts")
        world.overwrite(world.incident()["id"], token)
        world.simulator.faults.add(Fault(Kind.HTTP_500, times=None, operation="core/update"))
        await world.live(HOUR)


@shows("incident_twin", "attempt.failed")
async def test_a_twin_whose_log_takes_no_note(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/create"))
        await rig.fires()
        await rig.deliver()
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        await late.release()
        rig.simulator.faults.add(Fault(Kind.LOG_FULL, times=None, operation="core/update"))
        await rig.settle(11 * MINUTE)
        await rig.settle()


@shows("incident.advanced", "resolve_way_closed", "log_budget", "log_full")
@pytest.mark.parametrize(
    ("policy", "settings", "fault"),
    [
        (Policy(resolve_path=("ev_assign", "ev_resolve")), {"team": "SOC", "agent": "Alice Agent"}, None),
        (Policy(resolve_path=("ev_nonsense",)), {}, None),
        (Policy(log_budget=1, resolve="never"), {}, None),
        (Policy(), {}, Kind.LOG_FULL),
    ],
    ids=["incident.advanced", "resolve_way_closed", "log_budget", "log_full"],
)
async def test_an_incident_whose_way_or_log_is_closed(tmp_path, policy, settings, fault):
    async with Rig.open(tmp_path / "journal.db", profile_of(policy, **settings)) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        if fault:
            rig.simulator.faults.add(Fault(fault, times=None))
        await rig.resolves()
        for _ in range(3):
            await rig.settle(MINUTE)


@shows("itop_read_refused", "cmdb_unavailable")
async def test_classes_that_iTop_does_not_show(tmp_path):  # noqa: N802 - its name
    async with Rig.open(tmp_path / "journal.db", profile_of(cmdb={"match": {"name": "host"}})) as rig:
        hidden = ("Server", "UserRequest")
        fault = Fault(Kind.HTTP_500, times=None, operation="core/get", when=lambda call: call["class"] in hidden)
        rig.simulator.faults.add(fault)
        await rig.fires()
        await rig.settle()
        odd = profile_of(**{"class": "UserRequest", "origin": ""})
        await rig.triage.record_profile(odd.hash, odd.body)
        rig.profile = odd
        await rig.fires("u", group="u")
        await rig.settle()


@shows("incident.shadowed", "case.left_shadow")
async def test_a_route_that_leaves_the_shadow(tmp_path):
    async with Rig.open(tmp_path / "journal.db", profile_of(Policy(shadow=True))) as rig:
        await rig.fires()
        await rig.settle()
        rig.profile = profile_of()
        await rig.triage.record_profile(rig.profile.hash, rig.profile.body)
        await rig.fires("a2")
        await rig.settle()


# the journal, the daemon's end, libraries


@shows("journal.pruned", "journal_wal_grows")
async def test_the_journals_housekeeping(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        journal = IntakeJournal(rig.store)
        number = await journal.open_connection(session_present=False)
        await journal.record_events(number, [Received(b"t", b"{}", rig.now, 2)])
        await rig.triage.record([], None, through=1)
        rig.advance(100 * HOUR)
        pruned = asyncio.Event()

        async def sleep(seconds):
            if seconds >= MINUTE:
                pruned.set()
            await asyncio.sleep(0)

        retention = Retention(rig.store, HOUR, HOUR, clock=rig.clock, sleep=sleep)
        growing = watch_log(rig.store.path, rig.deliver, rig.alarms, most_bytes=0)
        tasks = [asyncio.create_task(retention.run()), asyncio.create_task(growing)]
        async with asyncio.timeout(10):
            await pruned.wait()
            await begun(rig.alarms, "journal_wal_grows")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@shows("daemon_stalled")
def test_a_part_that_hangs():
    now = [1000.0]
    beats = Beats(lambda: now[0])
    beats.begin("writer", MINUTE)
    pulse = Pulse(beats, Alarms(), notify=str)
    for _ in range(15):
        pulse.beat()
        now[0] += 5.0


@shows("itop_slow", "itop_throttled")
def test_an_itop_that_is_strained():
    now = [1000.0]
    slowness, throttling = Slowness(lambda: now[0]), Throttling(lambda: now[0])
    throttling.record(MINUTE)
    for _ in range(20):
        slowness.record(3.0)
        now[0] += 5.0
        tell_strain(slowness, throttling, Alarms(clock=lambda: now[0]))


@shows("alarm.changed", "alarm.held")
def test_a_condition_that_goes_on_for_other_reasons():
    now = [1000.0]
    alarms = Alarms(clock=lambda: now[0])
    pulse = Pulse(Beats(lambda: now[0]), alarms, notify=str)
    alarms.raise_("itop_unreachable", "no connection", reason="not_sent")
    for _ in range(15):
        alarms.raise_("itop_unreachable", "Invalid login", reason="credentials")
        pulse.beat()
        now[0] += 5.0


@shows("daemon.stop_forced")
async def test_a_stage_that_does_not_end_in_time():
    stage = asyncio.create_task(asyncio.Event().wait(), name="delivery")
    await composition._finish([stage], 0.01)


@pytest.mark.mosquitto
@shows("library.warned", "library.failed")
async def test_what_libraries_say(mosquitto, caplog):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        client.pending_calls_threshold = 1
        await asyncio.gather(*(client.publish("t", b"", 1) for _ in range(5)))
    asyncio.get_running_loop().call_exception_handler({"message": "a task's error was never looked at"})

    async def fail(_request):
        raise ValueError

    application = web.Application()
    application.add_routes([web.get("/", fail)])
    async with TestServer(application) as server, aiohttp.ClientSession() as session, session.get(server.make_url("/")):
        pass
    assert {"mqtt", "asyncio", "aiohttp.server"} <= {record.name for record in caplog.records}
