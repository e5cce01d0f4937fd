"""`name=value` and `name:value` on the command line. Pure and light."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from itop_bridge.errors import UsageError

_WORDS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _read_bool(text: str) -> bool:
    return _WORDS[text.lower()]


_TYPES: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": _read_bool,
    "str": str,
    "json": json.loads,
}


def parse_value(text: str) -> Any:
    """A text, or a typed value: `int:4`, `float:1.5`, `bool:yes`, `json:[1]`; `str:int:4` is the text `int:4`.

    Raises UsageError.
    """
    kind, found, rest = text.partition(":")
    if not found or kind not in _TYPES:
        return text
    try:
        return _TYPES[kind](rest)
    except (ValueError, KeyError, RecursionError):
        raise UsageError(f"{text!r}: {rest!r} is no {kind}") from None


def parse_fields(pairs: Iterable[str]) -> dict[str, Any]:
    """`name=value` each, where a dotted name is nested: `org_id.code=EXC` is {"org_id": {"code": "EXC"}}.

    Raises UsageError.
    """
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, found, text = pair.partition("=")
        path = name.split(".")
        if not found or not all(path):
            raise UsageError(f"{pair!r}: write it as name=value, or name.name=value")
        _put(fields, path, parse_value(text), pair)
    return fields


def _put(fields: dict[str, Any], path: list[str], value: Any, pair: str) -> None:
    *above, last = path
    for name in above:
        fields = fields.setdefault(name, {})
        if not isinstance(fields, dict):
            raise UsageError(f"{pair!r}: {name} has a value already")
    if last in fields:
        raise UsageError(f"{pair!r}: {last} is given twice")
    fields[last] = value


def parse_variables(pairs: Iterable[str]) -> dict[str, str]:
    """`name:value` each; a value keeps every further colon. Raises UsageError."""
    variables: dict[str, str] = {}
    for pair in pairs:
        name, found, value = pair.partition(":")
        if not found or not name.isidentifier():
            raise UsageError(f"{pair!r}: write it as name:value")
        if name in variables:
            raise UsageError(f"{pair!r}: {name} is given twice")
        variables[name] = value
    return variables


def parse_key(text: str) -> int | str:
    """An id, or an OQL query. Raises UsageError."""
    if text.isascii() and text.isdigit():
        return int(text)
    if text.upper().startswith("SELECT "):
        return text
    raise UsageError(f"{text!r} names no object: give an id, or a query in quotes: 'SELECT Person WHERE …'")
