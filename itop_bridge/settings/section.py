"""What the configuration's sections are made of."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationInfo


class Section(BaseModel):
    """A section of the file: no unknown keys, never changed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True, populate_by_name=False
    )


Text = Annotated[str, Strict(), StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""One line."""
Lines = Annotated[str, Strict(), StringConstraints(min_length=1)]
Slug = Annotated[str, Strict(), StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Count = Annotated[int, Strict()]
Port = Annotated[int, Strict(), Field(ge=1, le=65_535)]


def _check_filled(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must have at least one entry")
    return values


# not pydantic's min_length, which also complains of a list whose one entry is wrong
FILLED = (AfterValidator(_check_filled), Field(json_schema_extra={"minItems": 1}))
"""At least one entry."""


def check_only_with(other: str, value: Any, info: ValidationInfo) -> Any:
    """For validators: refuse `value` where the key `other`, declared before, is not given."""
    if value is not None and info.data.get(other, "not valid, and told already") is None:
        raise ValueError(f"is of no use without {other}")
    return value
