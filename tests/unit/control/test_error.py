import json

import pytest

from itop_bridge.control.error import ControlError, RequestError, describe_error, restore_error
from itop_bridge.errors import ConfigurationError, JournalFullError


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ControlError("there is no event 7"), ControlError, "there is no event 7"),
        (RequestError("unknown key"), RequestError, "unknown key"),
        (JournalFullError("the disk is full"), ControlError, "the disk is full"),
        (KeyError("x"), ControlError, "a mistake of the bridge's, which its log tells: KeyError: 'x'"),
    ],
)
def test_an_error_is_told_through_json(error, kind, message):
    restored = restore_error(json.loads(json.dumps(describe_error(error))))
    assert (type(restored), str(restored)) == (kind, message)


def test_every_problem_of_a_configuration_is_told():
    restored = restore_error(describe_error(ConfigurationError(["a:1:1: x", "a:2:1: y"])))
    assert isinstance(restored, ConfigurationError)
    assert restored.problems == ["a:1:1: x", "a:2:1: y"]


def test_an_error_without_words_is_one_too():
    assert "says nothing" in str(restore_error({}))
