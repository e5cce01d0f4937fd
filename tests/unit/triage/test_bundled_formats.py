"""The formats that come with the bridge, on payloads shaped like their products' (written for these tests)."""

from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from itop_bridge.alert import Event, Severity, State
from itop_bridge.bundled import bundled_folder
from itop_bridge.outcome import Dropped
from itop_bridge.triage.example import find_differences
from itop_bridge.triage.format import load_formats

FORMATS = load_formats([bundled_folder("config") / "formats"])
DATA = Path(__file__).parents[2] / "data"


def load(name):
    return orjson.loads((DATA / name).read_bytes())


def read(name, payload):
    event = Event(1, b"siem/exc/x", orjson.dumps(payload), 1_772_452_800.0)
    return list(FORMATS[name].read(event, timezone=ZoneInfo("Europe/Paris"), unknown_severity=Severity.MEDIUM))


def read_one(name, payload):
    (element,) = read(name, payload)
    return element


def facts(alert):
    names = ("id", "title", "host", "user", "source", "destination", "rule", "link", "tenant", "notes")
    return {name: value for name in names if (value := getattr(alert, name)) not in (None, ())}


def when(alert):
    return f"{alert.time:%Y-%m-%dT%H:%M:%S.%f}"


def test_wazuh():
    alert = read_one("wazuh", load("wazuh/login_failed.json"))
    assert facts(alert) == {
        "id": "1772435730.884213",
        "title": "sshd: brute force on the bastion",
        "host": "bastion-2",
        "user": "operator",
        "source": "198.51.100.23",
        "destination": "192.0.2.14",
        "rule": "5763",
        "tenant": "soc-east",
    }
    assert when(alert) == "2026-03-02T07:15:30.125000"
    assert (alert.severity, alert.one_shot) == (Severity.MEDIUM, True)
    assert alert.observables["mitre"] == ("T1110",)
    assert alert.description.startswith("Mar  2 08:15:30 bastion-2")
    assert FORMATS["wazuh"].case_fields(alert) == (("5763", "014", "198.51.100.23"), False)


def test_wazuhs_manager_is_not_the_host_of_what_it_reads():
    raw = load("wazuh/login_failed.json")
    raw["agent"] = {"id": "000", "name": "siem-manager-1"}
    assert read_one("wazuh", raw).host == "bastion-2"
    del raw["predecoder"]
    assert read_one("wazuh", raw).host == "siem-manager-1"


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (0, "low"),
        (6, "low"),
        (7, "medium"),
        (11, "medium"),
        (12, "high"),
        (14, "high"),
        ("15", "critical"),
        (16, "critical"),
        ("Critical", "critical"),
    ],
)
def test_wazuhs_levels_are_its_dashboards_classes(level, severity):
    raw = load("wazuh/login_failed.json")
    raw["rule"]["level"] = level
    assert str(read_one("wazuh", raw).severity) == severity


@pytest.mark.parametrize("level", [17, -1, None, "lots", {}])
def test_a_level_beyond_wazuhs_scale_is_unknown(level):
    raw = load("wazuh/login_failed.json")
    raw["rule"]["level"] = level
    assert "severity_unknown" in read_one("wazuh", raw).notes


def test_suricata():
    alert = read_one("suricata", load("suricata/trojan.json"))
    assert facts(alert) == {
        "title": "EXAMPLE TROJAN beacon over TLS",
        "host": "sensor-a",
        "source": "192.0.2.55",
        "destination": "203.0.113.80",
        "rule": "2900017",
    }
    assert alert.severity is Severity.HIGH
    assert alert.observables["mitre"] == ("T1071",)
    assert FORMATS["suricata"].case_fields(alert) == (("2900017", "192.0.2.55", "203.0.113.80"), False)


@pytest.mark.parametrize(
    ("number", "severity"), [(1, "high"), (2, "medium"), (3, "low"), (4, "informational"), (255, "informational")]
)
def test_suricatas_1_is_the_worst(number, severity):
    raw = load("suricata/trojan.json")
    del raw["alert"]["metadata"]
    raw["alert"]["severity"] = number
    assert str(read_one("suricata", raw).severity) == severity


def test_suricatas_other_events_are_no_alerts():
    raw = load("suricata/trojan.json")
    assert read_one("suricata", {**raw, "event_type": "flow"}) == Dropped("not_an_alert")
    del raw["event_type"]
    assert read_one("suricata", raw).title == "EXAMPLE TROJAN beacon over TLS"


def test_an_unnamed_rule_of_suricata_has_a_weak_key():
    alert = read_one("suricata", {"alert": {"gid": 1, "signature_id": 1}})
    assert alert.title == "Suricata rule 1"
    assert FORMATS["suricata"].case_fields(alert) == ((alert.content_hash,), True)


