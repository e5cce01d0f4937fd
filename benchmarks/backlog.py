"""iTop is down and the journal fills: memory, the start after a kill, and intake's speed at the end beside the start.

    python benchmarks/backlog.py [--events 1000000] [--json]

Half of the events are on one case. The first and the last 50,000 come through mosquitto, what lies between is put into
the journal while the daemon is stopped, and mapped by it. `peak_rss_mb` should be 120 or less, `ready_s` (from the
start after a SIGKILL until it has subscribed) 5 or less, `intake_end_to_start` 0.9 or more. Needs mosquitto.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from intake import running_mosquitto
from storm import peak_rss_mb

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.store import Store

PART = 50_000
CASES = 10_000
BATCH = 2_000
TOPIC = "siem/EXC/generic"

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: backlog}}
itop: {{address: "http://127.0.0.1:9", user: admin, password: admin}}
journal: {{path: "{folder}/journal.db"}}
console: {{listen: "off"}}
routes:
  - {{name: backlog, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem,
     organization: "{{{{ topic.org }}}}", group_by: [rule]}}
"""

PUBLISHER = """\
import sys, paho.mqtt.client as paho
from backlog import payload, TOPIC
client = paho.Client(paho.CallbackAPIVersion.VERSION2)
client.max_queued_messages_set(0); client.max_inflight_messages_set(500)
client.connect('127.0.0.1', int(sys.argv[1])); client.loop_start()
sent = [client.publish(TOPIC, payload(n), 1) for n in range(int(sys.argv[2]), int(sys.argv[3]))]
[info.wait_for_publish() for info in sent]
"""


def payload(number: int) -> bytes:
    """Every second one is of one case."""
    rule = "the one" if number % 2 else f"rule {number // 2 % CASES}"
    alert = {"id": f"a{number}", "title": rule, "rule": rule, "severity": "high", "host": f"srv-{number % 97}"}
    return json.dumps({**alert, "description": "x" * 150}).encode()


class Bridge:
    """The daemon as a process, with its log."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.journal = folder / "journal.db"
        self.peaks: list[float] = []
        self._config = folder / "backlog.yaml"
        self._config.write_text(CONFIGURATION.format(port=port, folder=folder))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> float:
        """Returns the seconds until it had subscribed and was ready."""
        started = time.monotonic()
        command = [sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", str(self._config)]
        self._process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        wanted = {b'"broker.connected"', b'"daemon.started"'}
        while wanted:
            line = await self._process.stderr.readline()
            wanted = {name for name in wanted if name not in line}
        self._reading = asyncio.create_task(self._drop_log(self._process.stderr))
        return time.monotonic() - started

    async def _drop_log(self, stream: asyncio.StreamReader) -> None:
        while await stream.readline():
            pass

    async def end(self, *, kill: bool) -> None:
        self.peaks.append(peak_rss_mb(self._process.pid))
        self._process.kill() if kill else self._process.terminate()
        await self._process.wait()
        await self._reading

    def read(self, query: str) -> int:
        sql = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)
        try:
            return sql.execute(query).fetchone()[0] or 0
        finally:
            sql.close()

    async def wait_journaled(self, count: int) -> None:
        await self._wait("SELECT max(id) FROM events", count)

    async def wait_mapped(self, count: int) -> None:
        await self._wait("SELECT max(value) FROM meta WHERE name = 'triaged'", count)

    async def _wait(self, query: str, count: int) -> None:
        while int(self.read(query)) < count:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)


async def publish(bridge: Bridge, port: int, start: int, end: int) -> float:
    """How many events a second were journaled."""
    began = time.monotonic()
    command = [sys.executable, "-c", PUBLISHER, str(port), str(start), str(end)]
    publisher = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parent)
    await bridge.wait_journaled(end)
    seconds = time.monotonic() - began
    await publisher.wait()
    await bridge.wait_mapped(end)
    return (end - start) / seconds


async def fill(path: Path, start: int, end: int) -> None:
    """Put events in the journal as intake does."""
    store = await Store.open(path)
    try:
        journal = IntakeJournal(store)
        connection = await journal.open_connection(session_present=False)
        for batch in _batches(start, end):
            await journal.record_events(connection, batch)
    finally:
        await store.close()


def _batches(start: int, end: int) -> Iterator[list[Received]]:
    for first in range(start, end, BATCH):
        texts = [payload(number) for number in range(first, min(first + BATCH, end))]
        yield [Received(TOPIC.encode(), text, time.time(), len(text)) for text in texts]


async def run(events: int) -> dict[str, Any]:
    part = min(PART, events // 4)
    with tempfile.TemporaryDirectory() as name, running_mosquitto(Path(name)) as port:
        bridge = Bridge(Path(name), port)
        await bridge.start()
        first = await publish(bridge, port, 0, part)
        await bridge.end(kill=False)
        await fill(bridge.journal, part, events - part)
        await bridge.start()
        began = time.monotonic()
        await bridge.wait_mapped(events - part)
        mapped = (events - 2 * part) / (time.monotonic() - began)
        last = await publish(bridge, port, events - part, events)
        await bridge.end(kill=True)
        ready_s = await bridge.start()
        await asyncio.sleep(5.0)  # what it does first counts for its memory too
        await bridge.end(kill=False)
        size = bridge.journal.stat().st_size
    return {
        "peak_rss_mb": round(max(bridge.peaks), 1),
        "peaks_mb": [round(peak, 1) for peak in bridge.peaks],
        "ready_s": round(ready_s, 2),
        "intake_end_to_start": round(last / first, 3),
        "mapped_per_s": round(mapped),
        "journal_bytes_per_event": round(size / events),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    figures = asyncio.run(run(args.events))
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<24} {value}")


if __name__ == "__main__":
    main()
