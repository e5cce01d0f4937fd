"""What makes alerts one case: the values of `group_by`, as texts. Pure."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import orjson

from itop_bridge.alert import Alert
from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_expression, compile_path, is_absent
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.value import hash_content, shorten

Scene = Mapping[str, Any]
"""`alert`, `raw` and `topic`."""
NAMES = ("alert", "raw", "topic")
"""What a route's expressions may use."""
Value = Callable[[Scene], str]
GroupBy = Callable[[Scene], tuple[str, ...]]

_OTHERS = ("raw", "notes", "event_id", "index", "received", "observables")
_FIELDS = tuple(field.name for field in fields(Alert) if field.name not in _OTHERS)
_PATH = re.compile(r'raw(?:\.(?:[\w@-]+|"[^"]+")(?:\[[0-9]+\])*)+')
_WORD = re.compile(r"[a-z_]+")
_MOST_CHARS = 500


def compile_group_by(entries: Sequence[str]) -> GroupBy:
    """The values of `group_by` in order; an absent one is "". Raises ExpressionError, naming the entry.

    An entry is a field of the alert (`host`), a path of the payload (`raw.agent.id`), several of these with commas
    (the first that is not absent), or else a Jinja2 expression.
    """
    values = [compile_value(entry) for entry in entries]
    return lambda scene: tuple([value(scene) for value in values])


def compile_value(entry: str) -> Value:
    """One entry of `group_by`."""
    parts = [part.strip() for part in entry.split(",")]
    getters = [getter for part in parts if (getter := _compile_simple(part)) is not None]
    if len(getters) < len(parts):
        if _WORD.fullmatch(entry):
            raise ExpressionError(f"{entry!r} is no field of an alert{suggest_or_list(entry, _FIELDS)}")
        evaluate = compile_expression(entry)
        return lambda scene: _write(evaluate(scene))
    if len(getters) == 1:
        only = getters[0]
        return lambda scene: _write(only(scene))
    return lambda scene: next((text for getter in getters if (text := _write(getter(scene)))), "")


def _compile_simple(part: str) -> Callable[[Scene], Any] | None:
    name = part.removeprefix("alert.")
    if name in _FIELDS:
        return lambda scene: getattr(scene["alert"], name)
    if not _PATH.fullmatch(part):
        return None
    get = compile_path(part.removeprefix("raw."))
    return lambda scene: get(scene["raw"])


def _write(value: Any) -> str:
    """A value as a part of a key: the same text for the same value, whatever its type."""
    if value is None or is_absent(value):
        return ""
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, datetime.datetime):
        text = value.isoformat()
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float):
        text = str(value)
    else:
        text = _to_json(value)
    return shorten(text, _MOST_CHARS)


def _to_json(value: Any) -> str:
    """Objects with their keys in order, so that all labels of an alert can be its key."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # deeper than orjson writes
        return hash_content(value)
