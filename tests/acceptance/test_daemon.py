"""The daemon as a process: alerts over a real broker, kills, outages, rubbish."""

import asyncio
import json
import re
import signal
import sys
from collections import Counter

import aiohttp
import pytest
from daemon_process import Daemon, until

from itop_bridge.simulator.fault import Fault, Kind

pytestmark = pytest.mark.mosquitto

TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")
COUNT = re.compile(r"(\d+) alerts?\b")


def generic(number, rule="r", **changes):
    alert = {"id": f"a{number}", "title": f"Rule {rule}", "rule": rule, "severity": "high", "host": "srv-01"}
    return json.dumps({**alert, "time": "2026-11-24T10:00:00Z", **changes})


def entries(incident):
    return [entry["message"] for entry in incident["public_log"]]


def told(itop):
    """How many alerts iTop's logs stand for; each token must stand there once."""
    texts = [text for incident in itop.objects("Incident") for text in entries(incident)]
    tokens = Counter(token for text in texts for token in TOKEN.findall(text))
    assert set(tokens.values()) <= {1}, tokens
    return sum(int(COUNT.search(text)[1]) for text in texts)


async def test_alerts_of_several_siems_become_incidents(daemon, mosquitto, itop):
    await daemon.start()
    wazuh = {
        "timestamp": "2026-11-24T10:00:00.000+0000",
        "rule": {"level": 13, "description": "Brute force", "id": "5712"},
        "agent": {"id": "006", "name": "srv-01"},
        "id": "1.1",
        "data": {"srcip": "203.0.113.7"},
    }
    fired = {"status": "firing", "labels": {"alertname": "Down", "severity": "critical"}, "fingerprint": "f1"}
    fired["startsAt"] = "2026-11-24T10:00:00Z"
    await mosquitto.publish("siem/EXC/wazuh", [json.dumps(wazuh)])
    await mosquitto.publish("siem/OTH/alertmanager", [json.dumps({"status": "firing", "alerts": [fired]})])
    await daemon.settled(2)
    resolved = {**fired, "status": "resolved"}
    await mosquitto.publish("siem/OTH/alertmanager", [json.dumps({"status": "resolved", "alerts": [resolved]})])
    await daemon.settled(3)
    by_org = {incident["org_name"]: incident for incident in itop.objects("Incident")}
    assert "Brute force on srv-01" in by_org["Example Customer"]["title"]
    assert (by_org["Example Customer"]["impact"], by_org["Example Customer"]["urgency"]) == ("2", "2")
    assert by_org["Other Org"]["status"] == "resolved"
    assert by_org["Other Org"]["priority"] == "1"


async def test_kills_in_a_storm_lose_nothing_and_double_nothing(daemon, mosquitto, itop):
    itop.latency_s = 0.03
    await daemon.start()
    alerts = [generic(number, str(number % 5)) for number in range(400)]
    publishing = asyncio.create_task(mosquitto.publish("siem/EXC/generic", alerts))
    for pause_s in (0.3, 0.5, 0.8):
        await asyncio.sleep(pause_s)
        await daemon.stop(signal.SIGKILL)
        await daemon.start()
    await publishing
    await daemon.settled(400)
    assert len(itop.objects("Incident")) == 5
    assert told(itop) == 400


async def test_sigterm_ends_the_daemon_in_order_and_the_rest_is_done_next_time(daemon, mosquitto, itop):
    await daemon.start()
    itop.faults.add(Fault(Kind.MAINTENANCE, times=None))
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await asyncio.sleep(0.5)
    assert await daemon.stop() == 0
    assert [e["event"] for e in daemon.events()][-1] == "daemon.stopped"
    itop.faults.clear()
    await mosquitto.publish("siem/EXC/generic", [generic(2)])
    await daemon.start()
    await daemon.settled(2)
    assert told(itop) == 2


async def test_an_itop_that_is_down_at_the_start_is_served_later(tmp_path, mosquitto, itop):
    daemon = Daemon(tmp_path, mosquitto.port, "http://127.0.0.1:9")
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await daemon.alarm("itop_unreachable")
    assert await daemon.stop() == 0
    daemon.config.write_text(daemon.config.read_text().replace("http://127.0.0.1:9", itop.url))
    await daemon.start()
    await daemon.settled(1)
    assert await daemon.stop() == 0
    assert told(itop) == 1


