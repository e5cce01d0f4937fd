import asyncio

import pytest

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import ConditionError, NoReplyError, NotSentError
from itop_bridge.itop.measured import Measured, name_outcome
from itop_bridge.itop.operation import Operations


class Way(Operations):
    def __init__(self, result):
        self.result = result

    async def call(self, operation):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


ANSWER = Answer(None, (), None)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [(ANSWER, "ok"), (NoReplyError("x"), "no_reply"), (asyncio.CancelledError(), "no_reply")],
)
async def test_a_call_is_passed_on_and_told_once_by_what_came_back(result, outcome):
    told = []
    ticks = iter((10.0, 12.5))
    measured = Measured(Way(result), lambda *facts: told.append(facts), clock=lambda: next(ticks))
    if result is ANSWER:
        assert await measured.call({"operation": "core/get"}) is result
    else:
        with pytest.raises(type(result)):
            await measured.call({"operation": "core/get"})
    assert told == [("core/get", outcome, 2.5)]


def test_an_outcome_is_a_word_of_the_code():
    assert [name_outcome(error) for error in (NotSentError, ConditionError)] == ["not_sent", "condition"]
