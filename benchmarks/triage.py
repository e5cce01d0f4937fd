"""How fast triage maps journaled events, journal writes included, by format, with 50 routes configured.

    python benchmarks/triage.py [--events 20000] [--rounds 3] [--formats wazuh,cef] [--json]

Each round journals alerts of 2 KB (an example of the format, padded), then maps them with format and factory
into the same SQLite file (`synchronous=FULL`). The formats alternate; the best of each counts, beside decoding alone of
the same payloads in the same run. JSON should reach 8,000 alerts a second, the others 4,000. `auto` gets the alerts of
Wazuh and tells their format by their shape.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from itop_bridge.bundled import bundled_folder
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms, configure_log
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.example import Example
from itop_bridge.triage.format import Format, find_formats
from itop_bridge.triage.load import Routing, load_routing
from itop_bridge.triage.recognition import AUTO
from itop_bridge.triage.triage import Triage

SIZE = 2048
ROUTES = 50
AIMS = {"json": 8_000, "xml": 4_000, "cef": 4_000, "leef": 4_000, "key_value": 4_000}
"""Alerts per second by syntax."""

AUTO_AS = "wazuh"

CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "http://localhost", user: u, password: p}
defaults: {organization: EXC}
routes:
"""


def make_configuration(names: Sequence[str]) -> str:
    """A route per format, behind others that make it 50."""
    common = "factory: incident-siem"
    others = [
        f"  - {{name: other-{number}, topic: 'siem/{{org}}/other-{number}/#', format: generic, {common}}}"
        for number in range(ROUTES - len(names))
    ]
    chosen = [f"  - {{name: {name}, topic: siem/{name}, format: {name}, {common}}}" for name in names]
    return CONFIGURATION + "\n".join([*others, *chosen]) + "\n"


def choose_example(form: Format) -> Example:
    """The first that is one alert that fires."""
    for example in form.examples:
        (expect, *others) = example.expect or ({},)
        if expect and not others and expect.get("outcome", "alert") == "alert" and expect.get("state") != "resolved":
            return example
    raise SystemExit(f"{form.name}: no example is one alert that fires")


def make_payloads(form: Format, count: int) -> list[bytes]:
    """An example of the format, padded, `count` times: all different, of 50 hosts, rules or titles."""
    example = choose_example(form)
    return [fill(form.syntax, vary(example, number % 50), number) for number in range(count)]


def vary(example: Example, number: int) -> bytes:
    """The payload with another host, or else rule or title, where it is written as it is expected."""
    for name in ("host", "rule", "title"):
        text = str(example.expect[0].get(name) or "").encode()
        if text and text in example.payload:
            return example.payload.replace(text, b"%s%02d" % (text, number))
    return example.payload


def fill(syntax: str, payload: bytes, number: int) -> bytes:
    padding = f"{number:09}-{'x' * max(SIZE - len(payload) - 24, 0)}"
    if syntax == "json":
        value = orjson.loads(payload)
        members = value.get("alerts", [value]) if isinstance(value, dict) else value
        for member in members:
            member["padding"] = padding
        return orjson.dumps(value)
    if syntax == "xml":
        head, root, tail = payload.rpartition(b"</")
        return head + f"<padding>{padding}</padding>".encode() + root + tail
    return payload.rstrip() + (b"\t" if syntax == "leef" else b" ") + f"padding={padding}".encode()


async def run_triage(routing: Routing, name: str, payloads: list[bytes], folder: Path) -> float:
    """Alerts per second."""
    store = await Store.open(folder / f"{name}-{time.monotonic_ns()}.db")
    try:
        intake = IntakeJournal(store)
        connection = await intake.open_connection(session_present=False)
        topic = f"siem/{name}".encode()
        for start in range(0, len(payloads), 1000):
            batch = [Received(topic, payload, time.time(), len(payload)) for payload in payloads[start : start + 1000]]
            await intake.record_events(connection, batch)
        triage = Triage(TriageJournal(store, time.time), routing.routes, Alarms())
        started = time.perf_counter()
        while await triage.step():
            pass
        seconds = time.perf_counter() - started
        if triage.counters.accepted != len(payloads):
            raise SystemExit(f"{name}: {triage.counters} of {len(payloads)}")
    finally:
        await store.close()
    return len(payloads) / seconds


def decode_rate(form: Format, payloads: list[bytes]) -> float:
    started = time.perf_counter()
    for payload in payloads:
        form.decode(payload)
    return len(payloads) / (time.perf_counter() - started)


async def measure(names: Sequence[str], events: int, rounds: int) -> dict[str, Any]:
    best: dict[str, float] = defaultdict(float)
    decode: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "triage.yaml"
        config.write_text(make_configuration(names))
        routing = load_routing(load_settings(config))
        forms = {name: routing.formats[AUTO_AS if name == AUTO else name] for name in names}
        payloads = {name: make_payloads(form, events) for name, form in forms.items()}
        for _ in range(rounds):
            for name, form in forms.items():
                decode[name] = max(decode[name], decode_rate(form, payloads[name]))
                best[name] = max(best[name], await run_triage(routing, name, payloads[name], Path(folder)))
    return {
        "alerts_per_s": {name: round(rate) for name, rate in best.items()},
        "aim": {name: AIMS[form.syntax] for name, form in forms.items()},
        "ratio_to_decoding": {name: round(rate / decode[name], 4) for name, rate in best.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", help="names with commas (default: all, and auto)")
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    configure_log("warning")
    names = args.formats.split(",") if args.formats else [*find_formats([bundled_folder("config") / "formats"]), AUTO]
    figures = asyncio.run(measure(names, args.events, args.rounds))
    if args.json:
        print(json.dumps(figures))
        return
    print(f"triage: {args.events} alerts of {SIZE} bytes per format, {ROUTES} routes, best of {args.rounds}")
    for name, rate in figures["alerts_per_s"].items():
        ratio, aim = figures["ratio_to_decoding"][name], figures["aim"][name]
        verdict = "" if rate >= aim else f"   below {aim}"
        print(f"  {name:<17} {rate:>7} alerts/s   {ratio:.4f} of decoding alone{verdict}")


if __name__ == "__main__":
    main()
