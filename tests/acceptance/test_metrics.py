"""What Prometheus reads of a real daemon."""

import asyncio
import json
import shutil

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from itop_bridge.metric.catalogue import METRICS, PREFIX

pytestmark = pytest.mark.mosquitto
PROMTOOL = shutil.which("promtool")


def read(text):
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


NOT_YET = {
    "alarm_active",
    "delivery_paused",
    "itop_trouble",
    "itop_calls_not_sent_total",
    "results_published_total",
    "results_lost_total",
    "response_topics_refused_total",
    "mails_total",
}
"""What has no series until it happens, and does not happen here."""


async def scrape(daemon, mosquitto, port):
    """The metrics of a daemon that had an alert, its repeat and rubbish."""
    daemon.config.write_text(daemon.config.read_text().replace('"off"', f'"127.0.0.1:{port}"'))
    await daemon.start()
    alert = json.dumps({"id": "a", "title": "zqtext", "rule": "zqtext", "host": "zqtext", "severity": "high"})
    await mosquitto.publish("siem/EXC/generic", [alert, alert, "not json"])
    await daemon.settled(3)
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_the_metrics_tell_what_the_daemon_did(daemon, mosquitto, itop, unused_tcp_port):
    text = await scrape(daemon, mosquitto, unused_tcp_port)
    values = read(text)
    assert values["ready",] == values["broker_connected",] == values["itop_reachable",] == 1.0
    assert values["messages_received_total",] == values["events_mapped_total",] == 3.0
    assert values["messages_acknowledged_total",] == values["triage_delay_seconds_count",] == 3.0
    assert values["triage_mapping_seconds_total",] > 0
    assert values["elements_mapped_total", "accepted", ""] == 1.0
    assert values["elements_mapped_total", "dropped", "repeat"] == 1.0
    assert values["elements_mapped_total", "rejected", "invalid_json"] == 1.0
    assert values["dead_letters_open",] == values["cases_open",] == 1.0
    assert values["itop_calls_total", "core/create", "ok"] == 1.0
    assert values["delivery_delay_seconds_count", "create"] == 1.0
    assert values["journal_commit_duration_seconds_count",] > 3
    assert values["itop_limiter_wait_seconds_count",] >= values["itop_call_duration_seconds_count", "core/create"]
    assert values["journal_bytes", "database"] > 0
    assert "zqtext" not in text
    ours = {name for name in METRICS if any(key[0].startswith(name) for key in values)}
    assert METRICS.keys() - ours <= NOT_YET


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
async def test_prometheus_finds_no_fault_in_names_units_and_text(daemon, mosquitto, itop, unused_tcp_port):
    text = await scrape(daemon, mosquitto, unused_tcp_port)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(PROMTOOL, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe)
    told = await process.communicate(text.encode())
    assert (process.returncode, *told) == (0, b"", b"")
