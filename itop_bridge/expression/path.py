"""Paths into decoded JSON, `data.srcuser, data.dstuser`: compiled to closures, since every alert runs through many."""

import re
from collections.abc import Callable
from typing import Any, Final

from itop_bridge.errors import ExpressionError

Getter = Callable[[Any], Any]
Step = str | int
"""A key of an object, or an index into an array."""
EVERY: Final = -1
"""The index of every member: `a[].b` is the list of what the members of `a` have as `b`."""

ABSENT_WORDS = frozenset(("", "-", "--", "none", "null", "(null)", "nil", "n/a", "undefined", "(no user)"))
"""Text that says that there is nothing, compared trimmed and without case."""

_LONGEST_ABSENT = max(map(len, ABSENT_WORDS))
_STEP = re.compile(r'"((?:[^"\\]|\\.)+)"' r"|([^\s.,|'\"\[\](){}]+)")
_INDEX = re.compile(r"\[(\d{0,6})\]")
_COMMA = re.compile(r"\s*,\s*")


def is_absent(value: Any) -> bool:
    """Whether a decoded value says nothing: null, a word for nothing, or an array of such values."""
    if value is None:
        return True
    if type(value) is str:
        text = value.strip()
        return len(text) <= _LONGEST_ABSENT and text.lower() in ABSENT_WORDS
    if type(value) is list:
        return all(item is None or (type(item) is str and is_absent(item)) for item in value)
    return False


def compile_path(text: str) -> Getter:
    """A getter of the first alternative that is not absent, as it was decoded; None if all are.

    Alternatives are separated by commas: `a.b[0].c, "dotted.key".d, list[].e`. Raises ExpressionError.
    """
    getters = compile_alternatives(text)
    if len(getters) == 1:
        only = getters[0]

        def get_only(root: Any) -> Any:
            value = only(root)
            return None if is_absent(value) else value

        return get_only

    def get_first(root: Any) -> Any:
        for get in getters:
            value = get(root)
            if not is_absent(value):
                return value
        return None

    return get_first


def compile_alternatives(text: str) -> tuple[Getter, ...]:
    """A getter for each alternative of a path, for those who have their own idea of what is usable."""
    return tuple(compile_steps(steps) for steps in parse_paths(text))


def parse_paths(text: str) -> tuple[tuple[Step, ...], ...]:
    """The steps of each alternative. Raises ExpressionError, naming the place."""
    paths: list[tuple[Step, ...]] = []
    position, end = len(text) - len(text.lstrip()), len(text.rstrip())
    while True:
        steps, position = _parse_one(text, position)
        paths.append(steps)
        if position >= end:
            return tuple(paths)
        comma = _COMMA.match(text, position)
        if comma is None:
            raise _complain(text, position)
        position = comma.end()


def _parse_one(text: str, position: int) -> tuple[tuple[Step, ...], int]:
    steps: list[Step] = []
    while True:
        key = _STEP.match(text, position)
        if key is None:
            raise _complain(text, position)
        steps.append(re.sub(r"\\(.)", r"\1", key[1]) if key[1] is not None else key[2])
        position = key.end()
        while index := _INDEX.match(text, position):
            steps.append(int(index[1]) if index[1] else EVERY)
            position = index.end()
        if text[position : position + 1] != ".":
            return tuple(steps), position
        position += 1


def _complain(text: str, position: int) -> ExpressionError:
    return ExpressionError(
        f"{text!r} is no path (at character {position + 1}): write keys with dots and commas between alternatives, "
        'a.b[0].c, d; a key with other signs in quotes, "a.b".c'
    )


def compile_steps(steps: tuple[Step, ...]) -> Getter:
    """A getter of one path. The usual shapes are written out: a loop would cost twice the time."""
    match steps:
        case (str() as a,):
            return lambda root: root.get(a) if type(root) is dict else None
        case (str() as a, str() as b):

            def get_two(root: Any) -> Any:
                node = root.get(a) if type(root) is dict else None
                return node.get(b) if type(node) is dict else None

            return get_two
        case (str() as a, str() as b, str() as c):

            def get_three(root: Any) -> Any:
                node = root.get(a) if type(root) is dict else None
                node = node.get(b) if type(node) is dict else None
                return node.get(c) if type(node) is dict else None

            return get_three
    if EVERY in steps:
        at = steps.index(EVERY)
        get_members = compile_steps(steps[:at]) if at else lambda root: root
        return collect(get_members, compile_steps(steps[at + 1 :]) if steps[at + 1 :] else None)
    return lambda root: _walk(root, steps)


def collect(get_members: Getter, get: Getter | None) -> Getter:
    """A getter of the list of what members have, None if none has anything. What is no array is its only member."""

    def get_every(root: Any) -> Any:
        members = get_members(root)
        values = [get(member) if get else member for member in (members if type(members) is list else [members])]
        found: list[Any] = []
        for value in values:
            if type(value) is list:
                found += value
            elif value is not None:
                found.append(value)
        return found or None

    return get_every


def _walk(node: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        if type(node) is dict:
            node = node.get(step)
        elif type(node) is list and type(step) is int and step < len(node):
            node = node[step]
        else:
            return None
    return node
