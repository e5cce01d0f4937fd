import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_settings
from itop_bridge.settings.organization import Organization
from itop_bridge.settings.own_incident import OWN_ROUTE, OwnIncidents
from itop_bridge.settings.policy import Attach, Storm
from itop_bridge.settings.route import PolicyKeys
from itop_bridge.settings.topic import OWN_TOPICS

BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
routes:
  - {name: NAME, topic: a, format: wazuh, factory: incident-siem, organization: EXC}
"""


@pytest.fixture
def load(tmp_path):
    def load(text, name="a"):
        path = tmp_path / "bridge.yaml"
        path.write_text(BASE.replace("NAME", name) + text)
        return load_settings(path).settings

    return load


def test_without_the_section_there_are_none(load):
    assert load("").own_incidents is None
    assert load("own_incidents:\n").own_incidents is None


def test_the_section_as_a_route_has_topics_and_a_scope_that_no_route_can_have(load):
    route = load("own_incidents: {organization: OPS, factory: mine}").own_incidents.as_route()
    assert (route.name, route.factory, route.format) == (OWN_ROUTE, "mine", "generic")
    assert route.pattern.filter.startswith(OWN_TOPICS)
    assert dict(route.pattern.names).keys() == {"reason", "day"}
    assert "/" in route.case_scope


def test_as_a_route_it_has_every_key_of_a_policy_but_storms_and_attachments(load):
    settings = load(
        "defaults: {storm: {cases: 5, within: 1m}, attach: {}, group_interval: 7m, settings: {team: A}}\n"
        "own_incidents: {organization: OPS, spacing: 9s, settings: {service: B}}"
    )
    assert settings.policy_of(settings.routes[0]).storm == Storm(5, 60.0)
    assert settings.policy_of(settings.routes[0]).attach == Attach(1_048_576)
    route = settings.own_incidents.as_route()
    policy = settings.policy_of(route)
    assert (policy.storm, policy.attach, policy.group_interval, policy.spacing) == (None, None, 420.0, 9.0)
    assert route.settings == {"team": "A", "service": "B"}
    assert route.organization == Organization("code", "OPS")
    assert all(hasattr(route, name) for name in PolicyKeys.model_fields)


def test_both_kinds_are_told_unless_the_section_says_otherwise():
    assert (OwnIncidents().dead_letters, OwnIncidents().sources) == (True, True)


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("own_incidents: {}", "a", "own_incidents: organization is missing"),
        (
            "own_incidents: {organization: OPS}",
            OWN_ROUTE,
            r"routes\[0\].name: is the name of the route of own_incidents",
        ),
        ("own_incidents: {organization: OPS, sources: maybe}", "a", "own_incidents.sources: must be true or false"),
    ],
)
def test_a_section_that_cannot_be_used_is_told(load, text, name, problem):
    with pytest.raises(ConfigurationError, match=problem):
        load(text, name)


def test_without_the_section_a_route_may_have_its_name(load):
    assert load("", OWN_ROUTE).routes[0].name == OWN_ROUTE
