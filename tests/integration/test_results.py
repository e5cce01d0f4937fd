"""What becomes of alerts is published by the daemon, between a real broker and the simulator."""

import asyncio
import contextlib
import json

import aiomqtt
import pytest
import pytest_asyncio
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from structlog.testing import capture_logs

from itop_bridge.daemon import Signals, open_daemon
from itop_bridge.journal.operation import Operations
from itop_bridge.outward import publisher
from itop_bridge.settings.load import load_settings
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.triage.load import load_routing

pytestmark = pytest.mark.mosquitto

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, response_prefix: [answers], reconnect: {{least: 100ms, most: 1s}}}}
itop: {{address: "{url}", user: admin, password: admin, rate: 500/s, timeout: 2s, server_time_limit: 3s}}
journal: {{path: "{folder}/journal.db"}}
console: {{listen: "off"}}
defaults: {{organization: EXC, group_interval: 1s, repeat_interval: 1s, spacing: 0s, results: true}}
routes:
  - {{name: told, topic: siem/told, format: generic, factory: incident-siem, group_by: [rule]}}
  - {{name: quiet, topic: siem/quiet, format: generic, factory: incident-siem, results: false}}
  - {{name: shaded, topic: siem/shaded, format: generic, factory: incident-siem, shadow: true}}
  - {{name: lost, topic: siem/lost, format: generic, factory: incident-siem, organization: NOBODY}}
