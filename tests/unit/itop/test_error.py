"""The tree of errors."""

import pytest

from itop_bridge.errors import BridgeError
from itop_bridge.itop import error as errors
from itop_bridge.itop.error import (
    DatabaseError,
    ITopError,
    MaintenanceError,
    PermanentError,
    TransientError,
    UncertainError,
)

_BASES = (TransientError, UncertainError, PermanentError)


def _leaves():
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ITopError)]
    return [each for each in found if each not in (*_BASES, ITopError)]


@pytest.mark.parametrize("leaf", _leaves(), ids=lambda leaf: leaf.__name__)
def test_every_error_says_in_exactly_one_way_what_was_done(leaf):
    assert sum(issubclass(leaf, base) for base in _BASES) == 1
    assert issubclass(leaf, BridgeError)


@pytest.mark.parametrize("leaf", _leaves(), ids=lambda leaf: leaf.__name__)
def test_every_error_states_its_fact(leaf):
    assert vars(leaf)["__doc__"].strip().endswith(".")


def test_the_docstring_is_the_default_message():
    assert str(MaintenanceError(status=503)) == "iTop is in maintenance."


@pytest.mark.parametrize(
    ("errno", "is_outage"),
    [(2006, True), (2013, True), (1021, True), (1114, True), (1205, False), (1366, False), (None, False)],
)
def test_a_database_in_trouble_is_told_from_a_bad_statement(errno, is_outage):
    assert DatabaseError(errno=errno).is_outage is is_outage
