"""Hostile messages through intake and triage, on a real journal: `make fuzz SECONDS=60`.

Each message must end as intents, a named drop or a dead letter, once; never as an error, nor as anything but text.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from mutator import Mutator
from paho.mqtt.client import MQTTMessage

from itop_bridge.bundled import bundled_folder
from itop_bridge.intake.inbox import Inbox
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms, configure_log
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

BATCH = 50
OUR_FAULTS = ("mapping_failed", "factory_failed")
"""Reasons that say that the bridge itself failed."""
PRODUCT = str(7919 * 7907)
"""What a template would make of the mutator's `{{7919*7907}}`."""
CONTROLS = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")
PLAIN = [
    ("generic", b'{"id":"1","title":"Disk full","severity":"high","state":"firing","host":"db1"}'),
    ("generic", b""),
    ("generic", b"[]"),
    ("generic", b"null"),
]


def load_seeds() -> list[tuple[str, bytes]]:
    """The payloads of every bundled format's examples."""
    seeds = list(PLAIN)
    for path in sorted((bundled_folder("config") / "formats").glob("*.yaml")):
        for example in yaml.safe_load(path.read_text(encoding="utf-8")).get("examples", ()):
            payload = example["payload"]
            seeds.append((path.stem, (payload if isinstance(payload, str) else json.dumps(payload)).encode()))
    return seeds


def write_configuration(folder: Path) -> Path:
    """A route per bundled format, and one that tells formats apart by itself."""
    names = [path.stem for path in sorted((bundled_folder("config") / "formats").glob("*.yaml"))]
    routes = [
        {
            "name": name,
            "topic": f"siem/{{org}}/{name}",
            "format": name,
            "factory": "incident-siem",
            "when": "alert.severity >= 'informational' or raw.a.b == 'c'",
        }
        for name in names
    ]
    path = folder / "fuzz.yaml"
    settings = {
        "mqtt": {"host": "localhost"},
        "itop": {"address": "https://itop.example", "user": "u", "password": "p"},
        "defaults": {"organization": "{{ topic.org }}"},
        "routes": routes,
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


class Fuzz:
    """Puts batches in and looks at what came of each."""

    def __init__(self, store: Store, triage: Triage, intake: IntakeJournal, mutator: Mutator) -> None:
        self.outcomes: Counter[str] = Counter()
        self.findings: list[tuple[str, bytes, bytes]] = []
        self.messages = 0
        self._store = store
        self._triage = triage
        self._intake = intake
        self._mutator = mutator
        self._inbox = Inbox(max_pending=2**30, max_payload=100_000)

    async def batch(self, connection: int) -> None:
        """Receive, journal and map a batch; then judge every event of it."""
        before = await self._newest()
        for mid in range(1, BATCH + 1):
            topic, payload = self._mutator.draw()
            message = MQTTMessage(mid, topic)
            message.payload, message.qos = payload, 1
            self._inbox.put(message)
        taken = self._inbox.take()
        self._inbox.settle(taken)
        self.messages += len(taken)
        await self._intake.record_events(connection, [each.message for each in taken])
        try:
            while await self._triage.step():
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding; the journal's cursor goes past it
            for each in taken:
                self.findings.append((f"{type(error).__name__}: {error}", each.message.topic, each.message.payload))
            await self._skip()
        await self._store.read(lambda sql: self._judge(sql, before))

    async def _newest(self) -> int:
        return await self._store.read(lambda sql: sql.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    async def _skip(self) -> None:
        newest = await self._newest()
        await self._store.write(
            lambda sql: (
                sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('triaged', ?)", (newest,)).rowcount
            )
        )

    def _judge(self, sql, before) -> None:
        cursor = sql.execute("SELECT value FROM meta WHERE name = 'triaged'").fetchone()[0]
        for event_id, topic, payload in sql.execute("SELECT id, topic, payload FROM events WHERE id > ?", (before,)):
            wrong = list(self._find_wrong(sql, event_id, cursor))
            self.findings += [(text, topic, payload) for text in wrong]

    def _find_wrong(self, sql, event_id, cursor) -> Iterator[str]:
        facts = sql.execute("SELECT idx, n, facts FROM intents WHERE event_id = ?", (event_id,)).fetchall()
        drops = sql.execute("SELECT idx, reason FROM drops WHERE event_id = ?", (event_id,)).fetchall()
        dead = sql.execute("SELECT idx, reason, detail FROM dead_letters WHERE event_id = ?", (event_id,)).fetchall()
        self.outcomes.update({"intents": len(facts)})
        self.outcomes.update(reason for _, reason, *_ in [*drops, *dead])
        if cursor < event_id:
            yield "not mapped"
        elif not facts and not drops and not dead:
            yield "lost: no intent, no drop, no dead letter"
        ends = Counter([idx for idx, n, _ in facts if n == 0] + [idx for idx, *_ in drops] + [idx for idx, *_ in dead])
        if max(ends.values(), default=1) > 1:
            yield f"an element ended twice: {ends}"
        for _, reason, detail in dead:
            if reason in OUR_FAULTS:
                yield f"{reason}: {detail}"
        for _, _, text in facts:
            yield from _find_marks(json.loads(text))


def _find_marks(facts) -> Iterator[str]:
    """What must not be in an alert's text: controls, and what a template would have made of it."""
    for name, value in facts.items():
        text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
        if name != "description" and CONTROLS.search(text.replace("\\n", "")):
            yield f"a control character in {name}: {text[:200]!r}"
        if PRODUCT in text:
            yield f"{name} was taken for a template"


async def run(seed: int, go_on: Callable[[Fuzz], bool]) -> Fuzz:
    """Batches while `go_on` says so."""
    with tempfile.TemporaryDirectory() as folder:
        routing = load_routing(load_settings(write_configuration(Path(folder))))
        store = await Store.open(Path(folder) / "journal.db")
        try:
            journal = TriageJournal(store, time.time)
            intake = IntakeJournal(store)
            fuzz = Fuzz(
                store, Triage(journal, routing.routes, Alarms()), intake, Mutator(random.Random(seed), load_seeds())
            )
            connection = await intake.open_connection(session_present=False)
            while go_on(fuzz) and len(fuzz.findings) < 20:
                await fuzz.batch(connection)
        finally:
            await store.close()
    return fuzz


def _keep(findings: list[tuple[str, bytes, bytes]]) -> None:
    """Write what was found beside where we are, so that it can be sent again."""
    for number, (text, topic, payload) in enumerate(findings, 1):
        path = Path(f"fuzz-{number}.bin")
        path.write_bytes(payload)
        print(f"{path}: topic {topic!r}: {text}", file=sys.stderr)


def main() -> int:
    """The program: 0 if nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    configure_log("error")
    ends = time.monotonic() + args.seconds
    fuzz = asyncio.run(run(seed, lambda _: time.monotonic() < ends))
    _keep(fuzz.findings)
    told = ", ".join(f"{name} {count}" for name, count in fuzz.outcomes.most_common())
    print(f"seed {seed}: {fuzz.messages} messages: {told}")
    print(f"{len(fuzz.findings)} findings")
    return 1 if fuzz.findings else 0


if __name__ == "__main__":
    sys.exit(main())
