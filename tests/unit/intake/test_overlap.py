import pytest

from itop_bridge.intake.overlap import CopyWatch, identify_filter, overlap_somewhere


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["siem/+/wazuh", "siem/exc/+"], True),
        (["a/b", "c/+", "c/d"], True),
        (["a/+", "b/+"], False),
        (["siem/#"], False),
    ],
)
def test_overlapping_filters_are_found(filters, expected):
    assert overlap_somewhere(filters) is expected


def test_a_filter_keeps_its_identifier():
    assert identify_filter("siem/#") == identify_filter("siem/#") != identify_filter("siem/+")
    assert 1 <= identify_filter("") <= 268_435_455


def copies(*messages):
    watch = CopyWatch()
    return [watch.is_copy(b"topic", payload, identifiers) for payload, identifiers in messages]


def test_the_same_message_through_another_subscription_is_a_copy():
    assert copies((b"a", [1]), (b"a", [2]), (b"a", [3])) == [False, True, True]


def test_a_message_that_was_sent_twice_is_no_copy():
    assert copies((b"a", [1]), (b"a", [1])) == [False, False]
    assert copies((b"a", [1]), (b"a", [2]), (b"a", [1]), (b"a", [2])) == [False, True, False, True]
    assert copies((b"a", [1, 2]), (b"a", [1, 2])) == [False, False]


def test_without_identifiers_nothing_is_a_copy():
    assert copies((b"a", []), (b"a", []), (b"a", [1]), (b"a", [])) == [False, False, False, False]


def test_copies_follow_each_other_directly():
    assert copies((b"a", [1]), (b"b", [1]), (b"a", [2])) == [False, False, False]


def test_another_topic_is_no_copy():
    watch = CopyWatch()
    assert not watch.is_copy(b"one", b"a", [1])
    assert not watch.is_copy(b"two", b"a", [2])
