"""Intake between a real broker and a real journal: every event once, whatever dies."""

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

import aiomqtt
import pytest

from itop_bridge.errors import JournalFullError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import BrokerRefusedError, BrokerUnreachableError
from itop_bridge.intake.intake import Intake
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.store import Store
from itop_bridge.log import Alarms
from itop_bridge.settings.model import Tls
from itop_bridge.settings.secret import Secret
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import settings_for

pytestmark = pytest.mark.mosquitto

FILTER = "siem/#"
TOPIC = "siem/exc/wazuh"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request):
    return request.param


def numbered(start, stop):
    return [b"event %d" % number for number in range(start, stop)]


class FillingJournal(IntakeJournal):
    """A journal whose disk is full until it is told otherwise."""

    def __init__(self, store, *, full=False):
        super().__init__(store)
        self.full = full

    async def record_events(self, connection, batch):
        if self.full:
            raise JournalFullError
        return await super().record_events(connection, batch)


class Run:
    """An intake at work on the journal of `folder`, which waits at most 50 ms where it would wait for long."""

    def __init__(self, folder, port, filters=(FILTER,), full=False, **changes):
        self.path = folder / "journal.db"
        self.filters = filters
        self.full = full
        self.settings = settings_for(port, **changes)
        self.alarms = Alarms()
        self.stop = asyncio.Event()

    async def start(self):
        self.store = await Store.open(self.path)
        self.journal = FillingJournal(self.store, full=self.full)
        self.broker = Broker(self.settings)
        self.intake = Intake(self.broker, self.journal, self.alarms, self.filters, sleep=self._sleep, draw=lambda: 1.0)
        self.task = asyncio.create_task(self.intake.run(self.stop))

    @staticmethod
    async def _sleep(delay_s):
        await asyncio.sleep(min(delay_s, 0.05) if delay_s < 30 else delay_s)

    @property
    def state(self):
        return self.intake.state

    async def until(self, condition, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.task.done():
                self.task.result()
            assert time.monotonic() < deadline, f"timed out: {self.state}"
            await asyncio.sleep(0.005)

    async def end(self):
        self.stop.set()
        async with asyncio.timeout(20):
            await self.task

    async def payloads(self):
        rows = await self.store.read(lambda sql: sql.execute("SELECT payload FROM events ORDER BY id").fetchall())
        return [row[0] for row in rows]


@contextlib.asynccontextmanager
async def running(folder, port, **changes):
    run = Run(folder, port, **changes)
    await run.start()
    try:
        await run.until(lambda: run.state.ready or run.alarms.active)
        yield run
        await run.end()
    finally:
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
        await run.store.close()


async def subscribe_and_leave(folder, port, protocol):
    """A first run, so that the broker holds a session."""
    async with running(folder, port, protocol=protocol):
        pass


async def test_a_stop_keeps_the_session_and_what_comes_meanwhile(mosquitto, tmp_path, protocol):
    await subscribe_and_leave(tmp_path, mosquitto.port, protocol)
    await mosquitto.publish(TOPIC, numbered(0, 30))
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await run.until(lambda: run.state.journaled == 30)
        assert await run.payloads() == numbered(0, 30)
        assert run.alarms.active == {}
        assert run.state.protocol == protocol


async def test_a_refire_byte_for_byte_after_a_restart_is_an_event_of_its_own(mosquitto, tmp_path, protocol):
    """It was taken for a redelivery, and lost."""
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, [b"fires", b"resolved"])
        await run.until(lambda: run.state.journaled == 2)
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, [b"fires"])
        await run.until(lambda: run.state.received == 1)
        assert await run.payloads() == [b"fires", b"resolved", b"fires"]


@pytest.mark.parametrize("point", ["read", "transaction", "committed"])
async def test_kill_9_leaves_every_event_in_the_journal_once(mosquitto, tmp_path, protocol, point):
    mosquitto.stop()
    mosquitto.configure("max_inflight_messages 100")
    mosquitto.start()
    await subscribe_and_leave(tmp_path, mosquitto.port, protocol)
    await mosquitto.publish(TOPIC, numbered(0, 50))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "tests/integration/intake_process.py",
        *map(str, (tmp_path / "journal.db", mosquitto.port, protocol, point)),
        env={"PYTHONPATH": str(ROOT)},
    )
    async with asyncio.timeout(30):
        assert await child.wait() == -signal.SIGKILL
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        before = {"read": 10, "transaction": 10, "committed": 20}[point]
        assert (await run.payloads())[:before] == numbered(0, before)
        await run.until(lambda: run.state.received >= 40)
        await mosquitto.publish(TOPIC, [b"last"])
        await run.until(lambda: run.state.journaled == 51 - before)
        assert await run.payloads() == [*numbered(0, 50), b"last"]
        assert run.state.redelivered == before - 10


