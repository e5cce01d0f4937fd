import io
import json
import socket
import sys

import pytest

from itop_bridge.cli.main import main

CONFIG = """\
mqtt: {host: broker.example, username: u, password: {file: not-there}}
itop: {address: "https://itop.example", user: u, password: {env: NOT_THERE}}
journal: {path: not-made.db}
defaults: {organization: "{{ topic.org }}"}
routes:
  - {name: r, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'medium', factory: incident-siem}
"""
ALERT = {"id": "a1", "title": "Disk full", "severity": "high", "state": "firing", "host": "db1"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a configuration and two samples; every attempt to reach a network fails."""

    def refuse(*_args):
        raise AssertionError("offline is offline")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "high.json").write_text(json.dumps(ALERT))
    (tmp_path / "low.json").write_text(json.dumps({**ALERT, "severity": "low"}))
    return tmp_path


def run(capsys, *words):
    code = main(["test", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_with_a_configuration_everything_is_shown_and_nothing_is_left_behind(folder, capsys):
    before = sorted(each.name for each in folder.iterdir())
    code, out, err = run(capsys, "-c", "c.yaml", "high.json", "low.json")
    assert (code, err) == (0, "")
    assert "high.json: 1 alert\n" in out
    assert "core/create" in out
    assert "low.json: dropped (filtered)\n" in out
    assert "when is false: alert.severity >= 'medium'" in out
    assert sorted(each.name for each in folder.iterdir()) == before


def test_the_configuration_may_stand_before_the_command_too(folder, capsys):
    assert main(["--config", "c.yaml", "test", "high.json"]) == 0
    assert "core/create" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--format", "generic"]])
def test_without_a_configuration_only_the_reading_is_shown(folder, capsys, words):
    code, out, _ = run(capsys, *words, "high.json")
    assert code == 0
    assert '["generic","","Disk full","db1",""]' in out
    assert "core/create" not in out


def test_json_is_one_object_per_sample(folder, capsys):
    code, out, err = run(capsys, "--json", "-c", "c.yaml", "--topic", "siem/EXC/generic", "high.json", "low.json")
    high, low = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (high["file"], high["outcome"], high["alerts"][0]["route"]) == ("high.json", "alerts", "r")
    assert '"code:EXC"' in high["alerts"][0]["case_key"]
    assert (low["outcome"], low["reason"], low["alerts"]) == ("dropped", "filtered", [])


def test_the_standard_input_may_hold_many(folder, capsys, monkeypatch):
    lines = f"{json.dumps(ALERT)}\n{json.dumps(ALERT)}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    code, out, _ = run(capsys, "--json", "-")
    assert code == 0
    assert len(json.loads(out)["alerts"]) == 2


def test_what_is_as_expected_exits_with_0(folder, capsys):
    (folder / "e.yaml").write_text("- {file: high.json, outcome: alerts, alerts: [{severity: high}]}\n")
    assert run(capsys, "-c", "c.yaml", "--expect", "e.yaml", "high.json") == (0, "ok: 1 sample as expected\n", "")


def test_a_difference_is_told_and_exits_with_1(folder, capsys):
    (folder / "e.yaml").write_text("- {file: high.json, alerts: [{severity: low}]}\n")
    difference = 'high.json: alerts[0].severity: expected "low", got "high"\n'
    assert run(capsys, "-c", "c.yaml", "--expect", "e.yaml", "high.json") == (1, "", difference)
    code, out, err = run(capsys, "--json", "--expect", "e.yaml", "high.json")
    assert (code, json.loads(out)["file"], err) == (1, "high.json", difference)


def test_without_samples_those_that_are_expected_are_tried(folder, capsys):
    (folder / "rules").mkdir()
    (folder / "rules" / "e.yaml").write_text("- {file: ../high.json, outcome: alerts}\n")
    assert run(capsys, "--expect", "rules/e.yaml")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "which samples?"),
        (["."], "is a folder: name the files in it"),
        (["--format", "wazu", "high.json"], "did you mean wazuh?"),
        (["--topic", "a/b", "high.json"], "--topic needs --config"),
        (["-c", "c.yaml", "--topic", "siem/+/x", "high.json"], "without wildcards"),
        (["-c", "c.yaml", "--topic", "", "high.json"], "without wildcards"),
        (["-c", "c.yaml", "--format", "cef", "high.json"], "no route of c.yaml reads the format 'cef'"),
    ],
)
def test_wrong_usage_exits_with_2(folder, capsys, words, told):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err


def test_a_sample_that_is_not_there_exits_with_1(folder, capsys):
    code, out, err = run(capsys, "missing.json")
    assert (code, out, err) == (1, "", "missing.json cannot be read: No such file or directory\n")


def test_a_configuration_that_is_wrong_exits_with_78(folder, capsys):
    (folder / "c.yaml").write_text(CONFIG.replace("format: generic", "format: generik"))
    code, out, err = run(capsys, "-c", "c.yaml", "high.json")
    assert (code, out) == (78, "")
    assert "did you mean generic?" in err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["test", "--help"])
    assert "Example: itop-bridge test" in capsys.readouterr().out
