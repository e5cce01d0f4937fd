"""From the configuration to silences and rules of inhibition; what is wrong goes to `complain(path, text)`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from itop_bridge.errors import ExpressionError
from itop_bridge.settings.inhibition import Inhibition
from itop_bridge.settings.matching import Matching
from itop_bridge.settings.silence import RouteSilence
from itop_bridge.settings.silence import Silence as SilenceSettings
from itop_bridge.triage.case_key import compile_group_by
from itop_bridge.triage.inhibition import Rule
from itop_bridge.triage.matcher import Matcher, compile_matcher, compile_when, join_matchers
from itop_bridge.triage.silence import Silence, make_silence

Complain = Callable[[str, str], None]
Compiled = tuple[Silence, tuple[str, ...]]
"""With the routes that it is for; none: all."""
T = TypeVar("T")


def compile_silences(path: str, silences: Sequence[RouteSilence], complain: Complain) -> list[Compiled]:
    """The silences below `path`, each with its routes."""
    compiled = []
    for index, each in enumerate(silences):
        here = f"{path}[{index}]"
        routes = each.routes if isinstance(each, SilenceSettings) else ()
        compiled.append((make_silence(here, each, _compile_matching(here, each, complain)), routes))
    return compiled


def choose_silences(silences: Sequence[Compiled], route: str) -> tuple[Silence, ...]:
    """Those that are for a route."""
    return tuple(silence for silence, routes in silences if not routes or route in routes)


def compile_rules(inhibitions: Sequence[Inhibition], complain: Complain) -> tuple[Rule, ...]:
    """The entries of `inhibit`."""
    return tuple(_compile_rule(f"inhibit[{index}]", each, complain) for index, each in enumerate(inhibitions))


def _compile_rule(path: str, inhibition: Inhibition, complain: Complain) -> Rule:
    return Rule(
        identity=inhibition.model_dump_json(),
        source=_compile_matching(f"{path}.source", inhibition.source, complain),
        target=_compile_matching(f"{path}.target", inhibition.target, complain),
        equal=_attempt(f"{path}.equal", complain, partial(compile_group_by, inhibition.equal)),
        hold_s=inhibition.hold,
    )


def _compile_matching(path: str, matching: Matching, complain: Complain) -> Matcher:
    matchers = [
        _attempt(f"{path}.matchers.{entry}", complain, partial(compile_matcher, entry, values))
        for entry, values in matching.matchers.items()
    ]
    if matching.when:
        matchers.append(_attempt(f"{path}.when", complain, partial(compile_when, matching.when)))
    return join_matchers([each for each in matchers if each is not None])


def _attempt(path: str, complain: Complain, compile_it: Callable[[], T]) -> T | None:
    try:
        return compile_it()
    except ExpressionError as error:
        complain(path, str(error))
        return None
