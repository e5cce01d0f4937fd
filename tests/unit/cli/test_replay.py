import io
import json
import sys

import pytest

from itop_bridge.cli import replay
from itop_bridge.cli.replay import describe_element, summarise_events, summarise_recorded

CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
routes:
  - {name: wazuh, topic: "siem/{org}/wazuh", format: generic, factory: incident-siem, organization: EXC}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bridge.yaml"
    path.write_text(CONFIGURATION)
    return path


def recorded(tmp_path, name="one.json", content=b'{"id": "r1", "title": "T", "severity": "high"}'):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_journaled_events_are_mapped_again_without_a_daemon(operator, config):
    words = ("replay", "--since", "1970-01-01", "--config", config)
    code, out, _ = operator.run(*words, "--dry-run")
    assert (code, out) == (0, "would replay 5 events: 1 landed, 1 landed before, 3 dead\n")
    code, out, _ = operator.run(*words)
    assert (code, out) == (0, "replayed 5 events: 1 landed, 1 landed before, 3 dead\n")
    code, out, _ = operator.run(*words)
    assert (code, out) == (0, "replayed 5 events: 2 landed before, 3 dead\n")
    assert operator.query("SELECT count(*) FROM dead_letters") == [(3,)]


def test_a_dry_run_tells_each_with_v(operator, config):
    code, out, _ = operator.run("replay", "--since", "1970-01-01", "--config", config, "--dry-run", "-v")
    assert code == 0
    assert out.splitlines()[0] == "event 1/0  dead (invalid_encoding)  route wazuh"
    assert out.splitlines()[3].startswith("event 4/0  landed before  route wazuh  case ")


def test_as_json_each_is_an_object_and_the_counts_come_last(operator, config):
    words = ("replay", "--since", "1970-01-01", "--config", config, "--dry-run", "-v", "--json")
    _, out, _ = operator.run(*words)
    *elements, counts = map(json.loads, out.splitlines())
    assert [each["event_id"] for each in elements] == [1, 2, 3, 4, 5]
    assert (counts["events"], counts["dead"]) == (5, 3)


def test_recorded_alerts_wait_for_the_daemon(operator, config, tmp_path):
    path = recorded(tmp_path)
    words = ("replay", path, "--topic", "siem/EXC/wazuh", "--config", config)
    code, out, _ = operator.run(*words, "--dry-run")
    assert (code, out) == (0, "would take in 1 payload: 1 landed\n")
    code, out, _ = operator.run(*words)
    assert (code, out) == (0, "took in 1 payload: mapped when the daemon starts\n")
    code, out, _ = operator.run(*words)
    assert (code, out) == (0, "took in 0 payloads; 1 taken in before\n")
    assert operator.query("SELECT topic, payload, connection FROM events WHERE id = 6") == [
        (b"siem/EXC/wazuh", path.read_bytes(), 0)
    ]


@pytest.mark.parametrize(("name", "words"), [("many.ndjson", ()), ("many.jsonl", ()), ("many.txt", ("--lines",))])
def test_each_line_is_a_payload(operator, config, tmp_path, monkeypatch, name, words):
    monkeypatch.setattr(replay, "_MOST_ALERTS", 2)
    path = recorded(tmp_path, name, b'{"id": 1}\n\n{"id": 2}\r\n{"id": 2}\n')
    _, out, _ = operator.run("replay", path, "--topic", "siem/EXC/wazuh", "--config", config, *words)
    assert out == "took in 3 payloads: mapped when the daemon starts\n"
    payloads = operator.query("SELECT payload FROM events WHERE id > 5 ORDER BY id")
    assert payloads == [(b'{"id": 1}',), (b'{"id": 2}',), (b'{"id": 2}',)]


def test_a_recording_comes_by_the_standard_input(operator, config, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1}\n{"id": 2}\n')))
    _, out, _ = operator.run("replay", "-", "--lines", "--topic", "siem/EXC/wazuh", "--config", config)
    assert out.startswith("took in 2 payloads")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Give FILES with --topic, or --since"),
        (("FILE", "--since", "2h"), "Give FILES with --topic, or --since"),
        (("FILE",), "Give --topic"),
        (("FILE", "--topic", "t", "--route", "r"), "are for --since"),
        (("--since", "2h", "--topic", "t"), "are for files"),
        (("--since", "2h", "--lines"), "are for files"),
    ],
)
def test_what_does_not_go_together_is_refused(operator, config, tmp_path, words, told):
    words = [str(recorded(tmp_path)) if word == "FILE" else word for word in words]
    code, out, err = operator.run("replay", *words, "--config", config)
    assert (code, out) == (2, "")
    assert told in err


def test_what_is_read_only_is_not_done(operator, config):
    code, _, err = operator.run("replay", "--since", "2h", "--read-only", "--config", config)
    assert code == 1
    assert "nothing was done" in err


def test_without_a_daemon_and_a_configuration_nothing_can_be_mapped(operator):
    code, _, err = operator.run("replay", "--since", "2h")
    assert code == 1
    assert "give --config FILE" in err


def test_a_payload_that_is_too_large_is_refused_before_any_is_sent(operator, config, tmp_path, monkeypatch):
    monkeypatch.setattr("itop_bridge.control.replay.MOST_PAYLOAD", 20)
    path = recorded(tmp_path, "two.ndjson", b'{"id": 1}\n{"id": "1234567890123456789"}\n')
    code, _, err = operator.run("replay", path, "--topic", "siem/EXC/wazuh", "--config", config)
    assert code == 2
    assert "payload 2 has 29 bytes" in err
    assert operator.query("SELECT count(*) FROM events") == [(5,)]


def test_a_topic_that_no_route_has_is_refused(operator, config, tmp_path):
    code, _, err = operator.run("replay", recorded(tmp_path), "--topic", "siem/EXC/other", "--config", config)
    assert code == 1
    assert "no route has the topic 'siem/EXC/other'" in err


def test_an_element_of_others_is_one_line():
    told = {"event_id": -2, "idx": 0, "outcome": "landed", "reason": None, "route": "r", "case": "c", "alert": "a\x1b"}
    line = describe_element({**told, "title": "x\ny"}, before=500)
    assert line == "payload 502/0  landed  route r  case c  alert a\\x1b  x\\ny"


def test_the_sums_name_only_what_there_is():
    none = {"events": 1, "pruned": 2}
    assert summarise_events(none, dry_run=True) == "would replay 1 event; 2 events no longer kept"
    sums = {"taken": 3, "known": 1, "landed": 2, "waiting": 1}
    assert summarise_recorded(sums, dry_run=False, running=True) == (
        "took in 3 payloads: 2 landed, 1 not mapped yet; 1 taken in before"
    )