def test_alertmanager():
    firing, resolved = read("alertmanager", load("alertmanager/mixed_group.json"))
    assert facts(firing) == {
        "id": "5a1c09e6b7d3f201",
        "title": "DiskAlmostFull",
        "host": "db-7",
        "rule": "DiskAlmostFull",
        "link": "https://prom.example/graph?g0.expr=disk",
        "tenant": "EXC",
        "notes": ("batch_truncated",),
    }
    assert when(firing) == "2026-03-02T07:00:00.123456"
    assert (firing.severity, firing.state, firing.one_shot) == (Severity.CRITICAL, State.FIRING, False)
    assert firing.description == "Disk /srv\nof db-7 is 96 % full"
    assert (resolved.state, when(resolved)) == (State.RESOLVED, "2026-03-02T06:30:00.000000")
    assert (resolved.host, resolved.link) == ("2001:db8::7", "https://alerts.example:9093")
    assert FORMATS["alertmanager"].case_fields(firing) == (("5a1c09e6b7d3f201",), False)


def test_alertmanagers_case_without_fingerprint_is_all_labels():
    alert = read_one("alertmanager", {"labels": {"b": "2", "alertname": "A"}})
    assert FORMATS["alertmanager"].case_fields(alert) == (('{"alertname":"A","b":"2"}',), False)


def test_alertmanagers_group_state_stands_in_where_an_alert_has_none():
    group = {"status": "resolved", "alerts": [{"labels": {}}, {"labels": {}, "status": "firing"}]}
    assert [alert.state for alert in read("alertmanager", group)] == [State.RESOLVED, State.FIRING]


def test_an_empty_group_of_alertmanager_is_dropped():
    assert read_one("alertmanager", {"status": "firing", "alerts": []}) == Dropped("empty_batch")


def test_grafanas_test_button_makes_no_incident():
    labels = {"alertname": "TestAlert", "instance": "Grafana"}
    assert read_one("alertmanager", {"alerts": [{"labels": labels}]}) == Dropped("test_notification")


def test_grafanas_links_come_first():
    alert = {"labels": {"alertname": "A"}, "generatorURL": "?orgId=1", "dashboardURL": "https://g.example/d/1"}
    group = {"alerts": [alert], "orgId": 3, "externalURL": "https://g.example/"}
    read_alert = read_one("alertmanager", group)
    assert (read_alert.link, read_alert.tenant) == ("https://g.example/d/1", "3")


def test_generic():
    alert = read_one("generic", load("generic/alert.json"))
    assert facts(alert) == {
        "id": "ticket-17",
        "title": "Backup job failed",
        "host": "backup-1.example",
        "user": "svc-backup",
        "source": "192.0.2.30",
        "rule": "backup-failed",
        "link": "https://backup.example/jobs/17",
        "tenant": "EXC",
        "notes": ("time_zone_assumed",),
    }
    assert when(alert) == "2026-03-02T04:00:00.000000"
    assert (alert.severity, alert.state, alert.one_shot) == (Severity.HIGH, State.FIRING, False)
    assert alert.description == "Job 17 ended with code 3"
    assert alert.observables == {"tags": ("backup", "nightly")}


@pytest.mark.parametrize(
    ("raw", "state", "one_shot"),
    [
        ({"state": "resolved"}, State.RESOLVED, False),
        ({"status": "OK"}, State.RESOLVED, False),
        ({"status": "Closed"}, State.RESOLVED, False),
        ({"status": "in_progress"}, State.FIRING, False),
        ({"state": "Bavaria", "status": "resolved"}, State.RESOLVED, False),
        ({"status": 200}, State.FIRING, True),
        ({}, State.FIRING, True),
    ],
)
def test_generic_alerts_have_states_if_they_say_so(raw, state, one_shot):
    alert = read_one("generic", {"title": "x", **raw})
    assert (alert.state, alert.one_shot) == (state, one_shot)


def test_any_object_is_a_generic_alert():
    alert = read_one("generic", {"what": "ever"})
    assert alert.title == "Generic alert"
    assert FORMATS["generic"].case_fields(alert) == ((alert.content_hash,), True)


@pytest.mark.parametrize("name", ["wazuh", "suricata", "alertmanager"])
def test_what_is_not_of_a_format_is_not_guessed(name):
    rejected = read_one(name, {"title": "something else"})
    assert rejected.reason == "unrecognised_shape"
    assert name in rejected.detail


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_bundled_format_has_examples_and_is_as_they_say(name):
    examples = FORMATS[name].examples
    assert len(examples) >= 3
    outcomes = {expect.get("outcome", "alert") for example in examples for expect in example.expect}
    assert outcomes >= {"alert"}
    assert [text for example in examples for text in find_differences(example, FORMATS[name])] == []
