"""From an event to its alerts, by a format: a syntax, and a table of where each fact lies. Pure.

A missing or wrongly typed field leaves a note on the alert; only what is no alert of the format at all is rejected.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Event, Severity, State
from itop_bridge.errors import ElementError, ExpressionError
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.address import read_address
from itop_bridge.triage.case_key import GroupBy
from itop_bridge.triage.example import Example
from itop_bridge.triage.moment import read_moment
from itop_bridge.triage.opening import Opening, Part
from itop_bridge.triage.source import Match, Source, Sources
from itop_bridge.triage.syntax import Decode
from itop_bridge.triage.value import (
    MOST_TITLE,
    hash_content,
    read_host,
    read_id,
    read_line,
    read_link,
    read_scalar,
    read_text,
    read_title,
    read_word,
)

Element = Alert | Dropped | Rejected
Note = str
P = TypeVar("P")

_MOST_ELEMENTS = 100_000
_MOST_OBSERVABLES = 50
_MOST_DETAIL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Where the facts of an alert lie."""

    id: Sources = ()
    title: Sources = ()
    description: Sources = ()
    time: Sources = ()
    host: Sources = ()
    user: Sources = ()
    source: Sources = ()
    destination: Sources = ()
    rule: Sources = ()
    link: Sources = ()
    tenant: Sources = ()


@dataclass(frozen=True, slots=True)
class States:
    """A place where an alert says whether it fires. With `firing`, other words than those say nothing."""

    sources: Sources
    resolved: frozenset[str | None]
    firing: frozenset[str | None] | None
    inverted: bool = False
    """Whether `resolved` has the words that do not resolve."""

    def read(self, raw: Any, wrapper: Any) -> State | None:
        """The state; None if the place does not say."""
        for source in self.sources:
            word = read_word(source(raw, wrapper))
            if word is None:
                continue
            if (word in self.resolved) is not self.inverted:
                return State.RESOLVED
            if self.firing is None or word in self.firing:
                return State.FIRING
        return State.FIRING if self.firing is None else None


def _read_state(states: Sequence[States], raw: Any, wrapper: Any) -> tuple[State, bool]:
    """The state, and whether the alert is one-shot. It is resolved if one place says so."""
    said = [each.read(raw, wrapper) for each in states]
    if State.RESOLVED in said:
        return State.RESOLVED, False
    return State.FIRING, State.FIRING not in said


