"""What is not told by tests/integration/test_replay.py: what is refused."""

import base64
import dataclasses

import pytest

from itop_bridge.control import replay
from itop_bridge.control.controls import Stage
from itop_bridge.control.error import ControlError, RequestError
from itop_bridge.control.operation import perform
from itop_bridge.control.request import Recorded, ReplayEvents, ReplayRecorded, describe_request
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.triage import TriageJournal


@pytest.fixture
def stage(store):
    return Stage(Replays(store), TriageJournal(store, lambda: 1.0), lambda: None)


def recorded(payload=b"{}"):
    return Recorded(base64.b64encode(payload).decode())


async def test_where_nothing_can_be_mapped_nothing_is_replayed(daemon, stage):
    with pytest.raises(ControlError, match="nothing can be replayed here"):
        await perform(ReplayEvents(0.0), daemon.controls, daemon.tell)
    controls = dataclasses.replace(daemon.stopped, stage=stage)
    with pytest.raises(ControlError, match="give --config FILE"):
        await perform(ReplayEvents(0.0), controls, daemon.tell)
    with pytest.raises(ControlError, match="give --config FILE"):
        await perform(ReplayRecorded("t", (recorded(),), dry_run=True), controls, daemon.tell)


@pytest.mark.parametrize("topic", ["", "siem/+/wazuh", "siem/#", "a\0b"])
async def test_a_recording_comes_by_the_topic_of_a_message(daemon, stage, topic):
    controls = dataclasses.replace(daemon.stopped, stage=stage)
    with pytest.raises(RequestError, match="no wildcards"):
        await perform(ReplayRecorded(topic, (recorded(),)), controls, daemon.tell)


async def test_what_is_no_base64_or_too_large_is_refused_as_a_whole(daemon, stage, store, monkeypatch):
    monkeypatch.setattr(replay, "MOST_PAYLOAD", 3)
    controls = dataclasses.replace(daemon.stopped, stage=stage)
    for wrong in (Recorded("***"), recorded(b"1234")):
        with pytest.raises(RequestError):
            await perform(ReplayRecorded("t", (recorded(), wrong)), controls, daemon.tell)
    assert await store.read(lambda sql: list(sql.execute("SELECT * FROM replays"))) == []


def test_the_log_is_told_how_many_alerts_and_not_what_they_hold():
    assert describe_request(ReplayRecorded("t", (recorded(b"secret"),) * 2)) == {"topic": "t", "alerts": 2}
    assert describe_request(ReplayEvents(1.0, route="r"))["route"] == "r"
    assert None not in describe_request(ReplayEvents(1.0, route="r")).values()
