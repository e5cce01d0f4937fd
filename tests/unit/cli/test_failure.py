import argparse

import pytest

from itop_bridge.cli.failure import describe_failure, list_causes
from itop_bridge.errors import BridgeError
from itop_bridge.itop import error as errors

ARGS = argparse.Namespace(config="x.yaml", verbose=False)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.CredentialsError("Invalid login"), "Invalid login; check user and password in x.yaml, and that"),
        (errors.NotSentError("no connection to iTop: refused"), "nothing was done; check itop.address in x.yaml"),
        (errors.MaintenanceError(), "iTop is in maintenance; nothing was done; try again later"),
        (errors.NotAllowedError("not enough permissions"), "the user needs a profile that may do this"),
        (errors.ReadOnlyError("the connection is read-only"), "leave out --read-only"),
        (errors.NoReplyError("no answer"), "look in iTop whether it was done"),
        (errors.ServerError("HTTP 500"), "look in iTop whether it was done"),
        (errors.RequestError("class: 'X' is not a valid class'"), "class: 'X' is not a valid class'"),
        (BridgeError("a\nb"), "a b"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(error, told):
    (line,) = describe_failure(error, ARGS)
    assert told in line
    assert "\n" not in line


def test_every_leaf_of_itops_errors_can_be_told():
    leaves = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ITopError)]
    for kind in leaves:
        more = {
            errors.LogFullError: {"column": "c"},
            errors.FieldError: {"field": "f", "reason": "r"},
            errors.StimulusError: {"stimulus": "s"},
        }.get(kind, {})
        assert describe_failure(kind("told", **more), ARGS)[0].startswith("told")


def test_causes_are_listed_oldest_first_without_the_error_itself():
    error = BridgeError("last")
    error.__cause__ = BridgeError("middle")
    error.__cause__.__cause__ = OSError(13, "first")
    assert list_causes(error) == ["PermissionError: [Errno 13] first", "middle"]
    assert describe_failure(error, argparse.Namespace(verbose=True)) == [*list_causes(error), "last"]
