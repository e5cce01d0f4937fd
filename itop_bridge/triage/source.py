"""Where a fact lies in an element, compiled: paths, conditions on other facts, expressions. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_condition, compile_expression
from itop_bridge.expression.dotted import compile_dotted, has_branch
from itop_bridge.expression.path import Step, compile_steps, is_absent, parse_paths
from itop_bridge.triage.pattern import rewrite_time
from itop_bridge.triage.value import read_line, read_scalar, read_word

Source = Callable[[Any, Any], Any]
"""Gives a value of an element (its first argument), or of the object that held it (its second)."""
Sources = tuple[Source, ...]
"""In order: the first that gives something usable counts."""
Match = Callable[[Any, Any], bool]
Words = frozenset[str | None]

_NAMES = ("raw", "wrapper")
_HOLE = re.compile(r"\{([^{}]+)\}")
_MOST_CHARS = 2_000


def compile_paths(text: str, *, dotted: bool = False) -> Sources:
    """`a.b, ^c`: paths of the element, and, with ^, of the object that held it. Raises ExpressionError.

    With `dotted`, keys of the payload may hold the dots of a path.
    """
    return tuple(_compile_steps(steps, dotted=dotted) for steps in parse_paths(text))


def _compile_steps(steps: tuple[Step, ...], *, dotted: bool) -> Source:
    compile_them = compile_dotted if dotted else compile_steps
    first = str(steps[0])
    if first.startswith("^"):
        outer = compile_them((first[1:], *steps[1:]))
        return lambda _raw, wrapper: outer(wrapper)
    get = compile_them(steps)
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


def compile_title(text: str, *, dotted: bool = False) -> Source:
    """`Rule {alert.id, id}`: text with paths; None where one of them is absent. Raises ExpressionError."""
    texts = _HOLE.split(text)
    holes = [compile_paths(hole, dotted=dotted) for hole in texts[1::2]]

    def fill(raw: Any, wrapper: Any) -> str | None:
        words = []
        for hole in holes:
            word = next((word for each in hole if (word := read_line(each(raw, wrapper))) is not None), None)
            if word is None:
                return None
            words.append(word)
        return "".join(text + word for text, word in zip(texts[::2], [*words, ""], strict=True))

    return fill


def in_each(members: Source, matches: Match, sources: Sources) -> Source:
    """What the members of an array (or one object) have for which the condition holds: of each the first not absent.

    In both, ^ leads to the element that holds the members.
    """

    def collect(raw: Any, wrapper: Any) -> list[Any] | None:
        found = members(raw, wrapper)
        values: list[Any] = []
        for member in found if type(found) is list else [found]:
            if type(member) is dict and matches(member, raw):
                value = next((value for source in sources if not is_absent(value := source(member, raw))), None)
                values += value if type(value) is list else [value]
        return values or None

    return collect


def only_if(matches: Match, source: Source) -> Source:
    """The source, where the condition holds."""
    return lambda raw, wrapper: source(raw, wrapper) if matches(raw, wrapper) else None


def compile_pattern(text: str) -> Callable[[Source], Source]:
    """Cuts a part out of a text: the group of a regular expression, where it is found first. Raises ExpressionError."""
    try:
        pattern = re.compile(text, re.ASCII)
    except re.error as error:
        raise ExpressionError(f"{text!r} is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise ExpressionError(f"{text!r} must have one group: the part that counts in ( )")

    def cut(source: Source) -> Source:
        def find(raw: Any, wrapper: Any) -> str | None:
            found = pattern.search((read_scalar(source(raw, wrapper)) or "")[:_MOST_CHARS])
            return found[1] if found else None

        return find

    return cut


def as_written(source: Source, pattern: Source) -> Source:
    """A time, read by the pattern (`MMM dd yyyy HH:mm:ss`) that stands beside it; as it is where that does not fit."""

    def rewrite(raw: Any, wrapper: Any) -> Any:
        value, letters = source(raw, wrapper), read_scalar(pattern(raw, wrapper))
        text = read_scalar(value) if letters else None
        return value if text is None or letters is None else rewrite_time(text, letters) or value

    return rewrite


def all_match(matches: Sequence[Match]) -> Match:
    """Whether all hold; what has no conditions holds."""
    if len(matches) == 1:
        return matches[0]
    return lambda raw, wrapper: all(each(raw, wrapper) for each in matches)


def any_match(matches: Sequence[Match]) -> Match:
    """Whether one holds."""
    return matches[0] if len(matches) == 1 else lambda raw, wrapper: any(each(raw, wrapper) for each in matches)


def match_words(sources: Sources, words: Words) -> Match:
    """Whether each source's value is one of the words. None among the words is what is absent."""

    def match_one(source: Source) -> Match:
        return lambda raw, wrapper: read_word(source(raw, wrapper)) in words

    return all_match([match_one(source) for source in sources])


def match_no_words(sources: Sources, words: Words) -> Match:
    """Whether each source's value is none of the words."""

    def match_one(source: Source) -> Match:
        return lambda raw, wrapper: read_word(source(raw, wrapper)) not in words

    return all_match([match_one(source) for source in sources])


def match_ends(sources: Sources, ends: Words) -> Match:
    """Whether each source's value ends in one of the words. None among the words is what is absent."""
    endings = tuple(filter(None, ends))

    def match_one(source: Source) -> Match:
        def match(raw: Any, wrapper: Any) -> bool:
            word = read_word(source(raw, wrapper))
            return None in ends if word is None else word.endswith(endings)

        return match

    return all_match([match_one(source) for source in sources])


def match_parts(sources: Sources, parts: Words) -> Match:
    """Whether one of the words is a part of each source's value."""
    wanted = tuple(filter(None, parts))

    def match_one(source: Source) -> Match:
        def match(raw: Any, wrapper: Any) -> bool:
            word = read_word(source(raw, wrapper))
            return word is not None and any(part in word for part in wanted)

        return match

    return all_match([match_one(source) for source in sources])


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "text": lambda value: type(value) is str,
    "present": lambda value: value is not None,
    "absent": lambda value: value is None,
}
KINDS = tuple(_KINDS)


def match_kind(sources: Sources, kind: str) -> Match:
    """Whether each source's value is of a kind: object, array, text, present (anything but null), absent."""
    is_kind = _KINDS[kind]

    def match_one(source: Source) -> Match:
        return lambda raw, wrapper: is_kind(source(raw, wrapper))

    return all_match([match_one(source) for source in sources])


def match_branch(text: str) -> Match:
    """Whether the paths lead to objects, or to keys that begin with them and a dot. Raises ExpressionError."""
    paths = [tuple(str(step) for step in steps) for steps in parse_paths(text)]
    return lambda raw, _wrapper: all(has_branch(raw, keys) for keys in paths)
