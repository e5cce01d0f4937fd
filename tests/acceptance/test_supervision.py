"""What the service manager sees of the daemon, and what a restart by hand costs: nothing."""

import asyncio
import json
import re
import signal
import socket
import sys

import aiohttp
import pytest
from daemon_process import Daemon, until

pytestmark = pytest.mark.mosquitto


def alert(number):
    return json.dumps({"id": f"a{number}", "title": "Rule", "rule": f"r{number}", "severity": "high"})


class Manager:
    """Listens as systemd does."""

    def __init__(self, folder):
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.told = []

    def hear(self):
        """All that was told so far, in order."""
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.told

    def status(self):
        """The last STATUS."""
        return [told for told in self.hear() if told.startswith("STATUS=")][-1:]

    def states(self):
        """What was told beside it and the signs of life."""
        return [told for told in self.hear() if not told.startswith(("STATUS=", "WATCHDOG="))]

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path)
    yield manager
    manager.close()


async def test_the_service_manager_is_told_the_daemons_life(daemon, mosquitto, itop, manager):
    await daemon.start(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000")
    assert manager.hear()[0] == "READY=1"
    opened = [each["event"] for each in daemon.events()]
    assert opened.index("journal.opened") < opened.index("daemon.started")
    await until(lambda: manager.hear().count("WATCHDOG=1") > 2, what="signs of life", rig=daemon)
    await until(
        lambda: manager.status() == ["STATUS=ready; 0 messages received, 0 waiting, 0 dead letters; iTop reachable"],
        what="a status",
        rig=daemon,
    )

    itop.accounts["admin"].password = "another"
    await mosquitto.publish("siem/EXC/generic", [alert(1)])
    degraded = "STATUS=degraded (itop_unreachable); 1 messages received, 1 waiting, 0 dead letters; "
    await until(lambda: manager.status()[0].startswith(degraded), what="a change of it", rig=daemon)
    assert manager.status()[0].endswith("iTop unreachable: credentials")
    assert "another" not in "".join(manager.told)

    assert await daemon.stop() == 0
    assert manager.states() == ["READY=1", "STOPPING=1"]


RELOADING = re.compile(r"RELOADING=1\nMONOTONIC_USEC=[1-9]\d+")


async def test_every_reload_is_told_and_ended_also_one_that_is_rejected(daemon, manager):
    await daemon.start(NOTIFY_SOCKET=manager.address)
    good = daemon.config.read_text()
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: len(manager.states()) == 3, what="a reload by signal", rig=daemon)

    daemon.config.write_text(good.replace("routes:", "routes: ["))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: len(manager.states()) == 5, what="a reload that is rejected", rig=daemon)

    daemon.config.write_text(good)
    command = [sys.executable, "-m", "itop_bridge.cli.main", "reload", "--config", str(daemon.config)]
    process = await asyncio.create_subprocess_exec(*command, cwd=daemon.folder, stdout=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    await daemon.stop()
    assert [RELOADING.sub("RELOADING", told) for told in manager.states()] == [
        "READY=1",
        *["RELOADING", "READY=1"] * 3,
        "STOPPING=1",
    ]


def alerts(*numbers):
    return [alert(number) for number in numbers]


async def test_a_restart_for_a_new_password_loses_nothing_and_does_nothing_twice(daemon, mosquitto, itop):
    """Under systemd 252 the copies of the secrets stay as they were at the start, whatever a reload reads."""
    daemon.config.write_text(daemon.config.read_text().replace("password: admin", "password: {file: itop-password}"))
    for name, password in (("old", "admin"), ("new", "another")):
        secret = daemon.folder / name / "itop-password"
        secret.parent.mkdir()
        secret.write_text(f"{password}\n")
        secret.chmod(0o400)
    await daemon.start(CREDENTIALS_DIRECTORY=str(daemon.folder / "old"))
    await mosquitto.publish("siem/EXC/generic", alerts(1, 2))
    await daemon.settled(2)

    itop.accounts["admin"].password = "another"
    publishing = asyncio.create_task(mosquitto.publish("siem/EXC/generic", alerts(*range(3, 300))))
    await daemon.alarm("itop_unreachable")
    assert await daemon.stop() == 0
    await publishing
    await mosquitto.publish("siem/EXC/generic", alerts(300))  # while nothing of it runs
    await daemon.start(wait_for=None, CREDENTIALS_DIRECTORY=str(daemon.folder / "new"))
    await mosquitto.publish("siem/EXC/generic", alerts(*range(301, 310)))
    await daemon.settled(309)
    assert len(itop.objects("Incident")) == 309
    assert daemon.rows("SELECT count(*), count(DISTINCT incident) FROM cases") == [(309, 309)]
    assert daemon.count("SELECT count(*) FROM dead_letters") == 0


@pytest.fixture
async def instances(tmp_path, mosquitto, itop, unused_tcp_port_factory):
    """Two, each with what the documents want to be its own: a folder, a client id, an address."""
    started = []
    for name in ("north", "south"):
        folder = tmp_path / name
        folder.mkdir()
        daemon = Daemon(folder, mosquitto.port, itop.url)
        daemon.port = unused_tcp_port_factory()
        text = daemon.config.read_text().replace('listen: "off"', f"listen: 127.0.0.1:{daemon.port}")
        daemon.config.write_text(
            text.replace("client_id: acceptance", f"client_id: {name}").replace("siem/", f"{name}/")
        )
        await daemon.start()
        started.append(daemon)
    yield started
    for daemon in started:
        await daemon.stop()


async def test_two_instances_share_the_broker_and_itop_and_nothing_else(instances, mosquitto, itop):
    for name in ("north", "south"):
        await mosquitto.publish(f"{name}/EXC/generic", [alert(name)])
    for daemon in instances:
        await daemon.settled(1)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{daemon.port}/readyz") as ready,
            session.get(f"http://127.0.0.1:{daemon.port}/healthz") as alive,
        ):
            assert (ready.status, alive.status) == (200, 200)
            assert (await ready.json())["broker"]["received"] == 1
        assert not any(each.get("alarm") in ("client_id_in_use", "broker_unstable") for each in daemon.events())
    assert len(itop.objects("Incident")) == 2
