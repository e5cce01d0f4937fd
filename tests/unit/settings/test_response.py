import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.settings.response import decide_refusal, is_below

PREFIXES = ("answers", "soc/replies")
FILTERS = ("siem/+/wazuh", "answers/loop/#")


@pytest.mark.parametrize(
    ("topic", "refusal"),
    [
        ("answers/a", None),
        ("soc/replies/a/b", None),
        ("answers", "not_allowed"),
        ("answersx/a", "not_allowed"),
        ("soc", "not_allowed"),
        ("siem/exc/wazuh", "not_allowed"),
        ("itop-bridge", "own"),
        ("itop-bridge/status", "own"),
        ("itop-bridge/results/wazuh", "own"),
        ("$SYS/broker", "reserved"),
        ("$share/a/answers/a", "reserved"),
        ("answers/loop", "subscribed"),
        ("answers/loop/a", "subscribed"),
        ("", "malformed"),
        ("answers/+", "malformed"),
        ("answers/#", "malformed"),
        ("answers/a\0b", "malformed"),
        ("answers/a\nb", "malformed"),
        ("answers/\x85", "malformed"),
        ("answers/\ud800", "malformed"),
        ("answers/" + "ä" * 32_764, "malformed"),
        ("answers" + "/" * 63, None),
        ("answers" + "/" * 64, "malformed"),
    ],
)
def test_a_response_topic_is_used_or_refused_for_a_reason(topic, refusal):
    assert decide_refusal(topic, PREFIXES, "itop-bridge", FILTERS) == refusal


def test_without_a_prefix_none_is_used():
    assert decide_refusal("answers/a", (), "itop-bridge", ()) == "not_allowed"


def test_a_prefix_above_the_base_topic_does_not_open_it():
    assert decide_refusal("a/base/results/x", ("a",), "a/base", ()) == "own"


@given(st.text(st.sampled_from("ab/+#$\0é"), max_size=12))
def test_whatever_is_used_lies_below_a_prefix_and_is_no_pattern(topic):
    if decide_refusal(topic, ("a", "b/a"), "a/a", ("a/b/#",)) is None:
        assert topic.startswith(("a/", "b/a/"))
        assert not is_below(topic, "a/a")
        assert not is_below(topic, "a/b")
        assert not set(topic) & set("+#\0")
