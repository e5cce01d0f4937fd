"""The daemon as a process, between a real mosquitto and the simulator."""

import pytest_asyncio
from breach import find_breaches
from broker_process import mosquitto  # noqa: F401 - a fixture
from daemon_process import Daemon

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator


@pytest_asyncio.fixture
async def itop():
    simulator = Simulator()
    async with serve(simulator) as url:
        simulator.url = url
        yield simulator


@pytest_asyncio.fixture
async def daemon(tmp_path, mosquitto, itop):  # noqa: F811 - the fixture
    daemon = Daemon(tmp_path, mosquitto.port, itop.url)
    yield daemon
    if daemon.process and daemon.process.returncode is None:
        daemon.process.kill()
        await daemon.process.wait()
    assert find_breaches(daemon.events()) == []
