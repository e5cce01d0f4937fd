import pytest

from itop_bridge.alert import Severity
from itop_bridge.triage.severity import STANDARD_WORDS, Scale, Words, parse_scale, parse_words

STANDARD = Words(STANDARD_WORDS)


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("Information", Severity.INFORMATIONAL),
        ("none", Severity.INFORMATIONAL),
        ("Minor", Severity.LOW),
        (" WARNING ", Severity.MEDIUM),
        ("Major", Severity.HIGH),
        ("very high", Severity.CRITICAL),
        ("VERY_HIGH", Severity.CRITICAL),
        ("page", Severity.CRITICAL),
        (["", "high"], Severity.HIGH),
        (["-", None, "high", "low"], Severity.HIGH),
        (["unknown", "high"], None),
        ([None, "none"], Severity.INFORMATIONAL),
        ([["none"]], None),
        ([["high"]], None),
        ("hihg", None),
        ("", None),
        (5, None),
        (None, None),
        ("x" * 1_000_000, None),
    ],
)
def test_standard_words(value, severity):
    assert STANDARD.read(value) is severity


SCALE = parse_scale({Severity.LOW: "0-6", Severity.MEDIUM: [7, "8-9"], Severity.CRITICAL: "15+"})


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        (0, Severity.LOW),
        (6.9, Severity.LOW),
        ("7", Severity.MEDIUM),
        (" 9.5 ", Severity.MEDIUM),
        (15, Severity.CRITICAL),
        (10**18, Severity.CRITICAL),
        (1e300, Severity.CRITICAL),
        ([7, 15], Severity.MEDIUM),
        ([None, "", "7"], Severity.MEDIUM),
        (10, None),
        (-1, None),
        (-0.5, None),
        (True, None),
        ("high", None),
        ("7x", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("9" * 10_000, None),
        ([], None),
        ([[7]], None),
        ({}, None),
        (None, None),
    ],
)
def test_numbers_have_their_place_on_a_scale(value, severity):
    assert SCALE.read(value) is severity


def test_lower_may_be_worse():
    scale = parse_scale({Severity.HIGH: 1, Severity.LOW: 3, Severity.INFORMATIONAL: "4+"})
    assert scale.read(1) > scale.read(3) > scale.read(255)


@pytest.mark.parametrize("content", ["x", "6-0", "-1", "1-2-3", "0-99999999", None, 1.5])
def test_what_is_no_range_is_refused(content):
    with pytest.raises(ValueError, match="is no range"):
        parse_scale({Severity.LOW: content})


@pytest.mark.parametrize("content", ["6-9", 6, "6+"])
def test_a_number_has_one_severity(content):
    with pytest.raises(ValueError, match=r"high: .* twice"):
        parse_scale({Severity.LOW: "0-6", Severity.HIGH: content})


def test_words_of_a_format_are_read_without_case():
    assert parse_words({Severity.LOW: ["Minor Thing"], Severity.HIGH: "big"}).read("minor-thing") is Severity.LOW
    with pytest.raises(ValueError, match="put it in quotes"):
        parse_words({Severity.LOW: [1]})


def test_an_empty_scale_knows_nothing():
    assert Scale({}).read(5) is None
