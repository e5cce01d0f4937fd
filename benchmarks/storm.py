"""A storm from end to end: mosquitto, the daemon as a process, the simulator with a latency; alerts in, calls out.

    python benchmarks/storm.py [--alerts 10000] [--cases 50] [--latency 0.06] [--json]

`calls_per_alert` should be 0.012 or less, `peak_rss_mb` of the daemon 120 or less, `lost` and `duplicated` 0. Lost and
duplicated are told by iTop's side: the alerts that the log entries stand for, and tokens that stand twice.
Needs the mosquitto broker.
"""

import argparse
import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from intake import running_mosquitto

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")
COUNT = re.compile(r"(\d+) alerts?\b")
MOST_S = 300

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: storm}}
itop: {{address: "{url}", user: admin, password: admin, rate: 20/s, concurrency: 4}}
journal: {{path: "{folder}/journal.db"}}
console: {{listen: "off"}}
log: {{level: warning}}
routes:
  - name: storm
    topic: siem/{{org}}/generic
    format: generic
    factory: incident-siem
    organization: "{{{{ topic.org }}}}"
    group_by: [rule]
    group_interval: 10s
    repeat_interval: 20s
"""


def publish(port: int, alerts: int, cases: int) -> None:
    """Publish at QoS 1 in another process, so that it costs the daemon's process nothing but its core."""
    program = (
        "import json, sys, paho.mqtt.client as paho\n"
        f"client = paho.Client(paho.CallbackAPIVersion.VERSION2)\n"
        f"client.max_queued_messages_set(0); client.max_inflight_messages_set(500)\n"
        f"client.connect('127.0.0.1', {port}); client.loop_start()\n"
        f"sent = [client.publish('siem/EXC/generic', json.dumps(dict(id=f'a{{n}}', title=f'Rule {{n % {cases}}}',"
        f" rule=str(n % {cases}), severity='high', host=f'srv-{{n % 7}}', time='2026-11-24T10:00:00Z',"
        f" description='x' * 300)), 1) for n in range({alerts})]\n"
        "[info.wait_for_publish() for info in sent]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def peak_rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def count_open(path: Path, alerts: int) -> int:
    """Alerts that are not yet settled."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
        settled = sql.execute("SELECT count(*) FROM intents WHERE state <> 'pending'").fetchone()[0]
        looks = sql.execute("SELECT count(*) FROM attempts WHERE look IS NOT NULL").fetchone()[0]
    sql.close()
    return alerts - settled + looks


def judge(simulator: Simulator, alerts: int) -> dict[str, Any]:
    """What iTop's side tells."""
    texts = [entry["message"] for incident in simulator.objects("Incident") for entry in incident["public_log"]]
    tokens = Counter(token for text in texts for token in TOKEN.findall(text))
    told = sum(int(COUNT.search(text)[1]) for text in texts)
    twice = sum(times - 1 for times in tokens.values())
    return {
        "incidents": len(simulator.objects("Incident")),
        "entries": len(texts),
        "calls": len(simulator.calls),
        "calls_per_alert": round(len(simulator.calls) / alerts, 4),
        "lost": max(alerts - told, 0),
        "duplicated": max(told - alerts, 0) + twice,
    }


async def run_storm(alerts: int, cases: int, latency_s: float) -> dict[str, Any]:
    simulator = Simulator()
    simulator.latency_s = latency_s
    with tempfile.TemporaryDirectory() as name, running_mosquitto(Path(name)) as port:
        folder = Path(name)
        async with serve(simulator) as url:
            config = folder / "storm.yaml"
            config.write_text(CONFIGURATION.format(port=port, url=url, folder=folder))
            command = [sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", str(config)]
            daemon = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            try:
                await wait_for_subscription(folder / "journal.db")
                started = time.monotonic()
                await asyncio.to_thread(publish, port, alerts, cases)
                await wait_until_settled(folder / "journal.db", alerts, started)
                seconds = time.monotonic() - started
                rss = peak_rss_mb(daemon.pid)
            finally:
                daemon.terminate()
                await daemon.wait()
    return {"seconds": round(seconds, 1), "peak_rss_mb": round(rss, 1), **judge(simulator, alerts)}


async def wait_for_subscription(path: Path) -> None:
    """The daemon remembers its filters once it has subscribed."""
    for _ in range(200):
        await asyncio.sleep(0.1)
        if path.exists():  # noqa: ASYNC240 - a benchmark waits anyway
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
                tables = sql.execute("SELECT count(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
                ready = tables and sql.execute("SELECT 1 FROM meta WHERE name = 'filters'").fetchone()
            sql.close()
            if ready:
                return
    raise TimeoutError("the daemon did not subscribe")


async def wait_until_settled(path: Path, alerts: int, started: float) -> None:
    while count_open(path, alerts):
        if time.monotonic() - started > MOST_S:
            raise TimeoutError(f"{count_open(path, alerts)} alerts are not settled after {MOST_S} s")
        await asyncio.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--latency", type=float, default=0.06, help="of the simulator, seconds")
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    figures = asyncio.run(run_storm(args.alerts, args.cases, args.latency))
    if args.json:
        print(json.dumps(figures))
    else:
        print(f"storm: {args.alerts} alerts on {args.cases} cases, simulator at {args.latency * 1000:.0f} ms")
        for name, value in figures.items():
            print(f"  {name:<16} {value}")


if __name__ == "__main__":
    main()