async def test_a_broker_that_restarts_is_found_again(daemon, mosquitto, itop):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    mosquitto.stop(signal.SIGTERM)
    mosquitto.start()
    await mosquitto.publish("siem/EXC/generic", [generic(2)])
    await daemon.settled(2)
    assert told(itop) == 2


RUBBISH = {
    "empty": (b"", "empty_payload"),
    "not-json": (b"{not json", "invalid_json"),
    "nan": (b'{"title": NaN}', "invalid_json"),
    "scalar": (b"42", "not_an_object"),
    "not-utf8": (b'{"title": "\xff\xfe"}', "invalid_encoding"),
    "deep": (b"[" * 2000 + b"]" * 2000, "too_deep"),
    "large": (b'{"title": "' + b"x" * 2_000_000 + b'"}', "too_large"),
}


async def test_rubbish_is_a_dead_letter_each_and_its_neighbours_go_on(daemon, mosquitto, itop):
    await daemon.start()
    for number, (payload, _) in enumerate(RUBBISH.values()):
        await mosquitto.publish("siem/EXC/generic", [generic(2 * number)])
        await mosquitto.publish("siem/EXC/generic", [payload])
    await mosquitto.publish("siem/EXC/wazuh", [b'[{"rule": {"id": "1", "level": 5}}, "text", {"no": "rule"}]'])
    await mosquitto.publish("siem/NOPE/generic", [generic(99)])
    await daemon.settled(2 * len(RUBBISH) + 2)
    reasons = daemon.rows("SELECT reason FROM dead_letters ORDER BY id")
    expected = [(reason,) for _, reason in RUBBISH.values()]
    assert reasons == [*expected, ("not_an_object",), ("unrecognised_shape",), ("organization_unknown",)]
    assert all(detail for (detail,) in daemon.rows("SELECT detail FROM dead_letters WHERE reason <> 'empty_payload'"))
    assert told(itop) == len(RUBBISH) + 1


async def test_a_missing_or_odd_field_is_a_note_and_the_alert_is_delivered(daemon, mosquitto, itop):
    await daemon.start()
    odd = {"title": ["x"], "severity": {"a": 1}, "time": "never", "src_ip": "999.1.1.1", "id": 1.5}
    await mosquitto.publish("siem/EXC/generic", [json.dumps(odd), "{}"])
    await daemon.settled(2)
    assert len(itop.objects("Incident")) == 2
    assert daemon.rows("SELECT count(*) FROM dead_letters") == [(0,)]


async def test_a_bad_configuration_is_told_whole_with_exit_78(daemon):
    daemon.config.write_text(
        daemon.config.read_text()
        .replace("format: wazuh", "format: wazu")
        .replace("group_interval: 1s", "group_intervall: 1")
    )
    process = await _run(daemon, "run")
    told = (await process.stderr.read()).decode()
    assert await process.wait() == 78
    assert "did you mean group_interval?" in told
    assert re.search(r"itop-bridge\.yaml:\d+:\d+: ", told)


async def test_what_only_the_routes_can_tell_is_told_with_its_place(daemon):
    daemon.config.write_text(
        daemon.config.read_text()
        .replace("format: wazuh", "format: wazu")
        .replace("format: suricata", "when: alert.severity >= 'hihg', format: suricata")
        .replace("group_by: [rule]", "settings: {teem: SOC}, group_by: ['rule ++']")
    )
    process = await _run(daemon, "check")
    told = (await process.stderr.read()).decode()
    assert await process.wait() == 78
    for line in ("did you mean wazuh?", "'hihg' is no severity", "did you mean team?", "group_by"):
        assert line in told


async def test_a_second_daemon_on_the_same_journal_is_refused(daemon):
    await daemon.start()
    process = await _run(daemon, "run")
    told = (await process.stderr.read()).decode()
    assert await process.wait() == 1
    assert f"in use by another itop-bridge (process {daemon.process.pid})" in told
    [failed] = [line for line in map(json.loads, told.splitlines()[:-1]) if line["level"] == "critical"]
    assert (failed["event"], failed["failure"][-1]["calls"]) == ("daemon.failed", [])


async def test_a_journal_that_is_no_journal_is_exit_78_with_the_way_out(daemon):
    daemon.journal.write_bytes(b"something else entirely" * 50)
    process = await _run(daemon, "run")
    told = (await process.stderr.read()).decode()
    assert await process.wait() == 78
    assert "mv " in told


