import pytest
from pydantic import ValidationError

from itop_bridge.settings.organization import Organization
from itop_bridge.settings.route import Defaults, Route

WAZUH = {"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}


def route(**keys):
    return Route.model_validate({**WAZUH, **keys})


def failure(**keys):
    with pytest.raises(ValidationError) as caught:
        route(**keys)
    return [".".join(map(str, error["loc"])) for error in caught.value.errors()]


def test_a_route_takes_from_the_defaults_only_what_it_does_not_say():
    defaults = Defaults.model_validate({"organization": "EXC", "group_interval": "1m", "resolve": "never"})
    inherited = route(group_interval="5m", organization={"id": 3}).inherit(defaults)
    assert (inherited.group_interval, inherited.organization) == (300, Organization("id", "3"))
    assert inherited.resolve.when == "never"
    assert inherited.name == "wazuh"


def test_the_scope_is_the_routes_name_by_default():
    assert route().case_scope == "wazuh"
    assert route(case_scope="soc").case_scope == "soc"


def test_a_wrong_scope_is_told_once():
    assert failure(case_scope="A b") == ["case_scope"]
    assert failure(name="A b") == ["name"]


def test_the_topic_is_taken_apart():
    assert route().pattern.filter == "siem/+/wazuh"
    assert failure(topic="siem/#/wazuh") == ["topic"]


@pytest.mark.parametrize("zone", ["Europe/Pariss", "", "/etc/passwd", "../UTC", "Europe", 1])
def test_an_unknown_time_zone_is_refused(zone):
    assert failure(timezone=zone) == ["timezone"]


def test_a_severity_is_read_without_case():
    assert route(unknown_severity="High").unknown_severity == "high"
    assert failure(unknown_severity="hihg") == ["unknown_severity"]


@pytest.mark.parametrize("name", ["", "Wazuh", "a b", "-a", "a" * 64, "é", "a\n", 7])
def test_a_route_has_a_plain_name(name):
    assert failure(name=name) == ["name"]


@pytest.mark.parametrize(("group_by", "paths"), [([], ["group_by"]), ([3], ["group_by.0"]), ("rule", ["group_by"])])
def test_group_by_names_something(group_by, paths):
    assert failure(group_by=group_by) == paths


def test_the_factorys_settings_are_left_to_the_factory():
    assert route(settings={"team": "SOC", "fields": {"a.b": [1]}}).settings == {"team": "SOC", "fields": {"a.b": [1]}}
    assert route().settings == {}


def test_settings_of_the_defaults_are_filled_in_key_by_key():
    defaults = Defaults.model_validate({"settings": {"team": "SOC", "fields": {"a": 1}}})
    inherited = route(settings={"fields": {"b": 2}, "log": "private"}).inherit(defaults)
    assert inherited.settings == {"team": "SOC", "fields": {"b": 2}, "log": "private"}
    assert route().inherit(defaults).settings == {"team": "SOC", "fields": {"a": 1}}


def test_every_timing_may_stand_in_the_defaults():
    said = {"group_wait": "1s", "group_interval": "2s", "repeat_interval": "3s", "reopen_within": "4s"}
    inherited = route().inherit(Defaults.model_validate(said))
    assert [getattr(inherited, name) for name in said] == [1, 2, 3, 4]


def test_continue_is_true_or_false():
    assert route(**{"continue": True}).continues
    assert failure(**{"continue": 1}) == ["continue"]
