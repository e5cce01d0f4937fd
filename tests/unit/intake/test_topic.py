import pytest

from itop_bridge.intake.topic import covers, reduce_filters


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("#", "siem/exc/wazuh"),
        ("siem/#", "siem/+/wazuh"),
        ("siem/#", "siem"),
        ("siem/#", "siem/#"),
        ("siem/+/wazuh", "siem/exc/wazuh"),
        ("siem/+/+", "siem/+/wazuh"),
        ("siem/+/#", "siem/exc/a/b/#"),
        ("+/b", "a/b"),
    ],
)
def test_a_wider_filter_covers(wide, narrow):
    assert covers(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("siem/+/wazuh", "siem/exc/+"),
        ("siem/exc/+", "siem/+/wazuh"),
        ("siem/+", "siem/#"),
        ("siem/+", "siem"),
        ("siem", "siem/+"),
        ("siem/a", "siem/b"),
        ("#", "$SYS/broker"),
        ("+/broker", "$SYS/broker"),
    ],
)
def test_a_filter_that_misses_some_topic_does_not_cover(wide, narrow):
    assert not covers(wide, narrow)


def test_covered_and_repeated_filters_are_not_subscribed():
    assert reduce_filters(["siem/exc/wazuh", "siem/+/wazuh", "other/x", "siem/+/wazuh"]) == ["siem/+/wazuh", "other/x"]


def test_filters_that_only_overlap_are_both_subscribed():
    assert reduce_filters(["siem/+/wazuh", "siem/exc/+"]) == ["siem/+/wazuh", "siem/exc/+"]
