"""Which alerts are meant: `{matchers: {host: db1, rule: [5710, 5712]}, when: EXPRESSION}`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, Strict, WithJsonSchema

from itop_bridge.settings.section import Lines, Section


def parse_values(value: Any) -> tuple[str, ...]:
    """One value or a list of them, as texts. Raises ValueError."""
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(each, str | int) and each != "" for each in values):
        raise ValueError("must be a text or a number, or a list of them")
    return tuple(_write(each) for each in values)


def _write(value: str | int) -> str:
    """As a payload's value is written for comparison."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


_SCALAR: list[dict[str, Any]] = [{"type": "string", "minLength": 1}, {"type": "integer"}]

Values = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_values),
    PlainSerializer(lambda values: list(values) if len(values) > 1 else values[0]),
    WithJsonSchema({"anyOf": [*_SCALAR, {"type": "array", "items": {"anyOf": _SCALAR}, "minItems": 1}]}),
]


class Matching(Section):
    """Alerts for which all of it holds."""

    matchers: dict[Annotated[str, Strict()], Values] = Field(default_factory=dict)
    """Fields of the alert, or paths (raw.agent.id), each with a value or several, of which one must be equal."""
    when: Lines | None = None
    """An expression."""
