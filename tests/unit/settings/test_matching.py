import pytest
from pydantic import ValidationError

from itop_bridge.settings.matching import Matching, parse_values


@pytest.mark.parametrize(
    ("value", "values"),
    [("db1", ("db1",)), (5710, ("5710",)), ([5710, "a"], ("5710", "a")), (True, ("true",)), (" x ", ("x",))],
)
def test_a_value_is_a_text_as_payloads_are_compared(value, values):
    assert parse_values(value) == values


@pytest.mark.parametrize("value", [None, "", [], [None], {"a": 1}, [["a"]], 1.5])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(ValidationError):
        Matching.model_validate({"matchers": {"host": value}})


def test_values_are_written_as_they_were_given():
    matching = Matching.model_validate({"matchers": {"host": "db1", "rule": [1, 2]}})
    assert matching.model_dump()["matchers"] == {"host": "db1", "rule": ["1", "2"]}
