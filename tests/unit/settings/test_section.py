from typing import Annotated, Any

import pytest
from pydantic import ValidationError, ValidationInfo, field_validator

from itop_bridge.settings.section import FILLED, Section, check_only_with


class Pair(Section):
    first: int | None = None
    second: int | None = None
    listed: Annotated[tuple[int, ...], *FILLED] = (1,)

    @field_validator("second")
    @classmethod
    def _with_first(cls, value: Any, info: ValidationInfo) -> Any:
        return check_only_with("first", value, info)


def failure(**keys):
    with pytest.raises(ValidationError) as caught:
        Pair.model_validate(keys)
    return ["{}: {}".format(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


def test_a_key_may_need_another():
    assert Pair.model_validate({"first": 1, "second": 2}).second == 2
    assert failure(second=2) == ["second: Value error, is of no use without first"]


def test_a_key_does_not_complain_of_one_that_is_wrong_itself():
    assert len(failure(first="x", second=2)) == 1


def test_an_empty_list_is_refused_and_a_wrong_entry_told_once():
    assert failure(listed=[]) == ["listed: Value error, must have at least one entry"]
    assert len(failure(listed=["x"])) == 1


def test_a_section_has_no_unknown_keys_and_never_changes():
    assert failure(third=3)
    with pytest.raises(ValidationError):
        Pair().first = 3
