"""The kill loop, shortened: `make chaos` runs it at length. And what is not promised: a create after the time limit."""

import asyncio
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from daemon_process import until

from itop_bridge.simulator.fault import Fault, Kind

pytestmark = pytest.mark.mosquitto

KILL_LOOP = Path(__file__).parents[1] / "chaos" / "kill_loop.py"


@pytest.mark.usefixtures("mosquitto")  # where it is missing, the fixture skips or fails
async def test_25_kills_among_faults_and_people_lose_nothing_and_double_nothing():
    process = await asyncio.create_subprocess_exec(
        sys.executable, KILL_LOOP, "--kills", "25", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        told = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:  # given up: it ends what it started
            process.send_signal(signal.SIGINT)
            await process.wait()
    assert process.returncode == 0, told
    assert "lost 0, duplicated 0, out of order 0" in told.splitlines()


async def test_the_twin_of_a_create_after_itops_time_limit_is_noted_in_both_and_not_closed(daemon, mosquitto, itop):
    late = itop.faults.add(Fault(Kind.LATE, operation="core/create", when=is_in_earnest))
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", ['{"id": "a1", "title": "Disk full", "rule": "r"}'])
    await until(lambda: len(itop.objects("Incident")) == 1, what="a second create", rig=daemon)
    await late.release()
    assert await daemon.stop() == 0
    with closing(sqlite3.connect(daemon.journal)) as sql, sql:  # ten minutes later
        assert sql.execute("UPDATE attempts SET look = 1 WHERE state = 'absent'").rowcount == 1
    await daemon.start()
    await daemon.alarm("incident_twin")
    ours, twin = itop.objects("Incident")
    await until(lambda: "was created late" in newest(itop, ours), what="a note in ours", rig=daemon)
    assert f"the bridge goes on in {ours['ref']}" in newest(itop, twin)
    assert twin["ref"] in newest(itop, ours)
    assert [each["status"] for each in itop.objects("Incident")] == ["new", "new"]


def is_in_earnest(request):
    """The survey's trial create, at the start, has no title."""
    return bool(request["fields"]["title"])


def newest(itop, incident):
    """The last entry of its log as it is now."""
    (found,) = [each for each in itop.objects("Incident") if each["id"] == incident["id"]]
    return found["public_log"][-1]["message"]
