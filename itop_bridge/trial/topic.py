"""The topic that a sample is taken to come by, where none was given: made of a route's pattern. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from itop_bridge.alert import Alert, Event
from itop_bridge.outcome import Rejected
from itop_bridge.settings.topic import TopicPattern
from itop_bridge.triage.route import Route, match_routes
from itop_bridge.trial.reading import read_event

_ANY = "ANY"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. `remark` tells how it was made, and which of its levels only stand for real ones."""

    text: str
    remark: str = ""


def make_topic(pattern: TopicPattern) -> Topic:
    """A topic that the pattern matches: a level `{org}` is `ORG`, a wildcard `ANY`."""
    names = {place: name for name, place in pattern.names}
    written, levels = [], []
    stand_ins: dict[str, str] = {}
    for place, level in enumerate(pattern.filter.split("/")):
        name = names.get(place)
        wanted = level if name is None else "{" + name + "}"
        if name is None and level not in ("+", "#"):
            levels.append(level)
        else:
            levels.append((name or _ANY).upper())
            stand_ins[levels[-1]] = wanted
        written.append(wanted)
    told = "".join(f"; {stand_in} stands for {level}" for stand_in, level in stand_ins.items())
    return Topic("/".join(levels), f"made from {'/'.join(written)}{told}: --topic says the real one")


def choose_topic(event: Event, routes: Sequence[Route]) -> Topic:
    """A topic of the first route whose format reads the payload as an alert; else of the first that drops it on
    purpose; else of the first."""
    ranks: dict[str, int] = {}
    best: tuple[int, Topic] | None = None
    for route in routes:
        topic = make_topic(route.pattern)
        reader = match_routes(routes, topic.text)[0][0]  # an earlier route may take the topic
        if reader.name not in ranks:
            ranks[reader.name] = _rank(event, reader)
        if best is None or ranks[reader.name] < best[0]:
            best = (ranks[reader.name], topic)
    if best is None:
        raise AssertionError("a configuration has at least one route")
    return best[1]


def _rank(event: Event, route: Route) -> int:
    """0 if the route's format reads an alert in it, 1 if it drops something on purpose, 2 if it reads nothing."""
    elements = [read.element for read in read_event(event, route)]
    if any(isinstance(element, Alert) for element in elements):
        return 0
    return 2 if all(isinstance(element, Rejected) for element in elements) else 1
