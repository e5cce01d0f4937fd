"""An event as one line: JSON, ECS, logfmt, or for people. Pure.

Whatever an attacker wrote stays within the line, and cannot command a terminal.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from structlog.typing import EventDict, Processor, WrappedLogger

from itop_bridge.log.catalogue import KEYS

_UNSAFE = re.compile(r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
"""What JSON does not escape of itself and a terminal may obey: C1 controls, line ends, marks of direction."""

_COLOURS = {"debug": "90", "info": "32", "warning": "33", "error": "31", "critical": "31"}
_NO_KEY = re.compile(r'[^\x21-\x7e]|[="]')
"""What cannot be in a key of logfmt."""
_MS = 1_000_000
"""Nanoseconds, which ECS counts in."""

ECS_VERSION = "8.11.0"
"""Of the Elastic Common Schema; the fields used have been the same since 1.6."""


def make_renderer(layout: str, *, colours: bool = False) -> Processor:
    """What writes an event as a line of `layout`, one of LAYOUTS; only `console` has colours. Raises KeyError."""
    write = LAYOUTS[layout]
    if write is write_console:
        write = partial(write_console, colours=colours)

    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        return write(_ordered(event))

    return render


def escape_text(text: str) -> str:
    """A text on one line: whatever is not printable as a backslash and its code."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def _ordered(event: EventDict) -> dict[str, Any]:
    first = [key for key in ("timestamp", "level", "event", *KEYS) if key in event]
    return {key: event[key] for key in dict.fromkeys([*first, *event])}


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _UNSAFE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)


# the layouts


def write_json(event: Mapping[str, Any]) -> str:
    """One JSON object."""
    return _dump(event)


def write_ecs(event: Mapping[str, Any]) -> str:
    """One JSON object with the field names of the Elastic Common Schema; what has none is below `itop_bridge`."""
    return _dump(dict(_name_by_ecs(event)))


def write_logfmt(event: Mapping[str, Any]) -> str:
    """`key=value` pairs; a value that is not one plain word is a JSON string, in quotes."""
    return " ".join(f"{_NO_KEY.sub('_', key) or '_'}={_quote(value)}" for key, value in event.items())


def write_console(event: Mapping[str, Any], *, colours: bool = False) -> str:
    """Clock, level and event, then the facts; what is not known is left out."""

    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colours else text

    facts = {key: value for key, value in event.items() if value is not None}
    clock, level, name = facts.pop("timestamp")[11:19], facts.pop("level"), escape_text(str(facts.pop("event")))
    head = f"{paint('90', clock)} {paint(_COLOURS[level], f'{level:<8}')} {paint('1', f'{name:<20}')}"
    return " ".join([head, *(f"{paint('36', escape_text(key))}={_say(value)}" for key, value in facts.items())])


LAYOUTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "json": write_json,
    "console": write_console,
    "logfmt": write_logfmt,
    "ecs": write_ecs,
}
"""By name: how a line is written."""


def _say(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    quoted = repr(text) if isinstance(value, str) and (" " in text or not text) else text
    return escape_text(quoted)


def _quote(value: Any) -> str:
    text = value if isinstance(value, str) else _dump(value)
    plain = text.isprintable() and text and not set(text) & set(' "=\\')
    return text if plain else _dump(text)


# ECS

_ECS = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "event.action",
    "reason": "event.reason",
    "logger": "log.logger",
    "user": "user.name",
}
"""Fields that mean the same there. `outcome` does not: ECS allows three values of its own."""


def _name_by_ecs(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "@timestamp", event["timestamp"]
    yield "log.level", event["level"]
    yield "message", _tell(event)
    yield "ecs.version", ECS_VERSION
    yield "service.name", "itop-bridge"
    yield "event.dataset", "itop-bridge.log"
    for key, value in event.items():
        if key == "duration_ms" and isinstance(value, int | float):
            yield "event.duration", round(value * _MS)
        elif key == "failure" and isinstance(value, list) and value:
            yield from _describe_failure(value)
        elif key != "message":
            yield _ECS.get(key, f"itop_bridge.{key}"), value


def _tell(event: Mapping[str, Any]) -> str:
    """What a person reads: a library's text; else the event and why."""
    said = event.get("message") or event.get("reason") or event.get("detail")
    if "message" in event:
        return str(said)
    return f"{event['event']}: {said}" if said else str(event["event"])


def _describe_failure(failure: list[Any]) -> Iterator[tuple[str, Any]]:
    """The error that was raised last, and the trace of all."""
    last = failure[-1]
    yield "error.type", last["type"]
    yield "error.message", last["message"]
    yield (
        "error.stack_trace",
        "\n".join(line for each in failure for line in (f"{each['type']}: {each['message']}", *each["calls"])),
    )
