import datetime

import pytest

from itop_bridge.alert import Severity
from itop_bridge.errors import ExpressionError
from itop_bridge.expression.value import SEVERITIES, Missing, to_text

HIGH = SEVERITIES[Severity.HIGH]


def test_severities_have_their_order_and_not_that_of_letters():
    assert HIGH > "medium"
    assert HIGH < "critical"
    assert HIGH >= "high" >= HIGH
    assert sorted(SEVERITIES.values()) == ["informational", "low", "medium", "high", "critical"]


def test_a_severity_is_its_word():
    assert HIGH == "high"
    assert hash(HIGH) == hash("high")
    assert f"{HIGH}" == "high"


@pytest.mark.parametrize("other", ["hihg", "High", 4, None, ["high"]])
def test_a_severity_has_no_order_with_anything_else(other):
    with pytest.raises(ExpressionError, match="is no severity; the severities are informational"):
        assert other <= HIGH


def test_missing_equals_none_only_and_has_no_order():
    missing = Missing(name="x")
    assert missing == None  # noqa: E711 - its own equality is what is tested
    assert missing != ""
    assert missing != 0
    assert not missing < 1
    assert not missing >= 1
    assert not missing > HIGH
    assert not missing <= HIGH
    assert not missing
    assert missing() is missing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (Missing(), ""),
        ("a", "a"),
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        (Severity.LOW, "low"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (("a",), '["a"]'),
        (datetime.datetime(2026, 3, 2, 8, 0, 1, 5, datetime.UTC), "2026-03-02 08:00:01 UTC"),
    ],
)
def test_values_are_written_as_people_read_them(value, text):
    assert to_text(value) == text


def test_what_is_too_deep_to_be_written_does_not_make_a_text_fail():
    deep = []
    for _ in range(500):
        deep = [deep]
    assert to_text(deep) == "…"
    assert to_text({"x": slice(1)}) == '{"x":"slice(None, 1, None)"}'
