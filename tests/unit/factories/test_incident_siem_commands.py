"""The command line of incident-siem, as far as it needs no iTop; tests/integration/test_cli.py runs it."""

import argparse
import importlib.util

import pytest

from itop_bridge.bundled import bundled_folder
from itop_bridge.triage.registry import read_dataclass


def load():
    spec = importlib.util.spec_from_file_location("siem", bundled_folder("factories") / "incident_siem.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIEM = load()


@pytest.fixture(scope="module")
def parser():
    parser = argparse.ArgumentParser(prog="p")
    SIEM.add_parser(parser.add_subparsers(dest="command"))
    return parser


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        (["--inc", "12"], "id = 12"),
        (["--inc-id", "12"], "id = 12"),
        (["--inc", "I-000123"], "ref = 'I-000123'"),
        (["--inc", "R-000001"], "ref = 'R-000001'"),
        (["--inc-name", "custom ref"], "ref = 'custom ref'"),
        (["--inc", "SOC-EXC-SIEM-011"], "title = 'SOC-EXC-SIEM-011'"),
        (["--inc", "A-team is down"], "title = 'A-team is down'"),
        (["--inc-title", "12"], "title = '12'"),
        (["--inc", "it's \\"], "title = 'it\\'s \\\\'"),
        (["--inc", "\u0662"], "title = '\u0662'"),
        (["--inc-title", "word " * 80], f"title = '{('word ' * 80)[:249].strip()}…'"),
        (["--inc-title", " a\tb\x07 "], "title = 'a b'"),
    ],
)
def test_an_incident_is_meant_by_id_reference_or_title(parser, words, condition):
    found, called = SIEM.describe_search(parser.parse_args(["incident-siem-exists", *words]))
    assert found == condition
    assert called.startswith("with the ")


def test_none_may_be_meant(parser):
    assert SIEM.describe_search(parser.parse_args(["incident-siem-get"])) is None


@pytest.mark.parametrize(
    "words",
    [
        ["incident-siem-exists"],
        ["incident-siem-publog", "--inc", "1"],
        ["incident-siem-create", "--inc-title", "t", "--inc-urgency", "5", "--org-code", "EXC"],
        ["incident-siem-create", "--inc-title", "t", "--inc-urgency", "1"],
        ["incident-siem-create", "--inc-urgency", "1", "--org-code", "EXC"],
        ["incident-siem-get", "--inc", "1", "--inc-id", "1"],
        ["incident-siem-get", "--inc-name", "I-\x07"],
        ["incident-siem-resolve", "--inc", "1", "--diff"],
    ],
)
def test_what_a_command_needs_is_asked_for(parser, words, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert "error:" in capsys.readouterr().err


def settings(**values):
    checked, problems = read_dataclass(SIEM.CommandSettings, "incident-siem", values)
    assert not problems, problems
    return checked


def test_settings_say_how_incidents_are_written():
    given = {"team": "SOC", "class": "UserRequest", "log": "private", "origin": "", "fields": {"a": 1}}
    writing = settings(**given, resolution_code="assistance").describe_writing()
    assert writing.references == (("team_id", "Team", "SOC"),)
    assert (writing.iclass, writing.log, writing.origin) == ("UserRequest", "private_log", "")
    assert (writing.fields, writing.resolution_code) == ((("a", 1),), "assistance")


def test_nothing_is_built_in_but_defaults():
    writing = settings().describe_writing()
    assert (writing.references, writing.fields) == ((), ())


@pytest.mark.parametrize("values", [{"impact": 0}, {"impact": "high"}, {"teem": "x"}, {"log": "both"}])
def test_a_wrong_setting_is_told(values):
    _, problems = read_dataclass(SIEM.CommandSettings, "incident-siem", values)
    assert problems


def test_the_legacy_settings_are_usable():
    import yaml

    data = yaml.safe_load((bundled_folder("config") / "soc-legacy.yaml").read_text(encoding="utf-8"))
    writing = settings(**data["commands"]["settings"]["incident-siem"]).describe_writing()
    assert {attribute for attribute, _, _ in writing.references} == {
        "team_id",
        "agent_id",
        "service_id",
        "servicesubcategory_id",
    }
