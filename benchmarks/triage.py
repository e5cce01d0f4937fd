"""How fast triage maps journaled events, journal writes included, by format.

    python benchmarks/triage.py [--events 20000] [--rounds 3] [--json]

Each round journals 2 KB alerts, then maps them with the bundled format and factory into the same SQLite file
(`synchronous=FULL`). The formats alternate; the best of each counts, beside plain `orjson.loads` of the same payloads
in the same run. `alerts_per_s` should be 8,000 or more for Wazuh.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms, configure_log
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

SIZE = 2048

CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "http://localhost", user: u, password: p}
routes:
  - {name: wazuh, topic: siem/wazuh, format: wazuh, factory: incident-siem, organization: EXC}
  - {name: suricata, topic: siem/suricata, format: suricata, factory: incident-siem, organization: EXC}
  - {name: alertmanager, topic: siem/alertmanager, format: alertmanager, factory: incident-siem, organization: EXC}
  - {name: generic, topic: siem/generic, format: generic, factory: incident-siem, organization: EXC}
"""


def wazuh(number: int) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-24T10:00:00.123+0000",
        "rule": {
            "level": 10,
            "description": f"Rule {number % 50}",
            "id": str(number % 50),
            "groups": ["syslog", "sshd"],
        },
        "agent": {"id": "006", "name": "srv-01", "ip": "10.1.0.1"},
        "manager": {"name": "wazuh.manager"},
        "id": f"1795510800.{number}",
        "data": {"srcip": "203.0.113.7", "srcuser": "root", "dstip": "10.1.0.1"},
        "decoder": {"name": "sshd"},
        "location": "/var/log/auth.log",
    }


def suricata(number: int) -> dict[str, Any]:
    return {
        "timestamp": f"2026-11-24T10:00:00.{number % 1_000_000:06}+0000",
        "flow_id": number,
        "event_type": "alert",
        "src_ip": "203.0.113.7",
        "src_port": 50096,
        "dest_ip": "10.1.0.1",
        "dest_port": 80,
        "proto": "TCP",
        "alert": {"action": "allowed", "signature_id": number % 50, "signature": f"Rule {number % 50}", "severity": 2},
    }


def alertmanager(number: int) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": f"Rule {number % 50}", "severity": "critical", "instance": "srv-01:9100"},
        "annotations": {"summary": "s"},
        "startsAt": "2026-11-24T10:00:00.123456789Z",
        "fingerprint": f"{number:016x}",
    }
    return {"receiver": "bridge", "status": "firing", "version": "4", "groupKey": "g", "alerts": [alert]}


def generic(number: int) -> dict[str, Any]:
    return {
        "id": f"a{number}",
        "title": f"Rule {number % 50}",
        "severity": "high",
        "host": "srv-01",
        "time": 1795510800,
    }


MAKERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "wazuh": wazuh,
    "suricata": suricata,
    "alertmanager": alertmanager,
    "generic": generic,
}


def make_payloads(form: str, count: int) -> list[bytes]:
    payloads = []
    for number in range(count):
        payload = MAKERS[form](number)
        padding = SIZE - len(orjson.dumps(payload)) - 12
        payloads.append(orjson.dumps({**payload, "padding": "x" * max(padding, 0)}))
    return payloads


async def run_triage(form: str, payloads: list[bytes], folder: Path) -> float:
    """Alerts per second."""
    config = folder / "triage.yaml"
    config.write_text(CONFIGURATION)
    routing = load_routing(load_settings(config))
    store = await Store.open(folder / f"{form}-{time.monotonic_ns()}.db")
    try:
        intake = IntakeJournal(store)
        connection = await intake.open_connection(session_present=False)
        topic = f"siem/{form}".encode()
        for start in range(0, len(payloads), 1000):
            batch = [Received(topic, payload, time.time(), len(payload)) for payload in payloads[start : start + 1000]]
            await intake.record_events(connection, batch)
        triage = Triage(TriageJournal(store, time.time), routing.routes, Alarms())
        started = time.perf_counter()
        while await triage.step():
            pass
        seconds = time.perf_counter() - started
        if triage.counters.accepted != len(payloads):
            raise SystemExit(f"{form}: {triage.counters} of {len(payloads)}")
    finally:
        await store.close()
    return len(payloads) / seconds


def decode_rate(payloads: list[bytes]) -> float:
    started = time.perf_counter()
    for payload in payloads:
        orjson.loads(payload)
    return len(payloads) / (time.perf_counter() - started)


async def measure(events: int, rounds: int) -> dict[str, Any]:
    best: dict[str, float] = defaultdict(float)
    decode: dict[str, float] = defaultdict(float)
    payloads = {form: make_payloads(form, events) for form in MAKERS}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            for form, each in payloads.items():
                decode[form] = max(decode[form], decode_rate(each))
                best[form] = max(best[form], await run_triage(form, each, Path(name)))
    return {
        "alerts_per_s": {form: round(rate) for form, rate in best.items()},
        "ratio_to_decoding": {form: round(rate / decode[form], 4) for form, rate in best.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    configure_log("warning")
    figures = asyncio.run(measure(args.events, args.rounds))
    if args.json:
        print(json.dumps(figures))
        return
    print(f"triage: {args.events} alerts of {SIZE} bytes per format, best of {args.rounds}")
    for form, rate in figures["alerts_per_s"].items():
        print(f"  {form:<13} {rate:>7} alerts/s   {figures['ratio_to_decoding'][form]:.4f} of orjson.loads alone")


if __name__ == "__main__":
    main()
