import json
from pathlib import Path

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_legacy_json, load_settings
from itop_bridge.settings.model import Settings

GOOD = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: bridge, password: {env: PW}}
routes:
  - name: wazuh
    topic: siem/{org}/wazuh
    format: wazuh
    factory: incident-siem
    organization: EXC
    when: alert.severity >= 'high'
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text):
        Path("x.yaml").write_text(text)
        return load_settings("x.yaml", environ={"PW": "hunter2"})

    return load


def problems_of(load, text):
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    return caught.value.problems


def test_a_good_file_gives_settings_without_warnings(load):
    loaded = load(GOOD)
    assert isinstance(loaded.settings, Settings)
    assert loaded.settings.itop.password.reveal() == "hunter2"
    assert loaded.warnings == []


def test_later_stages_find_where_a_value_stands(load):
    assert load(GOOD).locate("routes[0].when") == "x.yaml:9:11"
    assert load(GOOD).locate("routes[0].settings.team") == "x.yaml:4:5"


def test_an_unknown_key_is_told_with_file_line_column_and_a_hint(load):
    assert problems_of(load, GOOD + "    group_intervall: 5m\n") == [
        "x.yaml:10:5: routes[0].group_intervall: unknown key; did you mean group_interval?"
    ]


def test_all_problems_are_told_in_one_run_in_the_order_of_the_file(load):
    text = """\
mqtt: {host: 1.4, keepalive: 60}
itop: {address: nowhere, user: bridge, password: {env: MISSING}}
log: {levl: info}
routes:
  - {name: a, topic: "a/#/b", format: f, factory: i}
  - {name: a, topic: "x/{org}", format: f, factory: i, organization: "{{ topic.og }}"}
"""
    assert [problem.split(" ")[0:2] for problem in problems_of(load, text)] == [
        ["x.yaml:1:14:", "mqtt.host:"],
        ["x.yaml:1:30:", "mqtt.keepalive:"],
        ["x.yaml:2:17:", "itop.address:"],
        ["x.yaml:2:40:", "itop.password:"],
        ["x.yaml:3:7:", "log.levl:"],
        ["x.yaml:5:5:", "routes[0].organization:"],
        ["x.yaml:5:22:", "routes[0].topic:"],
        ["x.yaml:6:12:", "routes[1].name:"],
        ["x.yaml:6:70:", "routes[1].organization:"],
    ]


def test_conflicts_alone_are_problems(load):
    assert problems_of(load, GOOD.replace("siem/{org}/wazuh", "'#'")) == [
        "x.yaml:5:12: routes[0].topic: would read what the bridge itself publishes under itop-bridge (mqtt.base_topic)"
    ]


def test_an_empty_file_tells_what_is_needed(load):
    paths = [problem.split(" ")[1] for problem in problems_of(load, "")]
    assert paths == ["mqtt.host:", "itop.address:", "itop.user:", "itop.password:", "routes:"]


@pytest.mark.parametrize("text", ["- a\n", "text\n", "12\n"])
def test_a_file_that_is_no_section_is_told(load, text):
    (problem,) = problems_of(load, text)
    assert problem.startswith("x.yaml:1:1: must be a section of keys and values, not ")


def test_no_secret_is_in_a_problem(load):
    text = GOOD.replace("{env: PW}", "{file: a, env: hunter2}") + "    pasword: hunter2\n"
    assert len(problems_of(load, text)) == 2
    assert "hunter2" not in "\n".join(problems_of(load, text))


def test_doubts_are_warnings_with_their_place(load):
    (warning,) = load(GOOD.replace("{env: PW}", "hunter2")).warnings
    assert warning == (
        "x.yaml:2:65: itop.password: "
        "the secret is written in the configuration: put it in a file and name it as {file: NAME}"
    )


def test_a_private_key_that_others_can_read_is_a_warning(load, tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    (warning,) = load(GOOD.replace("user: bridge", "user: bridge, cert_file: cert.pem, key_file: key.pem")).warnings
    assert warning.startswith("x.yaml:2:")
    assert "itop.key_file: " in warning
    assert warning.endswith("can be read by every user: chmod o-r it")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings(path)


LEGACY = {"address": "https://itop.tld", "version": "1.3", "user": "me", "password": "hunter2"}


def legacy(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    return load_legacy_json(path)


def test_the_older_tools_file_is_read(tmp_path):
    itop = legacy(tmp_path, json.dumps(LEGACY, indent="\t"))
    assert (itop.address, itop.version, itop.user) == ("https://itop.tld", "1.3", "me")
    assert itop.password.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{\n x", "config.json:2:2: not valid JSON: Expecting property name enclosed in double quotes"),
        (json.dumps({**LEGACY, "adress": 1}), "config.json: adress: unknown key; did you mean address?"),
        ("[]", "config.json: must be a section of keys and values, not a list"),
        (
            json.dumps({**LEGACY, "version": 1.3}),
            "config.json: version: must be text, not the number 1.3: put it in quotes",
        ),
    ],
)
def test_a_bad_file_of_the_older_tool_is_told(tmp_path, text, problem):
    with pytest.raises(ConfigurationError) as caught:
        legacy(tmp_path, text)
    assert caught.value.problems == [f"{tmp_path}/{problem}"]


def test_a_binary_file_of_the_older_tool_is_told(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ConfigurationError, match="not text in UTF-8"):
        load_legacy_json(path)


OFFLINE = """\
mqtt: {host: broker.example, username: u, password: {file: gone}, tls: {ca_file: gone.pem}}
itop: {address: "https://itop.example", user: bridge, password: {env: GONE}}
routes:
  - {name: r, topic: a/b, format: generic, factory: incident-siem, organization: EXC}
"""


def test_offline_no_secret_is_read_and_no_certificate_is_looked_for(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(OFFLINE)
    (tmp_path / "gone").write_text("hunter2")
    settings = load_settings(path, environ={}, offline=True).settings
    assert settings.mqtt.password.reveal() == settings.itop.password.reveal() == ""
    with pytest.raises(ConfigurationError, match=r"gone\.pem"):
        load_settings(path, environ={})


def test_offline_everything_else_is_checked(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(OFFLINE.replace("{env: GONE}", "{evn: GONE}").replace("topic: a/b", "topic: a/#/b"))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, offline=True)
    assert [line.split(" ")[1] for line in caught.value.problems] == ["itop.password:", "routes[0].topic:"]


def test_a_content_may_be_given_before_there_is_a_file(tmp_path):
    loaded = load_settings(tmp_path / "x.yaml", offline=True, content=OFFLINE.encode())
    assert loaded.locate("mqtt.host") == f"{tmp_path / 'x.yaml'}:1:14"
