"""What no single key can tell: routes and sections that do not go together. Pure."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from itop_bridge.settings.model import Mqtt, Settings, read_prefixes
from itop_bridge.settings.own_incident import OWN_ROUTE
from itop_bridge.settings.problem import Problem
from itop_bridge.settings.route import Route
from itop_bridge.settings.silence import RouteSilence
from itop_bridge.settings.topic import OWN_TOPICS, TopicPattern, overlap, parse_topic
from itop_bridge.spelling import suggest

_SHORT_ESCALATION_S = 120.0
_TOPIC_NAME = re.compile(r"\btopic\.([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)


def find_conflicts(data: Any) -> Iterator[Problem]:
    """Conflicts in the file as it was read: told also when other things are wrong with it."""
    sections = data if isinstance(data, dict) else {}
    listed = sections.get("routes")
    numbered = enumerate(listed) if isinstance(listed, list) else []
    routes = [(place, route) for place, route in numbered if isinstance(route, dict)]
    yield from _repeated_names(routes)
    yield from _own_incidents(sections, routes)
    yield from _unknown_routes(sections.get("silences"), [name for _, route in routes if (name := route.get("name"))])
    base_topic = _get(sections, "mqtt", "base_topic") or Mqtt.model_fields["base_topic"].default
    organization = _get(sections, "defaults", "organization")
    for place, route in routes:
        pattern = _pattern_of(route)
        yield from _organization_of(place, route.get("organization", organization), pattern)
        if pattern and isinstance(base_topic, str) and overlap(pattern.filter, f"{base_topic.strip('/')}/#"):
            text = f"would read what the bridge itself publishes under {base_topic} (mqtt.base_topic)"
            yield Problem(f"routes[{place}].topic", text)
        if pattern and overlap(pattern.filter, f"{OWN_TOPICS}#"):
            yield Problem(f"routes[{place}].topic", f"the topics under {OWN_TOPICS} are the bridge's own")
    yield from _responses(sections, base_topic, routes)


def _get(sections: dict[str, Any], name: str, key: str) -> Any:
    section = sections.get(name)
    return section.get(key) if isinstance(section, dict) else None


def _repeated_names(routes: list[tuple[int, dict[str, Any]]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for place, route in routes:
        name = route.get("name")
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield Problem(f"routes[{place}].name", f"is the name of routes[{first[name]}] already")


def _own_incidents(sections: dict[str, Any], routes: list[tuple[int, dict[str, Any]]]) -> Iterator[Problem]:
    own = sections.get("own_incidents")
    if not isinstance(own, dict):
        return
    if not own.get("organization") and not _get(sections, "defaults", "organization"):
        yield Problem("own_incidents", "organization is missing: give it here or in defaults")
    for place, route in routes:
        if route.get("name") == OWN_ROUTE:
            yield Problem(f"routes[{place}].name", "is the name of the route of own_incidents")


def _unknown_routes(silences: Any, known: list[Any]) -> Iterator[Problem]:
    for place, silence in enumerate(silences if isinstance(silences, list) else []):
        named = silence.get("routes") if isinstance(silence, dict) else None
        for index, name in enumerate(named if isinstance(named, list) else []):
            if isinstance(name, str) and name not in known:
                hint = suggest(name, (each for each in known if isinstance(each, str)))
                yield Problem(f"silences[{place}].routes[{index}]", f"there is no route {name!r}{hint}")


def _responses(
    sections: dict[str, Any], base_topic: Any, routes: list[tuple[int, dict[str, Any]]]
) -> Iterator[Problem]:
    """A sender's response topic must not be ours, nor one that we would read our own results from."""
    given = _get(sections, "mqtt", "response_prefix")
    patterns = [(place, pattern) for place, route in routes if (pattern := _pattern_of(route))]
    prefixes = read_prefixes(given)
    for index, prefix in enumerate(prefixes if isinstance(prefixes, list) else []):
        if not isinstance(prefix, str) or not prefix.strip("/"):
            continue
        path = "mqtt.response_prefix" if isinstance(given, str) else f"mqtt.response_prefix[{index}]"
        allowed = f"{prefix.removesuffix('/')}/#"
        if isinstance(base_topic, str) and overlap(allowed, f"{base_topic.strip('/')}/#"):
            yield Problem(path, f"meets what the bridge itself publishes under {base_topic} (mqtt.base_topic)")
        for place, pattern in patterns:
            if overlap(allowed, pattern.filter):
                yield Problem(path, f"meets the topic of routes[{place}]: the bridge would read its own results")


