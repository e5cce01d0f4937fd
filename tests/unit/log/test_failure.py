import pytest

from itop_bridge.errors import BridgeError
from itop_bridge.log import chain_of, describe_expected, get_logger


def test_an_error_is_one_field_with_its_causes_oldest_first(lines):
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise BridgeError("the look-up failed\nbadly") from error
    except BridgeError:
        get_logger().exception("factory.failed")
    first, last = lines()[0]["failure"]
    assert (first["type"], last["type"]) == ("KeyError", "BridgeError")
    assert last["message"] == "the look-up failed\nbadly"
    assert last["calls"][-1].startswith("test_failure.py:")


def test_an_error_may_be_handed_in(lines):
    get_logger().error("factory.failed", exc_info=ValueError("x"))
    assert lines()[0]["failure"] == [{"type": "ValueError", "message": "x", "calls": []}]


def test_a_chain_of_causes_ends():
    one, other = ValueError("1"), ValueError("2")
    one.__cause__, other.__cause__ = other, one
    assert chain_of(one) == [other, one]


def test_a_suppressed_context_is_no_cause():
    inner, outer = ValueError("inner"), BridgeError("outer")
    outer.__context__ = inner
    assert chain_of(outer) == [inner, outer]
    outer.__suppress_context__ = True  # what `raise … from None` does
    assert chain_of(outer) == [outer]


def test_an_expected_error_has_its_causes_and_no_calls():
    with pytest.raises(BridgeError) as caught:
        raise BridgeError("the address is in use") from OSError("why")
    assert describe_expected(caught.value) == [
        {"type": "OSError", "message": "why", "calls": []},
        {"type": "BridgeError", "message": "the address is in use", "calls": []},
    ]
