"""From publish to the incident's creation, at 50 alerts a second that each open a case.

    python benchmarks/latency.py [--alerts 500] [--json]

mosquitto, the daemon as a process, the simulator at 5 ms a call. A new case takes a look-up and its create: both are
taken off (the create's is counted from its arrival). `p99_ms` should be 25 or less on a quiet machine; `commit_ms` is
what one commit of SQLite takes on this disk: an alert waits for three of them (event, intents, attempt), one after the
other, and for those of its neighbours. Needs the mosquitto broker.
"""

import argparse
import asyncio
import json
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from intake import running_mosquitto
from storm import wait_for_subscription

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

RATE_PER_S = 50
LATENCY_S = 0.005
WARM_UP = 50
"""The first alerts, which find no connection to iTop open and no code warm."""
MARK = re.compile(r"mark-(\d+)")

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: latency}}
itop: {{address: "{url}", user: admin, password: admin, rate: 1000/s, concurrency: 8}}
journal: {{path: "{folder}/journal.db"}}
console: {{listen: "off"}}
log: {{level: warning}}
routes:
  - {{name: latency, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem,
     organization: "{{{{ topic.org }}}}", group_by: [rule]}}
"""


class Watch(Simulator):
    """Notes when the create of each marked alert was carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.latency_s = LATENCY_S
        self.created: dict[int, float] = {}

    def note(self) -> None:
        """Look at the calls that came since the last look."""
        for call in self.calls:
            if call.operation == "core/create" and call.wrote and (mark := MARK.search(json.dumps(call.request))):
                self.created.setdefault(int(mark[1]), call.at)


async def run(alerts: int) -> dict[str, Any]:
    watch = Watch()
    with tempfile.TemporaryDirectory() as name, running_mosquitto(Path(name)) as port:
        folder = Path(name)
        async with serve(watch) as url:
            config = folder / "latency.yaml"
            config.write_text(CONFIGURATION.format(port=port, url=url, folder=folder))
            command = [sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", str(config)]
            daemon = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            try:
                await wait_for_subscription(folder / "journal.db")
                published = await publish(port, alerts)
                await wait_until_created(watch, alerts)
            finally:
                daemon.terminate()
                await daemon.wait()
        commit_ms = measure_commit(folder / "commit.db")
    taken = [(watch.created[number] - at - LATENCY_S) * 1000 for number, at in published.items() if number >= WARM_UP]
    cuts = statistics.quantiles(taken, n=100)
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1), "commit_ms": round(commit_ms, 2)}


async def publish(port: int, alerts: int) -> dict[int, float]:
    """Evenly spaced; gives when each was published, in seconds since the epoch."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    published = {}
    started = time.monotonic()
    for number in range(alerts):
        await asyncio.sleep(max(0.0, started + number / RATE_PER_S - time.monotonic()))
        alert = {"id": f"a{number}", "title": f"mark-{number} x", "rule": f"r{number}", "severity": "high"}
        published[number] = time.time()
        client.publish("siem/EXC/generic", json.dumps(alert), 1)
    client.loop_stop()
    client.disconnect()
    return published


async def wait_until_created(watch: Watch, alerts: int) -> None:
    for _ in range(600):
        watch.note()
        if len(watch.created) == alerts:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{alerts - len(watch.created)} incidents were not created within 60 s")


def measure_commit(path: Path) -> float:
    """The median of a small durable commit, in milliseconds."""
    sql = sqlite3.connect(path, isolation_level=None)
    sql.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)")
    times = []
    for number in range(200):
        started = time.perf_counter()
        sql.execute("INSERT INTO t VALUES (?)", (number,))
        times.append(time.perf_counter() - started)
    sql.close()
    return statistics.median(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    figures = asyncio.run(run(args.alerts))
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<10} {value}")


if __name__ == "__main__":
    main()
