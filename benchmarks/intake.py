"""How fast intake journals and acknowledges, beside the limit of paho on asyncio, measured in one run.

    python benchmarks/intake.py [--events 20000] [--rounds 3] [--protocol 5] [--json]

Each run drains a queue that a publisher in another process has filled at QoS 1: `limit` is bare paho on asyncio, which
acknowledges in memory; `aiomqtt` iterates over aiomqtt's messages, acknowledged in memory too; `intake` is the
bridge's own, with each event in the SQLite journal (fsync) before its PUBACK. Runs alternate; the best of each counts.
`ratio_to_limit` should be 0.75 or more. Needs the mosquitto broker.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.store import Store
from itop_bridge.log import Alarms, configure_log
from itop_bridge.settings.model import Mqtt

TOPIC = "siem/exc/wazuh"
FILTER = "siem/#"
CLIENT_ID = "bench"
IN_FLIGHT = 2000


@contextlib.contextmanager
def running_mosquitto(folder: Path) -> Iterator[int]:
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages {IN_FLIGHT}\n"
        "persistence false\nlog_dest none\n"
    )
    process = subprocess.Popen([binary, "-c", str(config)])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def publish(port: int, count: int, size: int) -> None:
    """Publish at QoS 1 over a plain socket: a client library would take minutes of the two cores."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        connect = b"\x00\x04MQTT\x04\x02\x00\x3c" + b"\x00\x09publisher"
        sock.sendall(bytes([0x10, len(connect)]) + connect)
        sock.recv(4)
        for start in range(0, count, 500):
            block = range(start, min(count, start + 500))
            sock.sendall(b"".join(_publish_packet(1 + number % 65_000, number, size) for number in block))
            acknowledged = 0
            while acknowledged < 4 * len(block):
                acknowledged += len(sock.recv(65_536))


def _publish_packet(mid: int, number: int, size: int) -> bytes:
    topic = TOPIC.encode()
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid)
    body += json.dumps({"id": number, "fill": ""}).encode().ljust(size, b".")
    left, length = len(body), bytearray()
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | 0x80 if left else digit)
        if not left:
            return b"\x32" + bytes(length) + body


def _session(protocol: str, *, clean: bool) -> dict[str, object]:
    if protocol != "5":
        return {"clean_session": clean}
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = IN_FLIGHT
    return {"clean_start": clean, "properties": properties}


def _version(protocol: str) -> aiomqtt.ProtocolVersion:
    return aiomqtt.ProtocolVersion.V5 if protocol == "5" else aiomqtt.ProtocolVersion.V311


async def prepare(port: int, protocol: str, count: int, size: int) -> None:
    """A fresh session that holds `count` messages."""
    options = {"hostname": "127.0.0.1", "port": port, "identifier": CLIENT_ID, "protocol": _version(protocol)}
    async with aiomqtt.Client(**options, **_session(protocol, clean=True)):
        pass
    async with aiomqtt.Client(**options, **_session(protocol, clean=False)) as client:
        await client.subscribe(FILTER, 1)
    publisher = multiprocessing.get_context("spawn").Process(target=publish, args=(port, count, size))
    publisher.start()
    await asyncio.to_thread(publisher.join)


async def run_limit(port: int, protocol: str, count: int, _folder: Path) -> float:
    """Bare paho: read when readable, write when writable, acknowledge on arrival."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    arrived = 0

    def on_message(*_):
        nonlocal arrived
        arrived += 1
        if arrived == count:
            done.set()

    session = _session(protocol, clean=False)
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        CLIENT_ID,
        protocol=_version(protocol).value,
        clean_session=session.pop("clean_session", None),
    )
    client.on_message = on_message
    client.on_socket_register_write = lambda _c, _u, sock: loop.add_writer(sock, client.loop_write)
    client.on_socket_unregister_write = lambda _c, _u, sock: loop.remove_writer(sock)
    client.on_socket_open = lambda _c, _u, sock: loop.add_reader(sock, client.loop_read)
    client.on_socket_close = lambda _c, _u, sock: loop.remove_reader(sock)
    started = time.perf_counter()
    client.connect("127.0.0.1", port, **session)
    await done.wait()
    while client.want_write():  # noqa: ASYNC110 - paho has no event for it
        await asyncio.sleep(0)
    took = time.perf_counter() - started
    client.disconnect()
    while client.socket():  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    return took


async def run_aiomqtt(port: int, protocol: str, count: int, _folder: Path) -> float:
    """aiomqtt as its documentation shows it."""
    session = _session(protocol, clean=False)
    started = time.perf_counter()
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=CLIENT_ID, protocol=_version(protocol), **session
    ) as client:
        arrived = 0
        async for _ in client.messages:
            arrived += 1
            if arrived == count:
                break
        return time.perf_counter() - started


async def run_intake(port: int, protocol: str, count: int, folder: Path) -> float:
    """The bridge's intake on a journal of its own."""
    store = await Store.open(Path(tempfile.mkdtemp(dir=folder)) / "journal.db")
    settings = Mqtt(host="127.0.0.1", port=port, client_id=CLIENT_ID, protocol=protocol, receive_maximum=IN_FLIGHT)
    broker = Broker(settings)
    intake = Intake(broker, IntakeJournal(store), Alarms(), [FILTER])
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(intake.run(stop))
    while intake.state.journaled < count or broker.connection._client.want_write():  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.005)
    took = time.perf_counter() - started
    stop.set()
    await running
    await store.close()
    return took


RUNS: dict[str, Callable[..., object]] = {"limit": run_limit, "intake": run_intake, "aiomqtt": run_aiomqtt}


async def measure(arguments: argparse.Namespace) -> dict[str, float]:
    best = dict.fromkeys(RUNS, 0.0)
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as name,
        running_mosquitto(Path(name)) as port,
    ):
        for number in range(arguments.rounds):
            for run, drain in RUNS.items():
                await prepare(port, arguments.protocol, arguments.events, arguments.size)
                took = await drain(port, arguments.protocol, arguments.events, Path(name))
                rate = arguments.events / took
                best[run] = max(best[run], rate)
                if not arguments.json:
                    print(f"round {number + 1}  {run:8} {rate:9,.0f} events/s", flush=True)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=1024, help="bytes of an event")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--folder", default=os.environ.get("TMPDIR"), help="where the journal lies")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    configure_log("error")
    best = asyncio.run(measure(arguments))
    result = {
        "events": arguments.events,
        "protocol": arguments.protocol,
        **{f"{run}_per_s": round(rate) for run, rate in best.items()},
        "ratio_to_limit": round(best["intake"] / best["limit"], 3),
        "ratio_to_aiomqtt": round(best["intake"] / best["aiomqtt"], 3),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"\nintake / limit   {result['ratio_to_limit']:.2f}   (aim: 0.75 or more)")
        print(f"intake / aiomqtt {result['ratio_to_aiomqtt']:.2f}")


if __name__ == "__main__":
    main()
