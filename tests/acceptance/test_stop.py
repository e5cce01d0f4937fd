"""The daemon is asked to end while it has something to do: in time, in order, and it tells what is left."""

import asyncio
import json
import re
import signal
from collections import Counter

import pytest
from daemon_process import until

from itop_bridge.simulator.fault import Fault, Kind

pytestmark = pytest.mark.mosquitto

TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")


def alert(number, rule="r"):
    return json.dumps({"id": f"a{number}", "title": "Rule", "rule": rule, "severity": "high", "host": "srv-01"})


def logged(daemon, name):
    return [event for event in daemon.events() if event["event"] == name]


def entries(itop):
    return [entry["message"] for incident in itop.objects("Incident") for entry in incident["public_log"]]


async def create_under_way(daemon, mosquitto, itop):
    """A create that iTop has begun, and that it will answer in a while."""
    await daemon.start()
    itop.faults.add(Fault(Kind.LATENCY, operation="core/create", seconds=1.5))
    await mosquitto.publish("siem/EXC/generic", [alert(1)])
    await until(
        lambda: daemon.count("SELECT count(*) FROM attempts WHERE state = 'in_flight'"), what="a call", rig=daemon
    )


async def test_a_call_under_way_is_waited_for_and_its_outcome_stored(daemon, mosquitto, itop):
    await create_under_way(daemon, mosquitto, itop)
    assert await daemon.stop() == 0
    assert daemon.rows("SELECT state, incident FROM attempts") == [("applied", 1)]
    assert len(itop.objects("Incident")) == 1
    assert logged(daemon, "daemon.stopped")[0]["unverified"] == 0


async def test_a_second_signal_ends_it_at_once_and_the_call_is_looked_for_next_time(daemon, mosquitto, itop):
    await create_under_way(daemon, mosquitto, itop)
    daemon.process.send_signal(signal.SIGTERM)
    await until(lambda: logged(daemon, "daemon.stopping"), what="the stop", rig=daemon)
    assert await daemon.stop(signal.SIGTERM) == -signal.SIGTERM
    assert daemon.rows("SELECT state FROM attempts") == [("in_flight",)]
    await daemon.start()
    await daemon.settled(1)
    assert len(itop.objects("Incident")) == 1
    assert max(Counter(TOKEN.findall("".join(entries(itop)))).values()) == 1


async def test_what_is_left_is_told_in_one_line(daemon, mosquitto, itop):
    itop.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
    itop.faults.add(Fault(Kind.HTTP_500, operation="core/create", times=None))
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [alert(1, "one"), alert(2, "two"), b"rubbish"])
    await until(
        lambda: (
            daemon.count("SELECT count(*) FROM attempts WHERE state = 'unknown'") == 2
            and daemon.count("SELECT count(*) FROM dead_letters") == 1
        ),
        what="two calls without an answer",
        rig=daemon,
    )
    assert await daemon.stop() == 0
    (told,) = logged(daemon, "daemon.stopped")
    assert {name: told[name] for name in ("waiting", "cases", "unverified", "dead_letters")} == {
        "waiting": 0,
        "cases": 2,
        "unverified": 2,
        "dead_letters": 1,
    }


async def test_what_is_taken_when_the_stop_comes_is_committed_and_acknowledged_and_the_rest_comes_again(
    daemon, mosquitto, itop
):
    await daemon.start()
    publishing = asyncio.create_task(
        mosquitto.publish("siem/EXC/generic", [alert(number, str(number % 3)) for number in range(2000)])
    )
    await until(lambda: daemon.count("SELECT count(*) FROM events"), what="a first commit", rig=daemon)
    assert await daemon.stop() == 0
    journaled = daemon.count("SELECT count(*) FROM events")
    await publishing
    await daemon.start()
    await daemon.settled(2000)
    assert daemon.count("SELECT count(*) FROM events") == 2000
    again = sum(event["count"] for event in logged(daemon, "event.redelivered"))
    assert again == 0, f"of {journaled} that were acknowledged"
