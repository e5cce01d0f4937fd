"""What Prometheus reads of a real daemon."""

import asyncio
import json
import shutil

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from itop_bridge.metric.catalogue import METRICS, PREFIX

pytestmark = pytest.mark.mosquitto


def read(text):
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_metrics_tell_what_the_daemon_did(daemon, mosquitto, itop, unused_tcp_port):
    daemon.config.write_text(daemon.config.read_text().replace('"off"', f'"127.0.0.1:{unused_tcp_port}"'))
    await daemon.start()
    alert = json.dumps({"id": "a", "title": "zqtext", "rule": "zqtext", "host": "zqtext", "severity": "high"})
    await mosquitto.publish("siem/EXC/generic", [alert, alert, "not json"])
    await daemon.settled(3)
    url = f"http://127.0.0.1:{unused_tcp_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        text = await answer.text()
    values = read(text)
    assert values["ready",] == values["broker_connected",] == values["itop_reachable",] == 1.0
    assert values["messages_received_total",] == values["events_mapped_total",] == 3.0
    assert values["elements_mapped_total", "accepted", ""] == 1.0
    assert values["elements_mapped_total", "dropped", "repeat"] == 1.0
    assert values["elements_mapped_total", "rejected", "invalid_json"] == 1.0
    assert values["dead_letters_open",] == 1.0
    assert values["itop_calls_total", "core/create", "ok"] == 1.0
    assert values["delivery_delay_seconds_count", "create"] == 1.0
    assert values["journal_commit_duration_seconds_count",] > 3
    assert values["itop_limiter_wait_seconds_count",] >= values["itop_call_duration_seconds_count", "core/create"]
    assert values["journal_bytes", "database"] > 0
    assert "zqtext" not in text
    ours = {name for name in METRICS if any(key[0].startswith(name) for key in values)}
    assert METRICS.keys() - ours <= {"alarm_active", "delivery_paused", "itop_trouble"}, "none of these holds now"
    await check_by_promtool(text)


async def check_by_promtool(text):
    """Prometheus' own opinion of the names and units, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=pipe, stderr=pipe)
    _, told = await process.communicate(text.encode())
    assert (process.returncode, told.decode()) == (0, "")
