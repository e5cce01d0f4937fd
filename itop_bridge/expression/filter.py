"""The filters, tests and text methods of expressions. There are no others, and none makes much out of little."""

import datetime
import ipaddress
import operator
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from itop_bridge.alert import Severity
from itop_bridge.errors import ExpressionError
from itop_bridge.expression.value import Missing, to_text

MOST_CHARS = 100_000
"""Of one text that an expression puts together."""
MOST_ITEMS = 10_000
"""Of one list that an expression puts together."""

_DIGITS = re.compile(r"\s*[+-]?\d{1,18}(\.\d*)?\s*", re.ASCII)


def bound_text(text_chars: int) -> None:
    """Raises ExpressionError if a text of so many characters is too long to be put together."""
    if text_chars > MOST_CHARS:
        raise ExpressionError(f"a text would have {text_chars} characters; at most {MOST_CHARS} are allowed")


def concat(*parts: Any) -> str:
    """What `~` does."""
    texts = [to_text(part) for part in parts]
    bound_text(sum(map(len, texts)))
    return "".join(texts)


def _replace(value: Any, old: Any, new: Any) -> str:
    text, before, after = to_text(value), to_text(old), to_text(new)
    bound_text(len(text) + text.count(before) * max(len(after) - len(before), 0))
    return text.replace(before, after)


def _join(value: Any, separator: Any = "") -> str:
    texts, between = [to_text(item) for item in value], to_text(separator)
    bound_text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _default(value: Any, fallback: Any = "") -> Any:
    return fallback if value is None or isinstance(value, Missing) else value


def _truncate(value: Any, length: int = 255) -> str:
    text = to_text(value)
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def _first(value: Iterable[Any]) -> Any:
    return next(iter(value), None)


def _last(value: Iterable[Any]) -> Any:
    items = list(value)
    return items[-1] if items else None


def _sort(value: Iterable[Any], *, reverse: bool = False) -> list[Any]:
    """In order; what has no common order, by its text."""
    items = list(value)
    try:
        return sorted(items, reverse=reverse)
    except (TypeError, ExpressionError):
        return sorted(items, key=to_text, reverse=reverse)


def _unique(value: Iterable[Any]) -> list[Any]:
    """Without repetitions, in order; objects, which cannot be compared by hash, by their text."""
    seen: dict[Any, Any] = {}
    for item in value:
        seen.setdefault(item if isinstance(item, str | int | float | None) else to_text(item), item)
    return list(seen.values())


def _int(value: Any, default: Any = None) -> Any:
    if isinstance(value, int | float) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        return int(float(value)) if isinstance(value, float) or "." in str(value) else int(value)
    return default


def _isoformat(value: Any) -> str:
    moment = _moment(value)
    return moment.isoformat() if moment else to_text(value)


def _local(value: Any, zone: str) -> Any:
    """A time in another zone: `alert.time | local('Europe/Paris')`."""
    moment = _moment(value)
    if moment is None:
        return value
    try:
        return moment.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, OverflowError) as error:
        raise ExpressionError(f"{zone!r} is no time zone; use a name such as Europe/Paris") from error


def _moment(value: Any) -> datetime.datetime | None:
    """A time, also one that was written as text, 2024-05-01 10:00:00 UTC."""
    if isinstance(value, datetime.datetime):
        return value
    try:
        moment = datetime.datetime.fromisoformat(value.replace(" UTC", "+00:00")) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


_SCHEME = re.compile(r"\b(h)tt(ps?://)|\b(f)t(p://)", re.IGNORECASE | re.ASCII)
_DOTTED = re.compile(r"[\w.-]+")
_COLONS = re.compile(r"[0-9a-fA-F:.]{2,}", re.ASCII)


def _defang(value: Any) -> str:
    """URLs, hosts and addresses in a text that nobody can click on: hxxps://evil[.]example, 192[.]0[.]2[.]1."""
    text = to_text(value)
    bound_text(len(text))
    text = _SCHEME.sub(lambda found: f"{found[1]}xx{found[2]}" if found[1] else f"{found[3]}x{found[4]}", text)
    text = _COLONS.sub(lambda found: found[0].replace(":", "[:]") if _is_address(found[0]) else found[0], text)
    return _DOTTED.sub(lambda found: found[0].replace(".", "[.]") if _is_host(found[0]) else found[0], text)


def _is_host(word: str) -> bool:
    """An IPv4 address, or a name with a domain."""
    labels = word.rstrip(".").split(".")
    return _is_address(word) or (len(labels) > 1 and all(labels) and labels[-1].isalpha() and len(labels[-1]) > 1)


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


FILTERS: Mapping[str, Callable[..., Any]] = {
    "count": len,
    "default": _default,
    "defang": _defang,
    "first": _first,
    "int": _int,
    "isoformat": _isoformat,
    "join": _join,
    "last": _last,
    "length": len,
    "local": _local,
    "lower": lambda value: to_text(value).lower(),
    "replace": _replace,
    "sort": _sort,
    "string": to_text,
    "trim": lambda value: to_text(value).strip(),
    "truncate": _truncate,
    "unique": _unique,
    "upper": lambda value: to_text(value).upper(),
}

TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": lambda value: value is not None and not isinstance(value, Missing),
    "undefined": lambda value: value is None or isinstance(value, Missing),
    "none": lambda value: value is None or isinstance(value, Missing),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool | Severity),
    "boolean": lambda value: isinstance(value, bool),
    "mapping": lambda value: isinstance(value, Mapping),
    "sequence": lambda value: isinstance(value, list | tuple),
}

TEXT_METHODS: Mapping[str, Callable[..., Any]] = {
    "endswith": str.endswith,
    "lower": str.lower,
    "replace": _replace,
    "split": str.split,
    "startswith": str.startswith,
    "strip": str.strip,
    "upper": str.upper,
}

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_MOST_NUMBER = 2**63


def calculate(sign: str, left: Any, right: Any) -> Any:
    """`left sign right` of two numbers; `+` also of two texts or two lists. With what is missing, missing."""
    if isinstance(left, Missing) or isinstance(right, Missing):
        return left if isinstance(left, Missing) else right
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return concat(left, right)
    if sign == "+" and isinstance(left, list) and isinstance(right, list):
        if len(left) + len(right) > MOST_ITEMS:
            raise ExpressionError(f"a list would have more than {MOST_ITEMS} items")
        return left + right
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        hint = "; texts are joined with ~" if sign == "+" else ""
        kinds = f"{type(left).__name__} {sign} {type(right).__name__}"
        raise ExpressionError(f"{kinds} cannot be worked out{hint}")
    result = _ARITHMETIC[sign](left, right)
    if abs(result) > _MOST_NUMBER:
        raise ExpressionError(f"{sign} gives a number beyond 64 bits")
    return result