async def test_identical_events_are_all_kept(mosquitto, tmp_path, protocol):
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, [b"same"] * 20)
        await run.until(lambda: run.state.journaled == 20)
        assert await run.payloads() == [b"same"] * 20


async def test_a_broker_restart_loses_nothing(mosquitto, tmp_path, protocol):
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, numbered(0, 10))
        mosquitto.stop()
        await run.until(lambda: not run.state.connected)
        mosquitto.start()
        await mosquitto.publish(TOPIC, numbered(10, 20))
        await run.until(lambda: run.state.journaled == 20)
        assert await run.payloads() == numbered(0, 20)
        assert "session_lost" not in run.alarms.active


async def test_a_broker_that_forgot_the_session_is_alarmed(mosquitto, tmp_path, protocol):
    mosquitto.stop()
    mosquitto.configure(persistence=False)
    mosquitto.start()
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        mosquitto.stop(signal.SIGKILL)
        await run.until(lambda: "broker_unreachable" in run.alarms.active)
        mosquitto.start()
        await run.until(lambda: run.state.ready)
        assert list(run.alarms.active) == ["session_lost"]


async def test_retained_events_come_once_and_are_not_replayed(mosquitto, tmp_path, protocol):
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, [b"live"], retain=True)
        await run.until(lambda: run.state.journaled == 1)
    await mosquitto.publish(TOPIC, [b"away"], retain=True)
    async with running(tmp_path, mosquitto.port, protocol=protocol) as run:
        await run.until(lambda: run.state.journaled == 1)
        await mosquitto.publish(TOPIC, [b"after"])
        await run.until(lambda: run.state.journaled == 2)
        assert await run.payloads() == [b"live", b"away", b"after"]
        assert run.state.retained_ignored == (0 if protocol == "5" else 1)


@pytest.mark.parametrize("filters", [["siem/#", "siem/+/wazuh", TOPIC], ["siem/+/wazuh", "siem/exc/+"]])
async def test_overlapping_filters_give_one_row(mosquitto, tmp_path, protocol, filters):
    async with running(tmp_path, mosquitto.port, filters=filters, protocol=protocol) as run:
        await mosquitto.publish(TOPIC, [b"once", b"last"])
        await mosquitto.publish("siem/exc/other", [b"end"])  # matched by one filter
        await run.until(lambda: run.state.received >= 3)
        assert await run.payloads() == [b"once", b"last", b"end"]


async def test_the_status_is_told_and_the_last_will_left(mosquitto, tmp_path):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe("itop-bridge/status", 1)
        told = []

        async def listen():
            async for message in client.messages:
                told.append(message.payload)  # noqa: PERF401 - read while it grows

        listening = asyncio.create_task(listen())
        async with running(tmp_path, mosquitto.port) as run:
            await run.until(lambda: told == [b"online"])
            run.broker.connection.drop("as if killed")
            await run.until(lambda: told == [b"online", b"offline", b"online"])
        await asyncio.sleep(0.05)
        assert told == [b"online", b"offline", b"online", b"offline"]
        listening.cancel()


async def test_a_second_bridge_with_our_client_id_is_alarmed(mosquitto, tmp_path, protocol):
    (tmp_path / "other").mkdir()
    async with (
        running(tmp_path, mosquitto.port, protocol=protocol) as one,
        running(tmp_path / "other", mosquitto.port, protocol=protocol) as other,
    ):
        await one.until(lambda: {"client_id_in_use"} <= {*one.alarms.active, *other.alarms.active})


