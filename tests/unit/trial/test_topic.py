import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.alert import Event
from itop_bridge.settings.topic import parse_topic
from itop_bridge.trial.topic import choose_topic, make_topic

LEVELS = st.sampled_from(["siem", "{org}", "{site}", "+", "wazuh", ""])


@pytest.mark.parametrize(
    ("pattern", "topic", "remark"),
    [
        ("siem/exc/wazuh", "siem/exc/wazuh", "made from siem/exc/wazuh: "),
        ("siem/{org}/wazuh", "siem/ORG/wazuh", "made from siem/{org}/wazuh; ORG stands for {org}: "),
        ("siem/+/{kind}/#", "siem/ANY/KIND/ANY", "; KIND stands for {kind}"),
    ],
)
def test_a_topic_is_made_of_a_pattern_and_says_what_is_not_real(pattern, topic, remark):
    made = make_topic(parse_topic(pattern))
    assert made.text == topic
    assert remark in made.remark
    assert made.remark.endswith("--topic says the real one")


@given(st.lists(LEVELS, min_size=1, max_size=6, unique_by=lambda level: level if level[:1] == "{" else object()))
def test_a_made_topic_matches_its_pattern(levels):
    if not any(levels):
        levels = ["siem"]
    pattern = parse_topic("/".join(levels))
    assert pattern.match(make_topic(pattern).text) is not None


def chosen(site, payload):
    return choose_topic(Event(0, b"", payload, 0.0), site.routes).text


def test_the_topic_is_that_of_the_first_route_that_reads_an_alert(site_of):
    wazuh = b'{"rule": {"id": "5710", "level": 10, "description": "x"}, "agent": {"id": "001"}, "id": "1.2"}'
    routes = """\
  - {name: suricata, topic: "siem/{org}/suricata", format: suricata, factory: incident-siem}
  - {name: wazuh, topic: "siem/{org}/wazuh", format: wazuh, when: alert.severity > 'critical', factory: incident-siem}
  - {name: generic, topic: "siem/{org}/generic", format: generic, factory: incident-siem}
"""
    assert chosen(site_of(routes), wazuh) == "siem/ORG/wazuh"


def test_else_it_is_that_of_the_first_route_that_drops_it_on_purpose(site_of):
    routes = """\
  - {name: wazuh, topic: "siem/{org}/wazuh", format: wazuh, factory: incident-siem}
  - {name: suricata, topic: "siem/{org}/suricata", format: suricata, factory: incident-siem}
"""
    assert chosen(site_of(routes), b'{"event_type": "dns", "src_ip": "192.0.2.1"}') == "siem/ORG/suricata"


def test_else_it_is_that_of_the_first_route(site_of):
    assert chosen(site_of(), b"nothing of the kind") == "siem/ORG/generic"


def test_a_topic_that_an_earlier_route_takes_is_read_as_that_route_reads(site_of):
    routes = """\
  - {name: all, topic: "siem/{org}/+", format: wazuh, factory: incident-siem}
  - {name: hidden, topic: "siem/{org}/generic", format: generic, factory: incident-siem}
  - {name: seen, topic: "other/{org}/generic", format: generic, factory: incident-siem}
"""
    assert chosen(site_of(routes), b'{"title": "x"}') == "other/ORG/generic"
