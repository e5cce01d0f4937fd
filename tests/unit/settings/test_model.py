import pytest
from pydantic import ValidationError

from itop_bridge.log import LAYOUTS
from itop_bridge.settings.model import Mqtt, Settings
from itop_bridge.settings.organization import Organization

ROUTE = {"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}
SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "bridge", "password": "hunter2"},
    "defaults": {"organization": "EXC"},
}


def settings(routes=(ROUTE,), **sections):
    routes = list(routes) if isinstance(routes, tuple) else routes
    return Settings.model_validate({**SECTIONS, "routes": routes, **sections})


def failure(**sections):
    with pytest.raises(ValidationError) as caught:
        settings(**sections)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


def test_a_route_inherits_what_it_does_not_say():
    defaults = {"organization": "EXC", "group_interval": "1m", "timezone": "Europe/Paris"}
    loaded = settings([{**ROUTE, "group_interval": "2m", "reopen_within": 0}], defaults=defaults)
    route = loaded.routes[0]
    assert route.organization == Organization("code", "EXC")
    assert route.timezone == "Europe/Paris"
    policy = loaded.policy_of(route)
    assert (policy.group_interval, policy.reopen_within, policy.repeat_interval) == (120, 0, 14_400)


def test_a_routes_value_wins_even_where_it_is_the_bridges_own_default():
    defaults = {"organization": "EXC", "group_interval": "1m"}
    loaded = settings([{**ROUTE, "group_interval": "5m"}], defaults=defaults)
    assert loaded.policy_of(loaded.routes[0]).group_interval == 300


@pytest.mark.parametrize(
    ("mqtt", "port"), [({}, 1883), ({"tls": {}}, 8883), ({"tls": {}, "port": 1884}, 1884), ({"port": 1885}, 1885)]
)
def test_the_port_follows_tls(mqtt, port):
    assert settings(mqtt={"host": "localhost", **mqtt}).mqtt.port == port


def test_tls_without_keys_is_tls_and_an_empty_one_never_means_clear_text():
    assert settings(mqtt={"host": "localhost", "tls": {}}).mqtt.tls is not None
    ((path, text),) = failure(mqtt={"host": "localhost", "tls": None})
    assert path == "mqtt.tls"
    assert "is empty" in text


@pytest.mark.parametrize(("value", "protocol"), [(5, "5"), ("5", "5"), ("3.1.1", "3.1.1"), ("auto", "auto")])
def test_the_protocol_may_be_a_number(value, protocol):
    assert settings(mqtt={"host": "localhost", "protocol": value}).mqtt.protocol == protocol


@pytest.mark.parametrize("value", [4, 3.1, "3.1", True, None, 5.0])
def test_another_protocol_is_refused(value):
    assert failure(mqtt={"host": "localhost", "protocol": value})[0][0] == "mqtt.protocol"


@pytest.mark.parametrize("base_topic", ["a/#", "+/x", "/a", "a/", "$SYS", "{org}"])
def test_the_base_topic_is_a_plain_topic(base_topic):
    assert failure(mqtt={"host": "localhost", "base_topic": base_topic})[0][0] == "mqtt.base_topic"


def test_a_password_needs_a_user_and_a_key_its_certificate():
    paths = [path for path, _ in failure(mqtt={"host": "localhost", "password": "x", "tls": {"key_password": "y"}})]
    assert paths == ["mqtt.tls.key_password", "mqtt.password"]


@pytest.mark.parametrize(
    ("itop", "paths"),
    [
        ({}, ["itop.user", "itop.password"]),
        ({"auth": "basic", "user": "u"}, ["itop.password"]),
        ({"auth": "token"}, ["itop.token"]),
        ({"auth": "token", "token": "t"}, []),
        ({"user": "u", "password": "p", "rate": "0/s"}, ["itop.rate"]),
    ],
)
def test_each_way_to_log_in_has_its_keys(itop, paths):
    itop = {"address": "https://itop.example", **itop}
    assert [path for path, _ in failure(itop=itop)] == paths if paths else settings(itop=itop)


def test_every_layout_of_a_line_of_the_log_may_be_set():
    for layout in (*LAYOUTS, "auto"):
        assert settings(log={"format": layout}).log.format == layout
    assert failure(log={"format": "xml"})[0][0] == "log.format"


@pytest.mark.parametrize("routes", [[], None, {}, [None]])
def test_there_must_be_a_route(routes):
    assert failure(routes=routes)[0][0].startswith("routes")


def test_a_section_with_all_keys_in_comments_is_an_empty_one():
    assert settings(journal=None, console=None, log=None).console == settings().console


def test_settings_never_change():
    with pytest.raises(ValidationError):
        settings().mqtt.host = "other"


def test_secrets_are_in_no_text_of_the_settings():
    loaded = settings()
    assert "hunter2" not in repr(loaded) + str(loaded.model_dump()) + loaded.model_dump_json()


def test_settings_that_were_written_out_read_the_same():
    loaded = settings([{**ROUTE, "group_by": ["rule"], "organization": {"id": 3}, "settings": {"team": "SOC"}}])
    written = loaded.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert Settings.model_validate(written).routes == loaded.routes


@pytest.mark.parametrize(("given", "read"), [("a", ("a",)), ("a/b/", ("a/b",)), (["a", "b/"], ("a", "b")), ([], ())])
def test_a_response_prefix_is_one_or_several(given, read):
    assert Mqtt.model_validate({"host": "localhost", "response_prefix": given}).response_prefix == read


@pytest.mark.parametrize("prefix", ["", "/", "a/#", "+", "$SYS", "/a", "{org}", 3, ["a", "#"]])
def test_a_response_prefix_is_a_plain_topic(prefix):
    assert failure(mqtt={"host": "localhost", "response_prefix": prefix})[0][0].startswith("mqtt.response_prefix")