async def test_the_byte_bound_pauses_reading_and_memory_stays_flat(mosquitto, tmp_path, protocol):
    size, count, bound = 20_000, 1500, 1 << 20
    mosquitto.stop()
    mosquitto.configure("max_inflight_messages 0")
    mosquitto.start()
    await subscribe_and_leave(tmp_path, mosquitto.port, protocol)
    await mosquitto.publish(TOPIC, (b"%06d" % number + b"x" * size for number in range(count)))
    limits = {"max_pending": bound, "receive_maximum": 65_535}
    async with running(tmp_path, mosquitto.port, protocol=protocol, full=True, **limits) as run:
        await run.until(lambda: run.broker.connection.paused)
        before = resident_bytes()
        await asyncio.sleep(0.3)
        assert run.broker.connection.pending < bound + size + 1000
        assert resident_bytes() - before < 4 << 20
        run.journal.full = False
        await run.until(lambda: run.state.received >= count)
        assert resident_bytes() - before < 24 << 20  # 16 MiB of them SQLite's cache
        assert [payload[:6] for payload in await run.payloads()] == [b"%06d" % number for number in range(count)]
        assert run.alarms.active == {}


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_a_long_pause_is_a_reconnect_and_a_redelivery(mosquitto, tmp_path, protocol):
    async with running(tmp_path, mosquitto.port, protocol=protocol, keepalive=1, max_pending=1000) as run:
        run.journal.full = True
        await mosquitto.publish(TOPIC, numbered(0, 10))
        await run.until(lambda: run.broker.connection.loss)
        run.journal.full = False
        await run.until(lambda: run.state.connections == 2 and run.state.ready)
        await mosquitto.publish(TOPIC, [b"last"])
        await run.until(lambda: run.state.journaled == 11)
        assert await run.payloads() == [*numbered(0, 10), b"last"]
        assert run.state.redelivered


async def test_a_silent_peer_is_noticed(tmp_path):
    async with FakeBroker(silent=True) as fake:
        connection = await Broker(settings_for(fake.port, keepalive=1)).connect()
        async with asyncio.timeout(5):
            assert await connection.next_batch() is None
        assert connection.loss.reason == "Keep alive timeout"


# logging in


async def test_a_user_with_a_password_is_let_in_and_another_is_not(mosquitto, tmp_path):
    mosquitto.stop()
    mosquitto.configure("allow_anonymous false", mosquitto.add_user("bridge", "s3cret"))
    mosquitto.start()
    async with running(tmp_path, mosquitto.port, username="bridge", password=Secret("s3cret")) as run:
        assert run.state.ready
    with pytest.raises(BrokerRefusedError) as caught:
        await Broker(settings_for(mosquitto.port, username="bridge", password=Secret("wrong-pw"))).connect()
    assert "wrong-pw" not in str(caught.value)


@pytest.fixture
def tls_broker(mosquitto, certificates):
    """Starts the broker with a certificate, for clients that have one."""

    def start(name):
        mosquitto.stop()
        mosquitto.configure(
            f"cafile {certificates}/ca.pem",
            f"certfile {certificates}/{name}.pem",
            f"keyfile {certificates}/{name}.key",
            "require_certificate true",
            "max_inflight_messages 0",
        )
        mosquitto.start()
        return mosquitto

    return start


def tls_of(certificates, **changes):
    files = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"} | changes
    password = files.pop("key_password", None)
    return Tls.model_construct(
        key_password=password, **{key: name and certificates / name for key, name in files.items()}
    )


async def test_tls_with_an_authority_of_our_own_and_a_client_certificate(tls_broker, certificates, tmp_path, protocol):
    broker = tls_broker("broker")
    changes = {"protocol": protocol, "host": "localhost", "tls": tls_of(certificates), "max_pending": 100_000}
    async with running(tmp_path, broker.port, **changes) as run:
        for number in range(300):  # over TLS what is decrypted and not yet read must not be forgotten in a pause
            await run.broker.connection.send(TOPIC, b"%06d" % number + b"x" * 5000, qos=1, retain=False)
        await run.until(lambda: run.state.received == 300)
        assert [payload[:6] for payload in await run.payloads()] == [b"%06d" % number for number in range(300)]


async def test_an_encrypted_key_is_opened_with_its_password(tls_broker, certificates):
    broker = tls_broker("broker")
    tls = tls_of(certificates, key_file="client-encrypted.key", key_password=Secret("k3y"))
    connection = await Broker(settings_for(broker.port, tls=tls)).connect()
    await connection.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves its socket to the GC
@pytest.mark.parametrize(
    ("broker_name", "changes", "reason"),
    [
        ("elsewhere", {}, r"certificate verify failed: .*; mqtt\.host must be a name in it"),
        ("broker", {"ca_file": "other-ca.pem"}, r"verify failed: .*; mqtt\.tls\.ca_file must hold the authority"),
        ("broker", {"cert_file": None, "key_file": None}, "closed|required|alert"),
        ("broker", {"key_file": "client-encrypted.key"}, r"mqtt\.tls"),
    ],
    ids=["another host", "another authority", "no client certificate", "no key password"],
)
async def test_tls_that_cannot_be_trusted_is_refused(tls_broker, certificates, broker_name, changes, reason):
    broker = tls_broker(broker_name)
    with pytest.raises(BrokerUnreachableError, match=reason):
        await Broker(settings_for(broker.port, tls=tls_of(certificates, **changes))).connect()
