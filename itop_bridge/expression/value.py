"""What an expression sees of a value: what is missing, a severity with its order, and how each is written as text."""

import datetime
from typing import Any, Never, Self

import orjson
from jinja2 import ChainableUndefined

from itop_bridge.alert import Severity
from itop_bridge.errors import ExpressionError


class Missing(ChainableUndefined):
    """What is not there, or null. It is empty as text, equal only to `none`, and every other comparison with it is
    false; so are its parts and whatever is worked out with it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Missing)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(None)

    def _compare(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _compare  # type: ignore[assignment]  # jinja2 declares that they raise

    def __call__(self, *_args: object, **_named: object) -> "Missing":  # type: ignore[override]  # the same
        return self


class SeverityText(str):
    """A severity as a word that has an order: `alert.severity >= 'high'`. As text it is the word."""

    __slots__ = ("rank",)
    rank: Severity

    def __new__(cls, severity: Severity) -> Self:
        self = super().__new__(cls, str(severity))
        self.rank = severity
        return self

    def __lt__(self, other: object) -> bool:
        return not isinstance(other, Missing) and self.rank < _rank(other)

    def __le__(self, other: object) -> bool:
        return not isinstance(other, Missing) and self.rank <= _rank(other)

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, Missing) and self.rank > _rank(other)

    def __ge__(self, other: object) -> bool:
        return not isinstance(other, Missing) and self.rank >= _rank(other)


SEVERITIES = {severity: SeverityText(severity) for severity in Severity}
SEVERITY_NAMES = {str(severity): text for severity, text in SEVERITIES.items()}


def _rank(other: object) -> Severity:
    text = SEVERITY_NAMES.get(other) if isinstance(other, str) else None
    if text is None:
        refuse_severity(other)
    return text.rank


def refuse_severity(other: object) -> Never:
    """Raises ExpressionError, naming the choices."""
    shown = repr(other) if isinstance(other, str | int | float) else f"a {type(other).__name__}"
    raise ExpressionError(f"{shown} is no severity; the severities are {', '.join(SEVERITY_NAMES)}")


def to_text(value: Any) -> str:
    """A value as it is written in a text: nothing for what is missing, objects and arrays as JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Missing):
        return ""
    if isinstance(value, Severity):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}".rstrip()
    return _to_json(value)


def _to_json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # over 254 levels, more than orjson writes: a payload must not make a text fail
        return "…"