"""


def alert(alert_id="a1", **facts):
    told = {"id": alert_id, "title": "Brute force", "rule": "r", "severity": "high", "host": "srv-01"}
    return json.dumps({**told, **facts})


async def until(condition, wanted=None):
    """Wait for a condition, or for an awaitable that has the value that is wanted."""
    async with asyncio.timeout(20):
        while not (condition() if wanted is None else await condition() == wanted):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.02)


class Listener:
    """Whoever reads what the bridge publishes."""

    def __init__(self, client):
        self.client = client
        self.messages = []

    async def listen(self):
        async for message in self.client.messages:
            self.messages.append(message)

    def on(self, topic):
        return [message for message in self.messages if str(message.topic) == topic]

    def words(self, topic):
        return [message.payload.decode() for message in self.on(topic)]

    def results(self, route="told"):
        return [json.loads(message.payload) for message in self.on(f"itop-bridge/results/{route}")]

    def fates(self, route="told"):
        return [(each["alert_id"], each["outcome"], each["action"], each["reason"]) for each in self.results(route)]

    async def until(self, condition):
        await until(condition)


@contextlib.asynccontextmanager
async def listening(port):
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe([("itop-bridge/#", 1), ("answers/#", 1)])
        listener = Listener(client)
        task = asyncio.create_task(listener.listen())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Site:
    def __init__(self, folder, mosquitto, itop):
        self.path = folder / "bridge.yaml"
        self.mosquitto = mosquitto
        self.itop = itop
        self.text = CONFIGURATION.format(port=mosquitto.port, url=itop.url, folder=folder)

    def load(self):
        self.path.write_text(self.text)
        loaded = load_settings(self.path)
        return loaded.settings, load_routing(loaded)

    @contextlib.asynccontextmanager
    async def running(self):
        signals = Signals()
        async with open_daemon(*self.load()) as daemon:
            task = asyncio.create_task(daemon.run(signals))
            try:
                await until(lambda: daemon.stages.intake.state.ready)
                yield daemon
                signals.stop.set()
                await task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def publish(self, topic, *payloads):
        await self.mosquitto.publish(topic, payloads)

    async def ask(self, topic, payload, answer, correlation=b"\x00\xff"):
        """An alert of a sender that wants to be answered."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = answer
        properties.CorrelationData = correlation
        async with aiomqtt.Client("127.0.0.1", self.mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish(topic, payload, 1, properties=properties)


@pytest_asyncio.fixture
async def site(tmp_path, mosquitto):
    itop = Simulator()
    async with serve(itop) as url:
        itop.url = url
        yield Site(tmp_path, mosquitto, itop)


async def test_an_alert_is_told_when_it_is_created_appended_dropped_and_resolved(site):
    async with site.running(), listening(site.mosquitto.port) as listener:
        await site.publish("siem/told", alert())
        await listener.until(lambda: len(listener.results()) == 1)
        await site.publish("siem/told", alert(), alert("a2", severity="critical"))
        await listener.until(lambda: len(listener.results()) == 3)
        await site.publish("siem/told", alert(state="resolved"), alert("a2", severity="critical", state="resolved"))
        await listener.until(lambda: len(listener.results()) == 5)
    assert sorted(listener.fates()[:3]) == [
        ("a1", "delivered", "create", None),
        ("a1", "dropped", None, "repeat"),
        ("a2", "delivered", "append", None),
    ]
    assert [(fate[0], fate[1]) for fate in listener.fates()[3:]] == [("a1", "delivered"), ("a2", "delivered")]
    assert listener.fates()[-1][2] == "resolve"
    (incident,) = site.itop.objects("Incident")
    first = listener.results()[0]
    assert first["link"] == f"{site.itop.url}/pages/UI.php?operation=details&class=Incident&id={first['incident_id']}"
    assert first["ref"] == incident["ref"]
    assert incident["title"].startswith(f"[SIEM-{first['case']}]")
    assert first["received"] <= first["settled"]
    assert all(each["final"] for each in listener.results())
    ids = [each["id"] for each in listener.results()]
    assert ids == sorted(set(ids))
    assert {(message.qos, message.retain) for message in listener.on("itop-bridge/results/told")} == {(1, False)}


async def test_a_shadow_a_dead_letter_and_a_parked_case_are_told_and_what_is_quiet_is_not(site):
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        await site.publish("siem/quiet", alert())
        await site.publish("siem/shaded", alert())
        await site.publish("siem/told", "{nonsense")
        await site.publish("siem/lost", alert(), alert("a2"))
        for route, count in (("shaded", 1), ("told", 1), ("lost", 2)):
            await listener.until(lambda route=route, count=count: len(listener.results(route)) == count)
        (shadowed,) = listener.results("shaded")
        assert (shadowed["outcome"], shadowed["action"], shadowed["ref"]) == ("shadowed", "create", "shadow-1")
        assert (shadowed["incident_id"], shadowed["link"]) == (None, None)
        (dead,) = listener.results("told")
        assert (dead["outcome"], dead["final"], dead["alert_id"]) == ("dead", False, None)
        parked = listener.results("lost")
        assert [(each["alert_id"], each["outcome"], each["final"]) for each in parked] == [
            ("a1", "dead", False),
            ("a2", "dead", False),
        ]
        assert await Operations(daemon.stages.ground.store, daemon.stages.ground.clock).drop_letters([1, 2]) == 2
        await listener.until(lambda: len(listener.results("lost")) == 4 and len(listener.results("told")) == 2)
        assert {fate[1:] for fate in listener.fates("lost")[2:]} == {("dropped", None, "dead_letter_dropped")}
        assert listener.results("quiet") == []


async def test_a_sender_is_answered_where_it_asks_with_its_correlation_and_only_below_the_prefix(site):
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        await site.ask("siem/quiet", alert(), "answers/me")
        await listener.until(lambda: listener.on("answers/me"))
        for number, topic in enumerate(["itop-bridge/status", "siem/told", "answers", "$SYS/x"]):
            await site.ask("siem/told", alert(f"t{number}"), topic)
            await site.ask("siem/quiet", alert(f"q{number}"), topic)
        await listener.until(lambda: len(listener.results()) == 4)
        await site.ask("siem/told", alert("last"), "answers/me")
        await listener.until(lambda: len(listener.on("answers/me")) == 2)
        metrics = daemon.stages.ground.meter.expose([]).decode()
    answer = listener.on("answers/me")[0]
    assert answer.properties.CorrelationData == b"\x00\xff"
    assert (answer.qos, answer.retain) == (1, False)
    assert json.loads(answer.payload)["route"] == "quiet"
    assert {str(message.topic) for message in listener.messages} == {
        "itop-bridge/status",
        "itop-bridge/itop",
        "itop-bridge/results/told",
        "answers/me",
    }
    assert all(message.payload in (b"online", b"offline") for message in listener.on("itop-bridge/status"))
    for reason in ("own", "not_allowed", "reserved"):
        assert f'response_topics_refused_total{{reason="{reason}"}}' in metrics


async def test_a_sender_whose_answer_the_broker_would_hang_up_on_costs_nobody_anything(site):
    site.mosquitto.stop()
    site.mosquitto.configure("max_packet_size 2000")
    site.mosquitto.start()
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        await site.ask("siem/quiet", alert("large"), "answers/me", correlation=b"x" * 1_750)
        await site.ask("siem/quiet", alert("deep"), "answers" + "/" * 300)
        await site.ask("siem/quiet", alert("well"), "answers/me")
        await listener.until(lambda: listener.on("answers/me"))
        assert [json.loads(message.payload)["alert_id"] for message in listener.on("answers/me")] == ["well"]
        assert daemon.stages.intake.state.connections == 1


async def test_a_response_topic_that_is_subscribed_since_a_reload_is_not_used(site):
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        settings, _ = site.load()
        site.text = site.text.replace("response_prefix: [answers]", "response_prefix: []")
        site.text = site.text.replace("siem/shaded", "answers/loop")
        await daemon.reload(*site.load())
        await site.ask("siem/told", alert(), "answers/loop")
        await listener.until(listener.results)
        assert daemon.stages.intake.state.received == 1
        assert settings.mqtt.response_prefix == ("answers",)


async def test_a_reload_changes_which_routes_are_told(site):
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        site.text = site.text.replace("results: false", "results: true").replace("results: true}}", "results: false}}")
        await daemon.reload(*site.load())
        await site.publish("siem/quiet", alert())
        await listener.until(lambda: listener.results("quiet"))


async def test_what_is_settled_while_the_broker_is_away_is_told_when_it_is_back(site):
    site.itop.latency_s = 0.5
    async with site.running() as daemon:
        await site.publish("siem/told", alert(), alert("a2", rule="other"))
        await until(lambda: daemon.stages.approach.gate.calls["core/create"])
        site.mosquitto.stop()
        await until(daemon.stages.outward.results.count_waiting, 2)
        site.mosquitto.start()
        async with listening(site.mosquitto.port) as listener:
            await listener.until(lambda: len(listener.results()) == 2)
            assert [each["id"] for each in listener.results()] == [1, 2]
            await listener.until(lambda: listener.words("itop-bridge/itop")[-1:] == ["reachable"])


async def test_whether_itop_is_reached_is_retained_and_nobody_claims_to_know_after_a_stop(site):
    async with site.running() as daemon, listening(site.mosquitto.port) as listener:
        await listener.until(lambda: listener.words("itop-bridge/itop")[-1:] == ["reachable"])  # perhaps twice
        site.itop.faults.add(Fault(Kind.MAINTENANCE))
        await site.publish("siem/told", alert())
        await listener.until(lambda: listener.words("itop-bridge/itop")[-1] == "unreachable")
        site.itop.faults.clear()
        daemon.stages.approach.gate.reset()
        await listener.until(lambda: listener.words("itop-bridge/itop")[-1] == "reachable")
    async with listening(site.mosquitto.port) as late:
        await late.until(lambda: len(late.messages) == 2)
        assert late.words("itop-bridge/itop") == ["unknown"]
        assert late.words("itop-bridge/status") == ["offline"]
        assert all(message.retain for message in late.messages)


async def test_a_topic_that_the_broker_refuses_stops_nothing_and_is_told(site, monkeypatch):
    """mosquitto 2.0.11 hangs up besides, and where more was sent its refusal does not arrive."""
    monkeypatch.setattr(publisher, "RETRY_S", 0.1)
    acl = site.mosquitto.folder / "acl"
    acl.write_text("topic readwrite siem/#\ntopic readwrite itop-bridge/#\ntopic deny itop-bridge/results/told\n")
    acl.chmod(0o600)
    site.mosquitto.stop()
    site.mosquitto.configure(f"acl_file {acl}")
    site.mosquitto.start()
    with capture_logs() as logs:
        async with site.running() as daemon, listening(site.mosquitto.port) as listener:
            await site.publish("siem/told", alert(), alert("a2"))
            await site.publish("siem/shaded", alert())
            await listener.until(lambda: listener.results("shaded"))
            await until(daemon.stages.outward.results.count_waiting, 0)
            assert daemon.stages.intake.state.connections <= 3
    assert listener.results() == []
    assert [line["topic"] for line in logs if line["event"] == "result.refused"] == ["itop-bridge/results/told"]