def _pattern_of(route: dict[str, Any]) -> TopicPattern | None:
    topic = route.get("topic")
    try:
        return parse_topic(topic) if isinstance(topic, str) else None
    except ValueError:
        return None  # told where the key itself is checked


def _organization_of(place: int, organization: Any, pattern: TopicPattern | None) -> Iterator[Problem]:
    path = f"routes[{place}].organization"
    if organization is None:
        yield Problem(path, "missing: give it here or in defaults")
    if isinstance(organization, dict):
        organization = next(iter(organization.values()))
    if not pattern or not isinstance(organization, str) or "{{" not in organization:
        return
    known = [name for name, _ in pattern.names]
    for name in dict.fromkeys(_TOPIC_NAME.findall(organization)):
        if name not in known:
            level = "{" + name + "}"
            yield Problem(path, f"topic.{name}: no level of the route's topic is named {level}")


def find_doubts(settings: Settings, now: float) -> Iterator[Problem]:
    """What is allowed and hardly meant. `now` is in seconds since the epoch."""
    if _is_exposed(settings.itop.address):
        yield Problem("itop.address", "the password and all tickets travel in clear: use https")
    yield from _broker_doubts(settings.mqtt)
    if settings.console.listen and not settings.console.listen.is_loopback:
        yield Problem("console.listen", "other machines can reach the console, which asks for no password")
    for (earlier, one), (later, other) in itertools.combinations(enumerate(settings.routes), 2):
        if not overlap(one.pattern.filter, other.pattern.filter):
            continue
        if not one.continues:
            text = f"some topics are matched here and by routes[{earlier}] ({one.name}, {one.topic})"
            yield Problem(f"routes[{later}].topic", text)
        elif one.case_scope == other.case_scope:
            text = f"is that of routes[{earlier}] ({one.name}) too: what goes on from there to here is a repeat here"
            yield Problem(f"routes[{later}].case_scope", text)
    if settings.mail and settings.mail.is_exposed:
        yield Problem("mail.security", "all that is mailed travels in clear to another machine: use starttls or tls")
    yield from _escalation_doubts(settings)
    for place, route in enumerate(settings.routes):
        if route.mail and not settings.mail:
            yield Problem(f"routes[{place}].mail", "has no effect: there is no section mail")
        yield from _interval_doubts(place, route)
        yield from _expired(f"routes[{place}].silences", route.silences, now)
    yield from _expired("silences", settings.silences, now)


def _broker_doubts(mqtt: Mqtt) -> Iterator[Problem]:
    if mqtt.response_prefix and mqtt.protocol == "3.1.1":
        yield Problem("mqtt.response_prefix", "is of no use with protocol 3.1.1: only MQTT 5 has response topics")
    if mqtt.tls is None and mqtt.password is not None and not _is_local(mqtt.host):
        yield Problem("mqtt.password", "the password and all alerts travel in clear: add a tls section")


def _expired(path: str, silences: Sequence[RouteSilence], now: float) -> Iterator[Problem]:
    for place, silence in enumerate(silences):
        _, until = silence.bounds()
        if until is not None and until <= now:
            yield Problem(f"{path}[{place}].until", "is over: the silence has no effect any more")


def _is_exposed(address: str) -> bool:
    """Whether what goes to an URL travels in clear to another machine."""
    url = urlsplit(address)
    return url.scheme == "http" and not _is_local(url.hostname or "")


def _escalation_doubts(settings: Settings) -> Iterator[Problem]:
    named = [
        ("mail", settings.mail),
        *((f"routes[{place}].mail", each.mail) for place, each in enumerate(settings.routes)),
    ]
    for path, mail in named:
        if mail and "escalate_after" in mail.model_fields_set and 0 < mail.escalate_after < _SHORT_ESCALATION_S:
            yield Problem(f"{path}.escalate_after", "is short: no alert is mailed before it is a minute old")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _interval_doubts(place: int, route: Route) -> Iterator[Problem]:
    if route.repeat_interval < route.group_interval:
        yield Problem(f"routes[{place}].repeat_interval", "is shorter than group_interval, which then does not grow")
    if route.resolve_grace > route.reopen_within:
        yield Problem(f"routes[{place}].reopen_within", "is shorter than resolve_grace, so nothing is ever reopened")