async def test_no_secret_is_told(daemon, mosquitto, itop):
    daemon.config.write_text(daemon.config.read_text().replace("password: admin", "password: hunter2-secret"))
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await daemon.alarm("itop_unreachable")
    assert await daemon.stop() == 0
    assert "hunter2" not in daemon.log.read_text()
    assert len([c for c in itop.calls if c.code == 1]) <= 3, "bad credentials are not tried again and again"


async def _run(daemon, command):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "itop_bridge.cli.main",
        command,
        "--config",
        str(daemon.config),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=daemon.folder,
    )


async def test_the_console_tells_what_the_daemon_does_and_what_ails_it(daemon, mosquitto, itop, unused_tcp_port):
    daemon.config.write_text(daemon.config.read_text().replace('"off"', f'"127.0.0.1:{unused_tcp_port}"'))
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await daemon.settled(1)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 200
            assert (await answer.json())["triage"]["accepted"] == 1
        itop.faults.add(Fault(Kind.MAINTENANCE, times=None))
        await mosquitto.publish("siem/EXC/generic", [generic(2, "other")])
        await daemon.alarm("itop_unreachable")
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 503
            assert "itop_unreachable" in (await answer.json())["alarms"]
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200


async def test_a_hangup_takes_up_new_routes_and_tries_parked_cases_again(daemon, mosquitto, itop):
    daemon.config.write_text(daemon.config.read_text().replace('organization: "{{ topic.org }}"', "organization: NOPE"))
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await daemon.alarm("case_parked")
    daemon.config.write_text(
        daemon.config.read_text()
        + "  - {name: new, topic: new/generic, format: generic, factory: incident-siem, organization: EXC}\n"
    )
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: "configuration.reloaded" in [e["event"] for e in daemon.events()], what="reload", rig=daemon)
    await mosquitto.publish("new/generic", [generic(2)])
    await until(lambda: told(itop) == 1, what="the new route", rig=daemon)
    assert daemon.count("SELECT count(*) FROM dead_letters WHERE state = 'retried'") == 1
    assert ("alarm.cleared", "case_parked") in [(e["event"], e.get("alarm")) for e in daemon.events()]


async def test_a_hangup_with_a_bad_file_leaves_the_old_configuration_in_use(daemon, mosquitto, itop):
    await daemon.start()
    good = daemon.config.read_text()
    daemon.config.write_text(good.replace("factory: incident-siem", "factory: nonsense"))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: "configuration.rejected" in [e["event"] for e in daemon.events()], what="refusal", rig=daemon)
    await mosquitto.publish("siem/EXC/generic", [generic(1)])
    await daemon.settled(1)
    assert told(itop) == 1


async def test_what_itop_does_not_have_is_told_at_the_start_with_its_line(daemon, mosquitto, itop):
    daemon.config.write_text(
        daemon.config.read_text().replace(
            "group_by: [rule]", "group_by: [rule], settings: {team: CERT, fields: {sla: gold}}"
        )
    )
    await daemon.start()
    await daemon.alarm("itop_mismatch")
    told = [e["mismatch"] for e in daemon.events() if e["event"] == "configuration.mismatched"]
    assert len(told) == 2
    assert all(re.search(r"itop-bridge\.yaml:\d+:\d+: generic: iTop", line) for line in told)
    assert any("no attribute sla" in line for line in told)
    assert any("no Team called 'CERT'" in line for line in told)


async def test_a_daemon_in_the_shadow_decides_everything_and_writes_nothing(daemon, mosquitto, itop):
    await daemon.start(words=("--shadow",))
    await mosquitto.publish("siem/EXC/generic", [generic(number, str(number % 3)) for number in range(60)])
    await daemon.settled(60)
    assert daemon.rows("SELECT ref FROM cases ORDER BY id") == [(f"shadow-{number}",) for number in (1, 2, 3)]
    kept = Counter(each["operation"] for each in daemon.events() if each["event"] == "incident.shadowed")
    assert kept["create"] == 3
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: "configuration.reloaded" in [e["event"] for e in daemon.events()], what="reload", rig=daemon)
    await mosquitto.publish("siem/EXC/generic", [generic(60, "0")])
    await daemon.settled(61)
    assert itop.objects("Incident") == []
    assert await daemon.stop() == 0

    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(61, "0")])
    await daemon.settled(62)
    [incident] = itop.objects("Incident")
    assert daemon.rows("SELECT ref FROM cases ORDER BY id") == [(incident["ref"],), ("shadow-2",), ("shadow-3",)]
    assert told(itop) == 1