@dataclass(frozen=True, slots=True)
class Graded:
    """A place where a severity lies, and how it is written there."""

    source: Source
    read: Callable[[Any], Severity | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a SIEM writes alerts, compiled; made by `format.load_format`."""

    name: str
    product: str
    about: str
    """Which product's alerts it is for, for people."""
    syntax: str
    decode: Decode
    opening: Opening
    fields: Fields
    fallback_title: Sources
    severity: tuple[Graded, ...]
    states: tuple[States, ...]
    """None for a format without states."""
    observables: tuple[tuple[str, Sources], ...]
    notes: tuple[tuple[Note, Match], ...]
    group_by: GroupBy
    named_by: tuple[bool, ...]
    """For each value of `group_by`: whether it only names the alert (its rule or title), and not whom it is about."""
    case: tuple[str, ...]
    """The entries of `group_by` as they are written."""
    examples: tuple[Example, ...] = ()

    def read(
        self, event: Event, *, timezone: ZoneInfo, unknown_severity: Severity, console_url: str = ""
    ) -> Iterator[Element]:
        """The elements of an event, in order, at least one. Never raises for what a payload holds.

        `console_url` is what links that are only paths lead to.
        """
        return read_parts(self._open(event.payload), Reader(self, event, timezone, unknown_severity, console_url).read)

    def case_fields(self, alert: Alert) -> tuple[tuple[str, ...], bool]:
        """The values of the format's own case key; True if it is weak, so that the content's hash stands for it.

        Weak is a key without any value, or of an alert that says neither its name nor whom it is about.
        """
        try:
            values = self.group_by({"alert": alert, "raw": alert.raw, "topic": {}})
        except ExpressionError:  # an expression of the format that this payload does not suit
            return (alert.content_hash,), True
        about = any(value and not names for value, names in zip(values, self.named_by, strict=True))
        if about or (any(values) and _first(self.fields.title, read_title, alert.raw, {}) is not None):
            return values, False
        return (alert.content_hash,), True

    def _open(self, payload: bytes) -> Iterator[Part]:
        for value in self.decode(payload):
            if isinstance(value, ElementError):
                yield Rejected(value.reason, value.detail, value.field)
            else:
                yield from self.opening.open(value)


def read_parts(parts: Iterator[P], read: Callable[[int, P], Element]) -> Iterator[Element]:
    """What `read` makes of each part and its number, up to the bound."""
    for index, part in enumerate(islice(parts, _MOST_ELEMENTS)):
        yield read(index, part)
    if next(parts, None) is not None:
        yield Rejected("too_large", f"more than {_MOST_ELEMENTS} elements; those after them are here", "payload")


class Reader:
    """Reads the elements of one event."""

    def __init__(
        self, format_: Format, event: Event, timezone: ZoneInfo, unknown_severity: Severity, console_url: str
    ) -> None:
        self._format = format_
        self._event_id = event.id
        self._received = datetime.fromtimestamp(event.received, UTC)
        self._timezone = timezone
        self._unknown_severity = unknown_severity
        self._console_url = console_url.rstrip("/")

    def read(self, index: int, part: Part) -> Element:
        """One element: an alert, a deliberate drop, or a dead letter; that may also tell a fault of ours."""
        if not isinstance(part, tuple):
            return part
        try:
            return self._read(index, *part)
        except Exception as error:  # noqa: BLE001 - a fault of ours: a dead letter tells it, and the alerts behind go on
            return Rejected("mapping_failed", f"{type(error).__name__}: {error}"[:_MOST_DETAIL])

    def _read(self, index: int, raw: Any, wrapper: Any) -> Element:
        for reason, matches in self._format.opening.drop:
            if matches(raw, wrapper):
                return Dropped(reason)
        fields = self._format.fields
        notes: list[Note] = []
        state, one_shot = _read_state(self._format.states, raw, wrapper)
        identity = _first_noted(fields.id, read_id, raw, wrapper, notes)
        return Alert(
            event_id=self._event_id,
            index=index,
            format=self._format.name,
            id=identity,
            title=self._read_title(raw, wrapper, identity),
            severity=self._read_severity(raw, wrapper, notes),
            state=state,
            one_shot=one_shot,
            time=self._read_time(raw, wrapper, notes),
            received=self._received,
            description=_first(fields.description, read_text, raw, wrapper),
            host=_first(fields.host, read_host, raw, wrapper),
            user=_first(fields.user, read_line, raw, wrapper),
            source=_first_noted(fields.source, read_address, raw, wrapper, notes),
            destination=_first_noted(fields.destination, read_address, raw, wrapper, notes),
            rule=_first(fields.rule, read_line, raw, wrapper),
            link=_first(fields.link, self._read_link, raw, wrapper),
            tenant=_first(fields.tenant, read_line, raw, wrapper),
            observables=self._read_observables(raw, wrapper),
            notes=self._finish_notes(raw, wrapper, notes),
            content_hash=hash_content(raw),
            raw=raw,
        )

    def _read_link(self, value: Any) -> str | None:
        text = read_scalar(value)
        is_path = text is not None and text.startswith("/") and not text.startswith("//")
        return read_link(f"{self._console_url}{text}" if is_path else text)

    def _read_title(self, raw: Any, wrapper: Any, identity: str | None) -> str:
        title = _first(self._format.fields.title, read_title, raw, wrapper)
        title = title or _first(self._format.fallback_title, read_title, raw, wrapper)
        if title:
            return title
        return f"{self._format.product} alert {identity or ''}".strip()[:MOST_TITLE]

    def _read_severity(self, raw: Any, wrapper: Any, notes: list[Note]) -> Severity:
        for each in self._format.severity:
            severity = each.read(each.source(raw, wrapper))
            if severity is not None:
                return severity
        notes.append("severity_unknown")
        return self._unknown_severity

    def _read_time(self, raw: Any, wrapper: Any, notes: list[Note]) -> datetime | None:
        for source in self._format.fields.time:
            value = source(raw, wrapper)
            if value is not None:
                reading = read_moment(value, self._timezone, self._received)
                if reading.time is not None:
                    notes.extend(reading.notes)
                    return reading.time
        notes.append("time_unknown")
        return None

    def _read_observables(self, raw: Any, wrapper: Any) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name, sources in self._format.observables:
            for source in sources:
                value = source(raw, wrapper)
                if value is not None and (texts := _list_texts(value)):
                    found[name] = texts
                    break
        return found

    def _finish_notes(self, raw: Any, wrapper: Any, notes: list[Note]) -> tuple[Note, ...]:
        for note, matches in self._format.notes:
            if matches(raw, wrapper):
                notes.append(note)
        return tuple(dict.fromkeys(notes)) if notes else ()


def _first(sources: Sources, read: Callable[[Any], str | None], raw: Any, wrapper: Any) -> str | None:
    for source in sources:
        value = source(raw, wrapper)
        if value is not None:
            text = read(value)
            if text is not None:
                return text
    return None


def _first_noted(
    sources: Sources,
    read: Callable[[Any], tuple[str | None, Sequence[Note]]],
    raw: Any,
    wrapper: Any,
    notes: list[Note],
) -> str | None:
    for source in sources:
        value = source(raw, wrapper)
        if value is not None:
            text, more = read(value)
            notes.extend(more)
            if text is not None:
                return text
    return None


def _list_texts(value: Any) -> tuple[str, ...]:
    if type(value) is not list:
        text = read_line(value)
        return () if text is None else (text,)
    texts = [read_line(member) for member in value[:_MOST_OBSERVABLES]]
    return tuple(dict.fromkeys([text for text in texts if text is not None]))
