"""Examples of a format: a payload, and what must come of it. Run by `itop-bridge check` and by the tests. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Event, Severity
from itop_bridge.outcome import Dropped, Rejected

Element = Alert | Dropped | Rejected

RECEIVED = datetime(2026, 2, 1, tzinfo=UTC)
"""When examples arrive: what a time without a year is read by. Times without a zone are UTC."""

OUTCOMES = ("alert", "dropped", "dead_letter")
FACTS = (
    *("id", "title", "description", "severity", "state", "one_shot", "time", "host", "user", "source"),
    *("destination", "rule", "link", "tenant", "observables", "notes"),
)
"""What an example may expect of an alert, beside `case`."""


@dataclass(frozen=True, slots=True)
class Example:
    """One payload, and what is expected of each of its elements."""

    name: str
    payload: bytes
    expect: tuple[Mapping[str, Any], ...]
    place: str
    """`file:line:column`."""


class Reads(Protocol):
    """What examples need of a format."""

    def read(self, event: Event, *, timezone: ZoneInfo, unknown_severity: Severity) -> Iterator[Element]: ...

    def case_fields(self, alert: Alert) -> tuple[tuple[str, ...], bool]: ...


def find_differences(example: Example, format_: Reads) -> list[str]:
    """What is not as the example expects, one line each, beginning with the example's place; none if all is."""
    event = Event(0, b"example", example.payload, RECEIVED.timestamp())
    elements = list(format_.read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM))
    return [f"{example.place}: example {example.name!r}: {text}" for text in _compare(example, elements, format_)]


def _compare(example: Example, elements: Sequence[Element], format_: Reads) -> Iterator[str]:
    wanted = len(example.expect)
    if len(elements) != wanted:
        found = ", ".join(_describe_outcome(element) for element in elements)
        yield f"{wanted} element{'' if wanted == 1 else 's'} expected, {len(elements)} found: {found}"
        return
    for index, (expected, element) in enumerate(zip(example.expect, elements, strict=True)):
        where = f"element {index}: " if wanted > 1 else ""
        for text in _compare_element(expected, element, format_):
            yield f"{where}{text}"


def _compare_element(expected: Mapping[str, Any], element: Element, format_: Reads) -> Iterator[str]:
    outcome = expected.get("outcome", "alert")
    found = _outcome_of(element)
    if outcome != found or (
        not isinstance(element, Alert) and expected.get("reason", element.reason) != element.reason
    ):
        wanted = f"{outcome} {expected['reason']}" if "reason" in expected else outcome
        yield f"{wanted} expected, found {_describe_outcome(element)}"
    elif isinstance(element, Alert):
        facts = _facts_of(element, format_)
        for name, value in expected.items():
            if name in facts and (wanted := _normalise(name, value)) != facts[name]:
                yield f"{name}: {wanted!r} expected, found {facts[name]!r}"


def _outcome_of(element: Element) -> str:
    return {Alert: "alert", Dropped: "dropped", Rejected: "dead_letter"}[type(element)]


def _describe_outcome(element: Element) -> str:
    if isinstance(element, Alert):
        return f"the alert {element.title!r}"
    detail = f" ({element.detail})" if isinstance(element, Rejected) and element.detail else ""
    return f"{_outcome_of(element)} {element.reason}{detail}"


def _facts_of(alert: Alert, format_: Reads) -> dict[str, Any]:
    values, weak = format_.case_fields(alert)
    facts = {name: _normalise(name, getattr(alert, name)) for name in FACTS}
    return {**facts, "case": None if weak else list(values)}


def _normalise(name: str, value: Any) -> Any:
    """A fact as YAML and alerts agree on it: texts, lists of texts, a time in UTC."""
    if value is None or isinstance(value, bool):
        return value
    match name:
        case "time":
            return _write_time(value)
        case "notes":
            return sorted(map(str, value))
        case "case":
            return [str(each) for each in value]
        case "observables":
            return {key: [str(each) for each in texts] for key, texts in value.items()}
    return str(value)


def _write_time(value: Any) -> str:
    """ISO 8601 in UTC, fractions only if there are some; what is no time as it stands."""
    if isinstance(value, str):
        try:
            return _write_time(datetime.fromisoformat(value))
        except ValueError:
            return value
    if not isinstance(value, datetime):
        return str(value)
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
