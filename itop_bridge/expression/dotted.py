"""Paths into documents that hold dotted keys and nested objects at once, as those of Elasticsearch do."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from itop_bridge.expression.path import EVERY, Getter, Step, collect, compile_steps


def compile_dotted(steps: tuple[Step, ...]) -> Getter:
    """A getter of one path: the dotted key first, then nesting, then a mix of both.

    Where a key is wanted, an array stands for its first object: in such documents everything may be an array.
    """
    keys = tuple(takewhile(lambda step: isinstance(step, str), steps))
    get_first = _compile_keys([str(key) for key in keys]) if keys else None
    rest = steps[len(keys) :]
    if not rest:
        return get_first or (lambda root: root)
    get_rest = compile_dotted(rest[1:]) if rest[1:] else None
    if rest[0] == EVERY:
        return collect(get_first or (lambda root: root), get_rest)
    get_member = compile_steps(rest[:1])

    def get(root: Any) -> Any:
        member = get_member(get_first(root) if get_first else root)
        return get_rest(member) if get_rest else member

    return get


def _compile_keys(keys: Sequence[str]) -> Getter:
    dotted, nested = ".".join(keys), compile_steps(tuple(keys))
    if len(keys) == 1:
        return lambda root: nested(_open_array(root))
    mixed = [(".".join(keys[:size]), _compile_keys(keys[size:])) for size in range(1, len(keys))]

    def get(root: Any) -> Any:
        node = _open_array(root)
        if type(node) is not dict:
            return None
        value = node.get(dotted)
        if value is None:
            value = nested(node)
        if value is not None:
            return value
        for key, get_rest in mixed:
            inner = node.get(key)
            if inner is not None and (value := get_rest(inner)) is not None:
                return value
        return None

    return get


def _open_array(node: Any) -> Any:
    return next((member for member in node if type(member) is dict), None) if type(node) is list else node


def has_branch(root: Any, keys: Sequence[str]) -> bool:
    """Whether there is an object at the keys, or anything below them in dotted keys."""
    if type(root) is not dict:
        return False
    prefix = ".".join(keys) + "."
    if any(key.startswith(prefix) for key in root):
        return True
    for size in range(1, len(keys)):
        if has_branch(root.get(".".join(keys[:size])), keys[size:]):
            return True
    return type(root.get(prefix[:-1])) is dict
