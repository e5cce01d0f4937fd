import itertools

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import find_problems
from itop_bridge.trial.draft import Draft, check_draft, list_next_steps, write_draft

ROUTES = (("wazuh", "wazuh", "siem/{org}/wazuh"), ("auto", "auto", "siem/{org}/#"))


def draft(**changes):
    values = {
        "mqtt_host": "broker.example",
        "mqtt_port": 8883,
        "mqtt_tls": True,
        "mqtt_ca_file": "ca.pem",
        "mqtt_user": "bridge",
        "itop_address": "https://itop.example/itop",
        "itop_user": "bridge",
        "organization": "",
        "routes": ROUTES[:1],
    }
    return Draft(**{**values, **changes})


CHOICES = {
    "mqtt_tls": [True, False],
    "mqtt_ca_file": ["", "ca.pem"],
    "mqtt_user": ["", "it's: me #1"],
    "organization": ["", "EXC", '0042 "x"'],
    "routes": [ROUTES[:1], ROUTES],
}


@pytest.mark.parametrize("values", list(itertools.product(*CHOICES.values())))
def test_every_draft_passes_check_once_its_files_are_there(tmp_path, values):
    chosen = draft(**dict(zip(CHOICES, values, strict=True)))
    path = tmp_path / "itop-bridge.yaml"
    path.write_text(write_draft(chosen))
    for name in ("mqtt-password", "itop-password", "ca.pem"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    loaded = load_settings(path)
    assert find_problems(loaded) == []
    assert (loaded.settings.mqtt.username or "") == chosen.mqtt_user
    assert loaded.settings.routes[0].organization.text == (chosen.organization or "{{ topic.org }}")


@pytest.mark.parametrize("text", ["yes", "0042", "a: b", "x #y", "{x}", "[::1]", '"', "\\", "é😀", "null", "1e3"])
def test_an_answer_is_the_text_that_it_was_typed_as(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(write_draft(draft(mqtt_host=text, itop_user=text)), encoding="utf-8")
    settings = load_settings(path, offline=True).settings
    assert (settings.mqtt.host, settings.itop.user) == (text, text)


def test_a_draft_is_checked_without_its_files(tmp_path):
    check_draft(tmp_path / "c.yaml", write_draft(draft()))
    with pytest.raises(ConfigurationError, match=r"c\.yaml:\d+:\d+: routes\[0\].format: there is no format 'wazu'"):
        check_draft(tmp_path / "c.yaml", write_draft(draft(routes=(("wazuh", "wazu", "a/{org}"),))))


def test_editors_find_the_schema_by_the_first_line():
    assert write_draft(draft()).startswith("# yaml-language-server: $schema=itop-bridge.schema.json\n")


def test_the_next_steps_name_every_file_that_is_missing(tmp_path):
    steps = "\n".join(list_next_steps(tmp_path / "c.yaml", draft()))
    for name in ("mqtt-password", "itop-password", "ca.pem", "itop-bridge.schema.json"):
        assert str(tmp_path / name) in steps
    assert "mqtt-password" not in "\n".join(list_next_steps(tmp_path / "c.yaml", draft(mqtt_user="")))
