import json

import pytest
import yaml

from itop_bridge.cli.main import main
from itop_bridge.log import ALARMS, EVENTS
from itop_bridge.log.table import tabulate_alarms, tabulate_news, tabulate_troubles

GOOD = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: bridge, password: hunter2}
routes:
  - {name: wazuh, topic: siem/wazuh, format: wazuh, factory: incident-siem, organization: EXC}
"""


def test_settings_are_shown_with_defaults_and_without_secrets(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text(GOOD)
    assert main(["show", "settings", "--config", str(tmp_path / "x.yaml")]) == 0
    text = capsys.readouterr().out
    assert "hunter2" not in text
    shown = yaml.safe_load(text)
    assert shown["itop"]["password"] == "********"
    assert shown["itop"]["rate"] == "10/s"
    assert shown["routes"][0]["group_interval"] == "5m"


def test_settings_that_are_not_usable_exit_with_78(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("routes: []")
    assert main(["show", "settings", "--config", str(tmp_path / "x.yaml")]) == 78
    assert "mqtt.host: missing" in capsys.readouterr().err


def test_the_schema_is_json(capsys):
    assert main(["show", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", ["incident.created", "alarm.raised"])
def test_the_events_and_alarms_are_shown_with_their_level_and_meaning(capsys, name):
    assert main(["show", "events"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(EVENTS) + len(ALARMS)
    assert any(line.split() == [name, EVENTS[name].level, *EVENTS[name].meaning.split()] for line in lines)


@pytest.mark.parametrize("name", ["case.parked", "itop_unreachable"])
def test_an_event_or_alarm_is_shown_in_full_with_what_to_do(capsys, name):
    assert main(["show", "events", name]) == 0
    text = " ".join(capsys.readouterr().out.split())
    entry = EVENTS.get(name) or ALARMS[name]
    assert entry.meaning in text
    assert f"what to do {entry.remedy}" in text


def test_a_name_that_is_no_event_and_no_alarm_is_refused(capsys):
    assert main(["show", "events", "case.parkd"]) == 2
    assert "'case.parkd'" in capsys.readouterr().err


def test_the_tables_of_the_documents_are_printed(capsys):
    assert main(["show", "events", "--markdown"]) == 0
    printed = capsys.readouterr().out.strip().split("\n\n")
    assert printed == ["\n".join(lines) for lines in (tabulate_troubles(), tabulate_news(), tabulate_alarms())]


def test_the_formats_are_shown_as_a_table(tmp_path, capsys):
    assert main(["show", "formats"]) == 0
    bundled = capsys.readouterr().out.splitlines()
    assert bundled[0].startswith("| format |")
    assert any(line.startswith("| `wazuh` | Wazuh 4") for line in bundled)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(
        "product: P\nrecognised_by: {}\nfields: {}\nstates: false\ngroup_by: [host]\n"
    )
    (tmp_path / "x.yaml").write_text("formats: [own]\n" + GOOD)
    assert main(["show", "formats", "--config", str(tmp_path / "x.yaml")]) == 0
    assert set(capsys.readouterr().out.splitlines()) - set(bundled) == {
        "| `mine` | P | `json` | none: one-shot |  | `host` |"
    }


def test_the_schema_is_a_command_of_its_own_too(capsys):
    assert main(["show", "schema"]) == 0
    shown = capsys.readouterr().out
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == shown
