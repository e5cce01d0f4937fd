"""`format: auto`: which format the elements of a payload have, told by their shapes, and why. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Event, Severity
from itop_bridge.errors import ElementError
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.mapping import Element, Format, Reader, read_parts
from itop_bridge.triage.opening import Opening, Part, find_wrapped, not_an_object, open_hit
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.syntax.text import BLANK

AUTO = "auto"
"""What a route's `format` says for it."""

_LAST = "generic"
_NO_SYNTAX = "neither JSON nor XML, and no line begins a record of CEF or LEEF or has a key=value pair"
_MOST_KEYS = 10
_LONGEST_KEY = 40
_XML = re.compile(r"<[A-Za-z_?!]")
_RECORD = re.compile(r"^([^\n]*?)(?<![^\s:\"])(CEF|LEEF):[0-9.]{1,9}\|", re.MULTILINE)
_BRACKETED = re.compile(r"\[[^\[\]\n]*\]")
_PAIR = re.compile(r"(?<![^\s,>])[A-Za-z_][A-Za-z0-9_.\-]*=")


@dataclass(frozen=True, slots=True)
class Recognition:
    """The format of an element, and by what it was told; without one, why there is none."""

    format: Format | None
    reason: str


Found = tuple[Recognition, Part]


class AutoFormat:
    """All formats as one. An element has the format whose shape demands the most of those that it matches.

    A format that takes any object is chosen only where no other matches, and generic last of all.
    """

    name = AUTO

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self._formats = formats

    def read(
        self, event: Event, *, timezone: ZoneInfo, unknown_severity: Severity, console_url: str = ""
    ) -> Iterator[Element]:
        """The elements of an event, in order, at least one, each as its own format reads it. Never raises."""
        readers: dict[str, Reader] = {}

        def read(index: int, found: Found) -> Element:
            recognition, part = found
            if not isinstance(part, tuple):
                return part
            form = recognition.format
            if form is None:
                return Rejected("unrecognised_shape", recognition.reason)
            if form.name not in readers:
                readers[form.name] = Reader(form, event, timezone, unknown_severity, console_url)
            return readers[form.name].read(index, part)

        return read_parts(self.recognise(event.payload), read)

    def case_fields(self, alert: Alert) -> tuple[tuple[str, ...], bool]:
        """The case key of the alert's own format."""
        return self._formats[alert.format].case_fields(alert)

    def recognise(self, payload: bytes) -> Iterator[Found]:
        """The elements of a payload in order, each with its format and why it is that."""
        syntax = find_syntax(payload)
        if syntax is None:
            yield Recognition(None, _NO_SYNTAX), Rejected("unrecognised_shape", _NO_SYNTAX)
            return
        decode = SYNTAXES[syntax]
        formats = [form for form in self._formats.values() if form.decode is decode]
        for value in decode(payload):
            if isinstance(value, ElementError):
                yield Recognition(None, str(value)), Rejected(value.reason, value.detail, value.field)
            elif type(value) is list:
                yield from _open_batch(value, lambda member: _open(member, formats))
            else:
                yield from _open(value, formats)


def find_syntax(payload: bytes) -> str | None:
    """The syntax of a payload, by how it begins or, of lines, by the first that says; None if it has none of ours."""
    text = payload.decode(errors="replace").strip(BLANK)
    if text[:1] in ("{", "[", ""):
        return "json"
    return "xml" if _XML.match(text) else _find_line_syntax(text)


def _find_line_syntax(text: str) -> str | None:
    """Pairs before a record, but for those in brackets, are no syslog header: then the record is a text in a pair."""
    record = _RECORD.search(text)
    if record and not _PAIR.search(_BRACKETED.sub("", record[1])):
        return record[2].lower()
    return "key_value" if _PAIR.search(text) else None


def _open_batch(members: list[Any], open_member: Callable[[Any], Iterator[Found]]) -> Iterator[Found]:
    if not members:
        yield Recognition(None, "an empty batch"), Dropped("empty_batch")
    for member in members:
        yield from open_member(member)


def _open(value: Any, formats: Sequence[Format]) -> Iterator[Found]:
    """The elements of a value; a wrapper that is no format's own is opened, and its members judged one by one."""
    if type(value) is not dict:
        yield Recognition(None, "not an object"), not_an_object(value)
        return
    found = choose(value, {}, formats, least=1)
    if found is None and (members := find_wrapped(value)) is not None:
        yield from _open_batch(members, lambda member: iter([_judge(member, value, formats)]))
        return
    found = found or choose(value, {}, formats) or _refuse(value)
    if found.format is None:
        yield found, (value, {})
        return
    for part in found.format.opening.open(value):
        yield found, part


def _judge(member: Any, wrapper: Any, formats: Sequence[Format]) -> Found:
    if type(member) is not dict:
        return Recognition(None, "not an object"), not_an_object(member)
    found = choose(open_hit(member), wrapper, formats) or _refuse(member)
    part = found.format.opening.judge(member, wrapper) if found.format else (member, wrapper)
    return found, part


def choose(value: Any, wrapper: Any, formats: Sequence[Format], *, least: int = 0) -> Recognition | None:
    """The format of an object whose shape demands at least `least`; none, with the reason, of several; None of none."""
    fits = [(form, *fit) for form in formats if (fit := _fit(form.opening, value, wrapper)) is not None]
    fits = [each for each in fits if each[0].name != _LAST] or fits
    most = max((size for _, size, _ in fits), default=-1)
    if most < least:
        return None
    best = [(form, words) for form, size, words in fits if size == most]
    if len(best) == 1:
        return Recognition(best[0][0], best[0][1])
    return Recognition(None, "it may be " + " or ".join(f"{form.name}: {words}" for form, words in best))


def _fit(opening: Opening, value: Any, wrapper: Any) -> tuple[int, str] | None:
    """How much a format demands of what it finds in an object, and what that is; None if it finds nothing."""
    members = opening.split(value, {}) if opening.split else None
    if type(members) is list:
        member = next((member for member in members if type(member) is dict), None)
        fit = _measure(opening, member, value) if member is not None else None
        return (fit[0] + 1, f"an array of {fit[1]}") if fit else None
    for each, holder in opening.unfold(value, wrapper):
        fit = _measure(opening, each, holder)
        if fit is not None:
            return fit
    return None


def _measure(opening: Opening, value: Any, wrapper: Any) -> tuple[int, str] | None:
    best: tuple[int, str] | None = None
    for shape in opening.shapes:
        if (best is None or shape.size > best[0]) and shape.fits(value, wrapper):
            best = shape.size, shape.words
    return best


def _refuse(value: Mapping[str, Any]) -> Recognition:
    keys = ", ".join(key[:_LONGEST_KEY] for key in islice(value, _MOST_KEYS))
    return Recognition(None, f"no format has this shape; its keys: {keys or 'none'}")
