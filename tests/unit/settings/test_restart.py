import pytest

from itop_bridge.settings.model import Settings
from itop_bridge.settings.restart import find_restart_keys

ROUTE = {"name": "a", "topic": "siem/{org}/a", "format": "f", "factory": "i", "organization": "EXC"}
MQTT = {"host": "localhost", "username": "u", "password": "hunter2"}
ITOP = {"address": "https://itop.example", "user": "u", "password": "p"}


def settings(**sections):
    return Settings.model_validate({"mqtt": MQTT, "itop": ITOP, "routes": [ROUTE], **sections})


def test_the_same_configuration_wants_no_restart():
    assert find_restart_keys(settings(), settings()) == []


@pytest.mark.parametrize(
    ("sections", "keys"),
    [
        ({"mqtt": {**MQTT, "port": 1884, "reconnect": {"most": "2m"}}}, ["mqtt.port", "mqtt.reconnect.most"]),
        ({"mqtt": {**MQTT, "tls": {}}}, ["mqtt.port", "mqtt.tls"]),
        ({"mqtt": {**MQTT, "response_prefix": "answers"}}, ["mqtt.response_prefix"]),
        ({"console": {"listen": "off"}, "log": {"level": "debug"}}, ["console.listen", "log.level"]),
        ({"journal": {"path": "other.db", "keep": "1d"}}, ["journal.path", "journal.keep"]),
        (
            {"itop": {**ITOP, "rate": "1/s", "concurrency": 1, "server_time_limit": "5s"}},
            ["itop.rate", "itop.concurrency", "itop.server_time_limit"],
        ),
    ],
)
def test_what_only_a_restart_takes_up_is_named(sections, keys):
    assert find_restart_keys(settings(), settings(**sections)) == keys


def test_a_secret_is_named_by_its_key_alone():
    changed = settings(mqtt={**MQTT, "password": "correct horse"})
    assert find_restart_keys(settings(), changed) == ["mqtt.password"]


@pytest.mark.parametrize(
    "sections",
    [
        {"itop": {**ITOP, "address": "https://other.example", "password": "q", "timeout": "5s"}},
        {"routes": [{**ROUTE, "topic": "other"}]},
        {"defaults": {"group_interval": "1h"}},
        {"mail": {"server": "localhost", "security": "none", "sender": "a@b.example", "recipients": ["c@d.example"]}},
        {"own_incidents": {"organization": "OPS"}},
    ],
)
def test_what_a_reload_takes_up_is_not(sections):
    assert find_restart_keys(settings(), settings(**sections)) == []
