"""Secrets and what alerts say never reach the log, whatever fails: canaries in all of them, and then a search."""

import asyncio
import json
import signal
from urllib.parse import quote_plus

import pytest
from daemon_process import until

from itop_bridge.simulator.fault import Fault, Kind

pytestmark = pytest.mark.mosquitto

SECRETS = {"mqtt": "mqtt-canary-7f3a&%", "itop": "itop-canary-b81c &%", "wrong": "wrong-canary-55aa"}
TEXT = "zqpayload"
"""In every alert, in every field."""


def alert(number, **changes):
    texts = {field: f"{TEXT} {field} {number}" for field in ("title", "description", "rule", "host", "user", "tenant")}
    return {"id": f"{TEXT}-{number}", "severity": "high", **texts, "link": f"https://x/{TEXT}", TEXT: TEXT, **changes}


RUBBISH = [
    f"{{not json {TEXT}".encode(),
    f'"{TEXT}"'.encode(),
    f'{{"title": "\xff{TEXT}"}}'.encode("latin-1"),
    f'{{"title": NaN, "x": "{TEXT}"}}'.encode(),
    f'{{"{TEXT}": '.encode() + b"[" * 3000 + b"]" * 3000 + b"}",
    f'{{"title": "{TEXT * 200_000}"}}'.encode(),
    b"",
    json.dumps([alert(900, severity=[TEXT], time=TEXT, src_ip=TEXT), TEXT, None]).encode(),
    json.dumps(alert(901, title=TEXT * 5000, description=f"\x1b[31m{TEXT}\n{TEXT}\u202e")).encode(),
]
FAULTS = [kind for kind in Kind if kind not in (Kind.LATENCY, Kind.SLOW_START, Kind.LATE)]

FACTORY = """
from dataclasses import dataclass

from itop_bridge.factory import Texts, Writing

NAME = "canary"

@dataclass(frozen=True, kw_only=True)
class Settings:
    pass

def handle(alert, case, settings):
    raise ValueError(f"cannot handle {alert.title} {alert.raw}")

def describe_writing(settings):
    texts = Texts(title="t", description="d", create_log="c", append_log="a", resolve_log="r", solution="s")
    return Writing(texts=texts)
"""


@pytest.fixture
def site(daemon, mosquitto, itop):
    """A site with a password for everything, and routes whose expression and factory fail on every alert."""
    itop.accounts["admin"].password = SECRETS["itop"]
    mosquitto.stop()
    mosquitto.configure(mosquitto.add_user("bridge", SECRETS["mqtt"]), "allow_anonymous true")
    mosquitto.start()
    text = daemon.config.read_text()
    text = text.replace(
        "client_id: acceptance,", f'client_id: acceptance, username: bridge, password: "{SECRETS["mqtt"]}",'
    )
    text = text.replace("password: admin", f'password: "{SECRETS["itop"]}"').replace("timeout: 2s", "timeout: 1s")
    text = text.replace("journal:", "log: {level: debug}\njournal:", 1)
    text += '  - {name: failing, topic: "bad/{org}", format: generic, factory: canary}\n'
    (daemon.folder / "own").mkdir()
    (daemon.folder / "own" / "canary.py").write_text(FACTORY)
    daemon.config.write_text(f"factories: [own]\n{text}")
    return daemon


async def seen(daemon, *events):
    """Wait until the log has each of these."""
    names = set(events)
    await until(lambda: names <= {e["event"] for e in daemon.events()}, what=f"{names}", rig=daemon)


async def hit(those_of_itop, faults, mosquitto):
    """Publish alerts of several cases, again and again, until every fault has hit a call."""
    for fault in faults:
        those_of_itop.add(fault)
    for turn in range(60):
        if all(fault.hits for fault in faults):
            return
        texts = [json.dumps(alert(number, id=f"{TEXT}{faults[0].operation}{turn}{number}")) for number in range(10, 30)]
        await mosquitto.publish("siem/EXC/generic", texts)
        await asyncio.sleep(0.5)
    pytest.fail(f"never hit: {[fault.kind for fault in faults if not fault.hits]}")


async def test_no_secret_and_no_text_of_an_alert_is_in_the_log_whatever_fails(site, mosquitto, itop):
    daemon, good = site, site.config.read_text()
    # the broker refuses the password, then takes it
    daemon.config.write_text(good.replace(SECRETS["mqtt"], SECRETS["wrong"]))
    await daemon.start("broker.refused")
    await daemon.stop()
    daemon.config.write_text(good)
    await daemon.start()
    # what cannot be read, and what can
    await mosquitto.publish("siem/EXC/generic", RUBBISH)
    await mosquitto.publish("bad/EXC", [json.dumps(alert(1))])
    await mosquitto.publish("siem/NOPE/generic", [json.dumps(alert(2))])
    await mosquitto.publish("siem/EXC/wazuh", [json.dumps(alert(3))])
    await seen(daemon, "elements.rejected", "case.parked")
    # iTop fails in every way: on creates, then on entries
    itop.faults.add(Fault(Kind.MAINTENANCE, operation="core/get"))
    for operation in ("core/create", "core/update"):
        await hit(itop.faults, [Fault(kind, operation=operation) for kind in FAULTS], mosquitto)
    await seen(daemon, "attempt.failed", "attempt.unknown", "alarm.raised", "incident.appended")
    # the credentials are refused; a configuration with a secret in the wrong place is rejected
    for bad, event in (
        (good.replace(SECRETS["itop"], SECRETS["wrong"]), "configuration.reloaded"),
        (
            good.replace(f'password: "{SECRETS["itop"]}"', f'password: {{file: "{SECRETS["wrong"]}"}}'),
            "configuration.rejected",
        ),
    ):
        daemon.config.write_text(bad)
        daemon.process.send_signal(signal.SIGHUP)
        await seen(daemon, event)
        await mosquitto.publish("siem/EXC/generic", [json.dumps(alert(event, rule=event))])
    await daemon.alarm("itop_unreachable")
    await daemon.stop(signal.SIGKILL)
    daemon.config.write_text(good)
    await daemon.start(
        "attempts.unknown"
        if daemon.count("SELECT count(*) FROM attempts WHERE state = 'in_flight'")
        else "daemon.started"
    )
    mosquitto.stop(signal.SIGKILL)
    await daemon.alarm("broker_unreachable")
    assert await daemon.stop() == 0
    text = daemon.log.read_text()
    for secret in SECRETS.values():
        assert secret not in text
        assert quote_plus(secret) not in text
    assert [line[:500] for line in text.splitlines() if TEXT in line] == []
