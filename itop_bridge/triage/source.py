"""Where a fact lies in an element, compiled: paths, conditions on other facts, expressions. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_condition, compile_expression
from itop_bridge.expression.path import compile_steps, parse_paths
from itop_bridge.triage.value import read_line, read_word

Source = Callable[[Any, Any], Any]
"""Gives a value of an element (its first argument), or of the object that held it (its second)."""
Sources = tuple[Source, ...]
"""In order: the first that gives something usable counts."""
Match = Callable[[Any, Any], bool]
Words = frozenset[str | None]

_NAMES = ("raw", "wrapper")
_HOLE = re.compile(r"\{([^{}]+)\}")


def compile_paths(text: str) -> Sources:
    """`a.b, ^c`: paths of the element, and, with ^, of the object that held it. Raises ExpressionError."""
    return tuple(_compile_steps(steps) for steps in parse_paths(text))


def _compile_steps(steps: tuple[str | int, ...]) -> Source:
    first = str(steps[0])
    if first.startswith("^"):
        outer = compile_steps((first[1:], *steps[1:]))
        return lambda _raw, wrapper: outer(wrapper)
    get = compile_steps(steps)
    return lambda raw, _wrapper: get(raw)


def compile_jinja(text: str) -> Source:
    """An expression of `raw` and `wrapper`. What it cannot be evaluated on has no such fact. Raises ExpressionError."""
    evaluate = compile_expression(text, names=_NAMES)

    def evaluate_or_none(raw: Any, wrapper: Any) -> Any:
        try:
            return evaluate({"raw": raw, "wrapper": wrapper})
        except ExpressionError:  # a wrongly typed field is as absent as any other
            return None

    return evaluate_or_none


def compile_when(text: str) -> Match:
    """A condition on `raw` and `wrapper`. Where it cannot be evaluated it does not hold. Raises ExpressionError."""
    holds = compile_condition(text, names=_NAMES)

    def holds_surely(raw: Any, wrapper: Any) -> bool:
        try:
            return holds({"raw": raw, "wrapper": wrapper})
        except ExpressionError:  # conditions drop alerts: when in doubt, it is kept
            return False

    return holds_surely


def compile_title(text: str) -> Source:
    """`Rule {alert.id}`: text with paths; None where one of them is absent. Raises ExpressionError."""
    texts = _HOLE.split(text)
    holes = [compile_paths(hole)[0] for hole in texts[1::2]]

    def fill(raw: Any, wrapper: Any) -> str | None:
        words = [word for hole in holes if (word := read_line(hole(raw, wrapper))) is not None]
        if len(words) < len(holes):
            return None
        return "".join(text + word for text, word in zip(texts[::2], [*words, ""], strict=True))

    return fill


def only_if(matches: Match, source: Source) -> Source:
    """The source, where the condition holds."""
    return lambda raw, wrapper: source(raw, wrapper) if matches(raw, wrapper) else None


def all_match(matches: Sequence[Match]) -> Match:
    """Whether all hold."""
    if len(matches) == 1:
        return matches[0]
    return lambda raw, wrapper: all(each(raw, wrapper) for each in matches)


def match_words(sources: Sources, words: Words, *, wanted: bool) -> Match:
    """Whether each source's value is one of the words, or none of them. None among the words is what is absent."""

    def match_one(source: Source) -> Match:
        return lambda raw, wrapper: (read_word(source(raw, wrapper)) in words) is wanted

    return all_match([match_one(source) for source in sources])


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "text": lambda value: type(value) is str,
    "present": lambda value: value is not None,
}
KINDS = tuple(_KINDS)


def match_kind(sources: Sources, kind: str) -> Match:
    """Whether each source's value is of a kind: object, array, text, or present (anything but null)."""
    is_kind = _KINDS[kind]

    def match_one(source: Source) -> Match:
        return lambda raw, wrapper: is_kind(source(raw, wrapper))

    return all_match([match_one(source) for source in sources])
