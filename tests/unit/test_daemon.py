import asyncio
import dataclasses
import json

import pytest
import structlog

from itop_bridge import daemon
from itop_bridge.cli.status import describe_status
from itop_bridge.control.controls import Reloaded
from itop_bridge.errors import ConfigurationError
from itop_bridge.journal.source import SourceJournal
from itop_bridge.settings.load import load_settings
from itop_bridge.settings.model import Settings
from itop_bridge.triage.heartbeat import Heartbeat
from itop_bridge.triage.load import load_routing


async def test_a_stage_that_holds_on_to_an_outcome_is_asked_again_until_it_ends(monkeypatch):
    """A call was answered, and a full disk does not take the answer: the first cancel is not for what is stored."""
    monkeypatch.setattr(daemon, "_FORCE_S", 0.01)
    asked = []

    async def store_outcome():
        while len(asked) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append("cancel")

    stage = asyncio.create_task(store_outcome(), name="delivery")
    await asyncio.sleep(0)
    await daemon._finish([stage], 0.01)
    assert stage.done()
    assert len(asked) == 3


async def test_a_stage_that_ends_in_time_is_not_broken_off():
    stop = asyncio.Event()
    ended = []

    async def work():
        await stop.wait()
        ended.append("in order")

    stage = asyncio.create_task(work(), name="triage")
    stop.set()
    await daemon._finish([stage], 30.0)
    assert ended == ["in order"]


SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "u", "password": "p"},
    "own_incidents": {"organization": "OPS"},
    "routes": [{"name": "a", "topic": "a", "format": "wazuh", "factory": "incident-siem", "organization": "EXC"}],
}


class Stages:
    async def change(self, settings, routing):
        self.changed = settings, routing


async def test_a_reload_tells_the_routes_of_the_configuration_and_what_wants_a_restart(tmp_path):
    path = tmp_path / "bridge.yaml"
    path.write_text(json.dumps(SECTIONS))
    loaded = load_settings(path)
    routing = load_routing(loaded)
    assert len(routing.routes) == 2  # one is of the bridge's own incidents
    machine = daemon.Daemon(Stages(), loaded.settings)
    with structlog.testing.capture_logs() as logs:
        assert await machine.reload(loaded.settings, routing) == Reloaded(["a"], [])
        other = Settings.model_validate({**SECTIONS, "console": {"listen": "off"}})
        assert await machine.reload(other, routing) == Reloaded(["a"], ["console.listen"])
    assert machine.stages.changed == (other, routing)
    assert [(line["event"], line.get("routes"), line.get("keys")) for line in logs] == [
        ("configuration.reloaded", 1, None),
        ("configuration.reloaded", 1, None),
        ("configuration.restart_wanted", None, ["console.listen"]),
    ]


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "bridge.yaml"
    [route] = SECTIONS["routes"]
    own = {"journal": {"path": str(tmp_path / "journal.db")}, "routes": [{**route, "expect_every": "1m"}]}
    path.write_text(json.dumps({**SECTIONS, **own}))

    def read():
        loaded = load_settings(path)
        return loaded.settings, load_routing(loaded)

    return read


async def test_the_status_tells_since_when_an_alarm_holds_whatever_its_facts_are(load):
    async with daemon.open_daemon(*load()) as opened:
        stages, now = opened.stages, [1_000.0]
        journal = SourceJournal(stages.ground.store, lambda: now[0], lambda: None)
        of_now = {"monotonic": lambda: now[0]}
        heartbeat = Heartbeat(journal, stages.ground.alarms, lambda: stages.triage.routes, lambda: 1, **of_now)
        for now[0] in (1_000.0, 1_100.0):
            await heartbeat.step()
        status = await opened.fetch_status()
    told = describe_status({"running": True, **dataclasses.asdict(status)}, 1_200.0)
    assert [line for line in told if "source_silent" in line] == [
        "alarm         source_silent since 1970-01-01 00:18:20 a since 1970-01-01T00:16:40.000Z"
    ]


async def test_a_configuration_that_was_rejected_is_an_alarm_until_one_is_taken(load):
    def fail():
        raise ConfigurationError(["line 1: a", "line 2: b", "line 3: c", "line 4: d"])

    async with daemon.open_daemon(*load()) as opened:
        alarms = opened.stages.ground.alarms
        with pytest.raises(ConfigurationError):
            await opened.reload_from(fail)
        assert alarms.active["configuration_rejected"].detail == "line 1: a; line 2: b; line 3: c"
        await opened.reload_from(load)
        assert "configuration_rejected" not in alarms.active
