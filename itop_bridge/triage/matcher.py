"""Which alerts are meant: matchers and an expression, compiled. Pure."""

from collections.abc import Callable, Sequence

from itop_bridge.expression import compile_condition
from itop_bridge.triage.case_key import NAMES, Scene, compile_value

Matcher = Callable[[Scene], bool]
"""Raises ExpressionError."""


def compile_matcher(entry: str, values: Sequence[str]) -> Matcher:
    """What an entry names, as in `group_by`, must be one of the values. Raises ExpressionError."""
    value = compile_value(entry)
    wanted = frozenset(values)
    return lambda scene: value(scene) in wanted


def compile_when(text: str) -> Matcher:
    """A condition. Raises ExpressionError."""
    return compile_condition(text, names=NAMES)


def join_matchers(matchers: Sequence[Matcher]) -> Matcher:
    """True where all hold."""
    return lambda scene: all(matches(scene) for matches in matchers)
