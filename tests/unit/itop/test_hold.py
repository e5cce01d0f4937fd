"""Operations that iTop refuses for now."""

import pytest

from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.error import ConditionError, DatabaseError, NotAllowedError, ServerError
from itop_bridge.itop.hold import Holds, is_held

_CREATE = {"operation": "core/create", "class": "Incident", "fields": {}}
_GET = {"operation": "core/get", "class": "Incident"}
_REQUEST = {"operation": "core/create", "class": "UserRequest"}


@pytest.fixture
def holds(fake_time):
    return Holds(lambda: Breaker(fake_time.clock, lambda: 1.0))


def test_a_refusal_holds_the_operation_on_its_class_and_nothing_else(holds):
    error = NotAllowedError()
    holds.hold(_CREATE, error)
    assert holds.error is error
    assert not holds.may_pass(_CREATE)
    assert holds.wait_s(_CREATE) == 1.0
    assert [holds.may_pass(other) for other in (_GET, _REQUEST)] == [True, True]


def test_one_call_tries_again_and_the_others_wait_for_what_it_learns(holds, fake_time):
    holds.hold(_CREATE, NotAllowedError())
    fake_time.now += 1.0
    assert [holds.may_pass(_CREATE) for _ in range(3)] == [True, False, False]
    holds.hold(_CREATE, NotAllowedError())
    assert holds.wait_s(_CREATE) == 2.0


def test_what_passes_is_forgotten(holds, fake_time):
    holds.hold(_CREATE, NotAllowedError())
    fake_time.now += 1.0
    holds.may_pass(_CREATE)
    holds.release(_CREATE)
    assert holds.may_pass(_CREATE)
    assert holds.error is None


def test_a_person_can_clear_them(holds):
    holds.hold(_CREATE, NotAllowedError())
    holds.clear()
    assert holds.may_pass(_CREATE)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotAllowedError(), True),
        (DatabaseError(errno=2006), True),
        (DatabaseError(errno=1205), False),
        (ServerError(), False),
        (ConditionError(), False),
    ],
)
def test_what_holds_an_operation(error, expected):
    assert is_held(error) is expected
