import pytest

from itop_bridge.settings.topic import overlap, parse_topic


def test_named_levels_become_wildcards():
    pattern = parse_topic("siem/{org}/+/{sensor}/#")
    assert pattern.filter == "siem/+/+/+/#"
    assert pattern.names == (("org", 1), ("sensor", 3))


@pytest.mark.parametrize("topic", ["#", "+", "/", "siem//x", "a b/ü", "$SYS/broker"])
def test_what_mqtt_allows_is_allowed(topic):
    assert parse_topic(topic).filter == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/#/b",
        "a#",
        "a/b+",
        "+a",
        "{org}x",
        "{}",
        "{a-b}",
        "{1a}",
        "{Org}",
        "{org}/{org}",
        "a\0b",
        "$share/g/a",
        "x" * 65_536,
    ],
)
def test_what_mqtt_forbids_is_refused(topic):
    with pytest.raises(ValueError):
        parse_topic(topic)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("siem/+/wazuh", "siem/exc/+"),
        ("siem/#", "siem"),
        ("#", "a/b"),
        ("a/+/c", "a/b/c"),
        ("a/b", "a/b"),
        ("+/#", "a"),
        ("a/#", "+/b/c/#"),
    ],
)
def test_filters_that_share_a_topic_overlap(one, other):
    assert overlap(one, other)
    assert overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("siem/+/wazuh", "siem/+/suricata"), ("a", "a/b"), ("a/+", "a"), ("a/+/#", "a"), ("#", "$SYS/x"), ("a/#", "b/#")],
)
def test_filters_that_share_none_do_not(one, other):
    assert not overlap(one, other)
    assert not overlap(other, one)


@pytest.mark.parametrize(
    ("pattern", "topic", "names"),
    [
        ("siem/{org}/wazuh", "siem/EXC/wazuh", {"org": "EXC"}),
        ("siem/{org}/wazuh", "siem/EXC/suricata", None),
        ("siem/{org}/wazuh", "siem/EXC/wazuh/more", None),
        ("siem/{org}/wazuh", "siem/EXC", None),
        ("siem/+/{format}", "siem/a/b", {"format": "b"}),
        ("{org}/#", "EXC", {"org": "EXC"}),
        ("{org}/#", "EXC/a/b/c", {"org": "EXC"}),
        ("a/#", "b/c", None),
        ("#", "a/b", {}),
        ("#", "$SYS/uptime", None),
        ("+/uptime", "$SYS/uptime", None),
        ("$SYS/#", "$SYS/uptime", {}),
        ("siem/{org}", "siem/", {"org": ""}),
        ("siem/{org}", "siem/#", {"org": "#"}),
        ("siem/{org}", "siem/../..", None),
    ],
)
def test_a_pattern_gives_the_named_levels_of_what_it_matches(pattern, topic, names):
    assert parse_topic(pattern).match(topic) == names
