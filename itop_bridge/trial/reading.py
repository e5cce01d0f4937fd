"""What a format makes of a payload: its elements one by one, and with `auto` why they are of their format. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Event, Severity
from itop_bridge.triage.mapping import Element, Format
from itop_bridge.triage.recognition import AutoFormat, Recognition
from itop_bridge.triage.route import Route


@dataclass(frozen=True, slots=True)
class Read:
    """One element as it was read, and, with `auto`, why it is of its format."""

    element: Element
    format: str | None
    """None if no format was recognised."""
    why: str | None = None


def read_event(event: Event, route: Route) -> Iterator[Read]:
    """As the daemon reads what comes by the topics of a route."""
    elements = route.format.read(
        event, timezone=route.timezone, unknown_severity=route.unknown_severity, console_url=route.console_url
    )
    return _explain(elements, event, route.format)


def read_alone(event: Event, format_: Format | AutoFormat) -> Iterator[Read]:
    """As it is read without a configuration: times without a zone are UTC."""
    elements = format_.read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM)
    return _explain(elements, event, format_)


def _explain(elements: Iterator[Element], event: Event, format_: Format | AutoFormat) -> Iterator[Read]:
    if isinstance(format_, Format):
        return (Read(element, format_.name) for element in elements)
    return _explain_auto(elements, iter([found for found, _ in format_.recognise(event.payload)]))


def _explain_auto(elements: Iterator[Element], found: Iterator[Recognition]) -> Iterator[Read]:
    for element, recognition in zip_longest(elements, found):
        if element is None:  # past the most elements of an event
            return
        known = recognition.format.name if recognition and recognition.format else None
        name = element.format if isinstance(element, Alert) else known
        yield Read(element, name, recognition.reason if recognition else None)
