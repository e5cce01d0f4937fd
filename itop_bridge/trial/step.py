"""Why an alert went to a route, or to none: what each route says of it, in the configuration's order. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from itop_bridge.alert import Alert
from itop_bridge.errors import ElementError
from itop_bridge.triage.route import Route, match_routes


@dataclass(frozen=True, slots=True)
class Step:
    """A route, whether it took the alert, and why."""

    route: str
    taken: bool
    why: str


def trace_routes(
    alert: Alert, topic: str, routes: Sequence[Route], taken: Collection[str], conditions: Mapping[str, str]
) -> Iterator[Step]:
    """What each route says. `taken` names the routes that took the alert, `conditions` has each route's `when`."""
    matches = match_routes(routes, topic)
    named = {route.name: names for route, names in matches}
    for route in routes:
        if route.name in named:
            why = _ask(route, alert, named[route.name], taken, conditions)
        elif route.pattern.match(topic) is None:
            why = f"its topic does not match: {route.pattern.filter}"
        else:
            first = matches[0][0]
            why = f"reads {route.format.name}, and {first.name}, the topic's first route, {first.format.name}"
        yield Step(route.name, route.name in taken, why)


def _ask(
    route: Route, alert: Alert, names: Mapping[str, str], taken: Collection[str], conditions: Mapping[str, str]
) -> str:
    condition = conditions.get(route.name)
    try:
        accepts = route.accepts({"alert": alert, "raw": alert.raw, "topic": names})
    except ElementError as error:
        return f"when fails: {error.detail}"
    if not accepts:
        return f"when is false: {condition}"
    if route.name in taken:
        return f"taken: when is true: {condition}" if condition else "taken"
    return "not asked: an earlier route took it" if taken else "would take it, but it was dropped before"
