import argparse

import pytest

from itop_bridge.cli.check import check_settings, run
from itop_bridge.cli.main import main
from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_routes_alone

GOOD = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: bridge, password: hunter2}
routes:
  - {name: wazuh, topic: "siem/{org}/wazuh", format: wazuh, factory: incident-siem, organization: "{{ topic.org }}"}
  - {name: cef, topic: siem/exc/cef, format: suricata, factory: incident-siem, organization: {id: 3}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_configuration_is_summarised_and_its_doubts_told(path, capsys):
    assert run(argparse.Namespace(config=path, online=False)) == 0
    out, err = capsys.readouterr()
    assert out == (
        "ok: 2 routes\n"
        "  wazuh  siem/{org}/wazuh  wazuh -> incident-siem, code:{{ topic.org }}\n"
        "  cef    siem/exc/cef      suricata -> incident-siem, id:3\n"
    )
    assert err.startswith(f"warning: {path}:2:65: itop.password: the secret is written in the configuration")
    assert "hunter2" not in out + err


def test_own_incidents_are_summarised(path, capsys):
    path.write_text(GOOD + "own_incidents: {organization: OPS}\n")
    assert run(argparse.Namespace(config=path, online=False)) == 0
    assert capsys.readouterr().out.endswith("  own incidents: incident-siem, code:OPS\n")


def test_a_bad_configuration_exits_with_78_and_all_its_problems(path, capsys):
    path.write_text(GOOD.replace("host: localhost", "hots: localhost"))
    assert main(["check", "--config", str(path)]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" ")[1] for line in err.splitlines()] == ["mqtt.host:", "mqtt.hots:"]


def test_a_file_that_is_not_there_exits_with_78(tmp_path, capsys):
    assert main(["check", "--config", str(tmp_path / "missing.yaml")]) == 78
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_problems_of_all_checkers_are_told(path):
    def first(loaded):
        return [f"{loaded.locate('routes[0].format')}: routes[0].format: no such format"]

    def second(loaded):
        raise ConfigurationError(["other"])

    with pytest.raises(ConfigurationError) as caught:
        check_settings(path, [first, second, lambda _: []])
    assert caught.value.problems == [f"{path}:4:54: routes[0].format: no such format", "other"]


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("host: localhost", "hots: localhost", ["mqtt.host:", "mqtt.hots:", "routes[0].format:"]),
        ("password: hunter2", "password: {file: missing}", ["itop.password:", "routes[0].format:"]),
        ("mqtt:", "mqtd: {}\nmail: {server: 1}\nmqtt:", None),
    ],
)
def test_what_is_wrong_elsewhere_hides_nothing_of_the_routes(path, capsys, right, wrong, told):
    path.write_text(GOOD.replace(right, wrong).replace("format: wazuh", "format: wazhu"))
    assert main(["check", "--config", str(path)]) == 78
    names = [line.split(" ")[1] for line in capsys.readouterr().err.splitlines()]
    assert names == told if told else (names[-1] == "routes[0].format:" and "mqtd:" in names)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("topic: siem/exc/cef", "topic: a#"), ("organization: {id: 3}", "spacing: 1s"), (GOOD, "- a"), (GOOD, "")],
)
def test_routes_that_are_wrong_themselves_are_not_looked_into_further(path, right, wrong):
    path.write_text(GOOD.replace(right, wrong))
    assert load_routes_alone(path) is None


def test_checkers_see_only_settings_that_are_valid_in_themselves(path):
    path.write_text("routes: []")
    with pytest.raises(ConfigurationError, match="at least one entry"):
        check_settings(path, [lambda _: pytest.fail("called")])
