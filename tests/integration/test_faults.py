"""What the log says of a fault that goes on: it begins, it is told at growing intervals, it ends."""

import io
import json

import pytest
from rig import Rig

from itop_bridge.itop.strain import Throttling
from itop_bridge.log import chain, configure_log
from itop_bridge.simulator.fault import Fault, Kind


@pytest.fixture
def lines():
    stream = io.StringIO()
    configure_log("info", layout="json", stream=stream, strict=True)
    yield lambda event: [line for line in map(json.loads, stream.getvalue().splitlines()) if line["event"] == event]
    chain._replace_handlers([])


async def test_an_itop_that_refuses_every_write_for_hours_is_told_a_few_times_and_then_its_end(tmp_path, lines):
    async with Rig.open(tmp_path / "journal.db") as rig:
        fault = rig.simulator.faults.add(Fault(Kind.READ_ONLY, times=None, operation="core/create"))
        for number in range(3):
            await rig.fires(f"a{number}", group=f"g{number}")
        for _ in range(240):
            await rig.delivery.step()
            await rig.delivery.finish()
            rig.advance(60.0)
        assert rig.incidents == []
        told = lines("attempt.failed")
        assert fault.hits > 200
        assert 3 < len(told) < fault.hits / 10
        assert {line["reason"] for line in told} == {"not_done"}
        assert told[-1]["count"] > 100
        rig.simulator.faults.clear()
        rig.advance(300.0)
        await rig.settle()
        assert len(rig.incidents) == 3
        [ended] = lines("fault.ended")
        assert ended["fault"] == "attempt.failed"
        assert ended["count"] >= told[-1]["count"]


async def test_a_write_that_fails_by_itself_is_told_each_time(tmp_path, lines):
    async with Rig.open(tmp_path / "journal.db") as rig:
        rig.simulator.faults.add(Fault(Kind.LOG_FULL, times=3, operation="core/create"))
        for number in range(3):
            await rig.fires(f"a{number}", group=f"g{number}")
        await rig.settle()
        assert len(lines("attempt.failed")) == 3
        assert len({line["case"] for line in lines("attempt.failed")}) == 3


async def test_reads_that_fail_are_told_once_and_then_their_end(tmp_path, lines):
    async with Rig.open(tmp_path / "journal.db") as rig:
        rig.simulator.faults.add(Fault(Kind.HTTP_500, times=6, operation="core/get"))
        await rig.fires()
        for _ in range(20):
            await rig.deliver()
            rig.advance(10.0)
        assert len(rig.incidents) == 1
        assert 1 <= len(lines("itop.read_failed")) <= 3
        assert [line["fault"] for line in lines("fault.ended")] == ["itop.read_failed"]


async def test_the_age_of_the_oldest_alert_is_told_with_each_write(tmp_path, lines):
    async with Rig.open(tmp_path / "journal.db") as rig:
        told = []
        rig.delivery._sender._on_write = lambda kind, delay_s: told.append((kind, round(delay_s)))
        await rig.fires()
        rig.advance(30.0)
        await rig.settle()
        assert told == [("create", 30)]
        (line,) = lines("incident.created")
        assert (round(line["waited_s"]), line["urgency"]) == (30, int(rig.incidents[0]["urgency"]))


async def test_an_itop_whose_front_lets_nothing_through_is_an_alarm_until_it_does(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        rig.gate.throttling = Throttling(rig.clock)
        rig.simulator.faults.add(Fault(Kind.RATE_LIMIT, times=None, retry_after="20"))
        await rig.fires()
        for _ in range(5):
            await rig.delivery.step()
            await rig.delivery.finish()
            rig.advance(20.0)
        assert "itop_throttled" in rig.alarms.active
        rig.simulator.faults.clear()
        await rig.settle()
        await rig.delivery.step()
        assert len(rig.incidents) == 1
        assert "itop_throttled" not in rig.alarms.active


async def test_an_itop_whose_answers_take_long_for_a_minute_is_an_alarm_until_they_do_not(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        rig.gate.slowness.is_slow = True
        await rig.delivery.step()
        assert "itop_slow" in rig.alarms.active
        for number in range(8):
            await rig.fires(f"a{number}", group=f"g{number}")
        await rig.settle()
        await rig.delivery.step()
        assert "itop_slow" not in rig.alarms.active
