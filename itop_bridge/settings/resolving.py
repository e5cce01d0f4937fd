"""Which incidents are resolved, and by which way: `unheld`, or `{when: unheld, path: [ev_assign, ev_resolve]}`."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from itop_bridge.settings.policy import Resolving

_CHOICES = get_args(Resolving)
_STIMULUS = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResolveRule:
    """`path`: the stimuli that lead to resolved, in order; empty: iTop's own shortest way."""

    when: Resolving = "unheld"
    path: tuple[str, ...] = ()


def parse_resolving(value: Any) -> ResolveRule:
    """A word, or an object with `when`, `path` or both. Raises ValueError."""
    if isinstance(value, ResolveRule):
        return value
    given = value if isinstance(value, dict) else {"when": value}
    when = given.get("when", "unheld")
    path = given.get("path", [])
    if not given or given.keys() - {"when", "path"} or when not in _CHOICES or not _is_path(path):
        raise ValueError(
            f"must be {', '.join(_CHOICES[:-1])} or {_CHOICES[-1]}, or {{when: …, path: [ev_assign, ev_resolve]}}"
            " with the names of iTop's stimuli"
        )
    return ResolveRule(when, tuple(path))


def _is_path(path: Any) -> bool:
    return isinstance(path, list) and all(isinstance(name, str) and _STIMULUS.fullmatch(name) for name in path)


def _write(rule: ResolveRule) -> Any:
    return {"when": rule.when, "path": list(rule.path)} if rule.path else rule.when


_WORD = {"enum": list(_CHOICES)}
_OBJECT = {
    "type": "object",
    "properties": {"when": _WORD, "path": {"type": "array", "items": {"type": "string"}}},
    "additionalProperties": False,
}

ResolveField = Annotated[
    ResolveRule,
    PlainValidator(parse_resolving),
    PlainSerializer(_write),
    WithJsonSchema({"anyOf": [_WORD, _OBJECT]}),
]
