"""The log: one line per event, whose name and keys are a contract; and alarms, which begin and end.

Secrets are masked, and whatever an attacker wrote stays on its line. Get a logger with `get_logger()`.
"""

import json as jsonlib
import logging
import logging.handlers
import math
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from itop_bridge.errors import BridgeError

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "alarm.cleared": "A condition that needed attention has ended (alarm, lasted_s).",
        "alarm.raised": "A condition needs attention until alarm.cleared (alarm).",
        "alerts.expired": "Alerts no longer count as firing, since no resolve came in time (alerts).",
        "alerts.handled_by_person": "Alerts that fired when a person resolved or closed their incident have no effect.",
        "alerts.mapped": "Elements of events were mapped (accepted, dropped, rejected).",
        "attempt.absent": "A write did not reach iTop and is planned anew.",
        "attempt.failed": "iTop refused a write, or it was not sent (reason).",
        "attempt.lost": "A log entry that iTop had accepted is gone; it is written again.",
        "attempt.rewrite_failed": "Writing a lost log entry again failed; it is looked for once more (reason).",
        "attempt.unknown": "A write has no known outcome; it is looked up in iTop before anything else is written.",
        "attempt.verified": "A write was found in iTop.",
        "attempts.unknown": "Writes were under way when the daemon ended; they are looked up in iTop first (attempts).",
        "broker.connected": "The broker accepted the connection.",
        "broker.lost": "The connection to the broker ended (reason, lasted_s).",
        "broker.refused": "The broker refused the connection (reason).",
        "broker.session_missing": "The broker had no session for us: what it kept for us may be lost.",
        "broker.unreachable": "There is no connection to the broker (reason).",
        "case.parked": "A case waits for a person; what comes joins it without a call (reason).",
        "case.released": "A parked case is tried again.",
        "command.failed": "A command of the command line failed (command, user, reason).",
        "command.finished": "A command of the command line ended (command, user, exit_code, duration_ms).",
        "command.started": "A command of the command line began (command, user).",
        "configuration.mismatched": "iTop does not have what a route wants to write (mismatch).",
        "configuration.rejected": "The new configuration is not usable; the old one stays (problems).",
        "configuration.reloaded": "The new configuration is in use.",
        "configuration.warned": "Something in the configuration is allowed and hardly meant (warning).",
        "console.started": "The console listens (address).",
        "control.failed": "An operator's command met a mistake of the bridge's (operation).",
        "control.performed": "An operator's command changed something (operation, uid, request, result).",
        "control.started": "The socket for operators' commands listens (path).",
        "control.unavailable": "There is no socket for operators' commands; all else goes on (reason).",
        "daemon.failed": "The daemon ends because a part of it failed.",
        "daemon.stage_failed": "A part of the daemon ended with an error while it was stopped (stage, failure).",
        "daemon.started": "The daemon is ready.",
        "daemon.stop_forced": "A part of the daemon did not end in time; what it had in flight is verified next time.",
        "daemon.stopped": "The daemon has ended, and so much is left for the next start: events not mapped yet, cases "
        "that owe, writes to verify, open dead letters (waiting, cases, unverified, dead_letters).",
        "daemon.stopping": "The daemon was asked to end and finishes what it has begun.",
        "elements.rejected": "Parts of events cannot be mapped and are dead letters (reasons).",
        "event.journaled": "Messages are on the disk and acknowledged (count).",
        "event.redelivered": "The broker sent again what is journaled already; it has no effect (count).",
        "factory.failed": "A factory raised an error; the alert is a dead letter.",
        "factory.loaded": "A factory is ready.",
        "factory.rejected": "A factory could not be loaded; the others work (reason).",
        "incident.adopted": "An open incident of the case was found in iTop and is used.",
        "incident.advanced": "An incident was taken a step of the configured path to resolved.",
        "incident.appended": "A log entry was written in an incident.",
        "incident.created": "An incident was created.",
        "incident.reopened": "A resolved incident was reopened.",
        "incident.resolved": "An incident was resolved.",
        "intents.dropped": "Intents have no effect, for a reason of the contract (reason).",
        "itop.reachable": "iTop answers again.",
        "itop.read_failed": "Reading from iTop failed (reason).",
        "itop.unreachable": "iTop does not answer as iTop (reason).",
        "journal.opened": "The journal is open (path).",
        "journal.paused": "The journal cannot store; nothing is acknowledged until it can.",
        "journal.pruned": "What is settled and older than `journal.keep` was removed (a count for each kind of row, "
        "pages).",
        "journal.resumed": "The journal stores again.",
        "letters.retried": "Dead letters were tried again (accepted, dropped, rejected).",
        "library.warned": "A library logged a warning or an error (logger, message).",
        "subscription.refused": "The broker refused to deliver some topics (filters).",
    }
)
"""Every event that is logged, and what it tells. Dashboards lean on these names."""

KEYS = (
    "event_id",
    "alert_id",
    "case",
    "incident",
    "route",
    "factory",
    "attempt",
    "outcome",
    "reason",
    "duration_ms",
)
"""The keys that mean the same in every event, in the order in which they are written."""

_LOGGER = "itop_bridge"
_MASK = "********"
_SECRET_KEY = re.compile(
    r"passw|passphrase|pwd|secret|token|authorization|cookie|credential|(api|private)[_-]?key", re.IGNORECASE
)
_LONGEST_TEXT = 2000
_MOST_ITEMS = 50
_DEEPEST = 4
_LEAST_SECRET = 4
_FILE_BYTES = 10 * 1024 * 1024
_FILES_KEPT = 5

_hidden: set[str] = set()


class UnknownEventError(BridgeError):
    """The event is not in the catalogue of log events."""


def get_logger(**facts: Any) -> FilteringBoundLogger:
    """A logger; `facts` are in every event that it logs."""
    logger: FilteringBoundLogger = structlog.get_logger(**facts)
    return logger


def hide_secret(value: str) -> None:
    """Mask `value` wherever it would be logged, also as part of a text or address.

    Under four characters nothing is masked: it would tear every line apart.
    """
    if len(value) >= _LEAST_SECRET:
        _hidden.update((value, quote(value, safe=""), quote_plus(value)))


def configure_log(
    level: str = "info",
    *,
    json: bool | None = None,
    file: Path | None = None,
    stream: TextIO | None = None,
    strict: bool = False,
) -> None:
    """Set up the log of the process; may be called again.

    `json`: JSON lines, or lines for people; by default JSON where `stream` (stderr) is no terminal. `file` is written
    besides, as JSON lines, and rotated. `strict` is for tests: an event that is not in the catalogue raises
    UnknownEventError. Raises OSError if the file cannot be opened.
    """
    stream = sys.stderr if stream is None else stream
    as_json = not stream.isatty() if json is None else json
    render = _render_json if as_json else _line_renderer(colours=stream.isatty())
    handlers: list[logging.Handler] = [_handler(logging.StreamHandler(stream), render)]
    if file:
        rotating = logging.handlers.RotatingFileHandler(file, "a", _FILE_BYTES, _FILES_KEPT, encoding="utf-8")
        handlers.append(_handler(rotating, _render_json))
    _replace_handlers(handlers)
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger(_LOGGER).setLevel(number)
    logging.getLogger().setLevel(logging.WARNING)
    checks: list[Processor] = [_refuse_unknown] if strict else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *checks,
            *_FACTS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: logging.getLogger(_LOGGER),
        cache_logger_on_first_use=False,  # a reload may change the level
    )


def _handler(handler: logging.Handler, render: Processor) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_foreign, *_FACTS],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    return handler


def _replace_handlers(handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    for old in [
        handler for handler in root.handlers if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)


# processors: each takes the event and gives it on


def _refuse_unknown(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if event["event"] not in EVENTS:
        raise UnknownEventError(f"{event['event']!r} is not in the catalogue of log events (itop_bridge.log.EVENTS)")
    return event


def _name_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's record: its text is not a name of the catalogue."""
    record = event["_record"]
    return {**event, "event": "library.warned", "logger": record.name, "message": event["event"]}


def _describe_failure(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`exc_info` as one field: `failure`, a list of causes, the first one first."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["failure"] = [describe_error(cause) for cause in chain_of(error)]
    return event


def _tame(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Plain values only, of bounded size, without secrets."""
    kept = {key: value for key, value in event.items() if not key.startswith("_")}  # what structlog keeps for itself
    meta = {key: value for key, value in event.items() if key.startswith("_")}
    return {**_plain_mapping(kept, 0), **meta}


_FACTS: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _describe_failure,
    _tame,
)


def _plain_mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    items = list(values.items())[:_MOST_ITEMS]
    return {str(key): _MASK if value and _SECRET_KEY.search(str(key)) else _plain(value, depth) for key, value in items}


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return _plain_mapping(value, depth + 1)
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    if isinstance(value, bytes):
        value = value[: _LONGEST_TEXT + 1].decode("utf-8", "backslashreplace")
    return _shorten(_mask(str(value)))


def _mask(text: str) -> str:
    for secret in _hidden:
        text = text.replace(secret, _MASK)
    return text


def _shorten(text: str) -> str:
    over = len(text) - _LONGEST_TEXT
    return f"{text[:_LONGEST_TEXT]}… ({over} more characters)" if over > 0 else text


# errors as values


def chain_of(error: BaseException) -> list[BaseException]:
    """An error and its causes, oldest first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return chain[::-1]


def describe_error(error: BaseException) -> dict[str, Any]:
    """Type, text and the last calls of an error; never the values of variables."""
    return {"type": type(error).__name__, "message": str(error), "calls": _calls_of(error.__traceback__)}


def _calls_of(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace, limit=-8)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


# rendering

_UNSAFE = re.compile(r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
"""What JSON does not escape of itself and a terminal may obey: C1 controls, line ends, marks of direction."""

_COLOURS = {"debug": "90", "info": "32", "warning": "33", "error": "31", "critical": "31"}


def escape_text(text: str) -> str:
    """A text on one line: whatever is not printable as a backslash and its code."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def _ordered(event: EventDict) -> EventDict:
    first = [key for key in ("timestamp", "level", "event", *KEYS) if key in event]
    return {key: event[key] for key in dict.fromkeys([*first, *event])}


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    line = jsonlib.dumps(_ordered(event), ensure_ascii=False, default=str)
    return _UNSAFE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", line)


def _line_renderer(*, colours: bool) -> Processor:
    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colours else text

    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
        facts = _ordered(event)
        clock, level, name = facts.pop("timestamp")[11:19], facts.pop("level"), escape_text(str(facts.pop("event")))
        head = f"{paint('90', clock)} {paint(_COLOURS[level], f'{level:<8}')} {paint('1', f'{name:<20}')}"
        return " ".join([head, *(f"{paint('36', escape_text(key))}={_written(value)}" for key, value in facts.items())])

    return render


def _written(value: Any) -> str:
    text = value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False, default=str)
    quoted = repr(text) if isinstance(value, str) and (" " in text or not text) else text
    return escape_text(quoted)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that needs attention."""

    name: str
    since: float
    """Seconds since the epoch."""
    detail: str
    facts: Mapping[str, Any]


class Alarms:
    """The conditions that hold now. Each is logged once when it begins and once when it ends."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._active: dict[str, Alarm] = {}
        self._log = get_logger()

    @property
    def active(self) -> Mapping[str, Alarm]:
        """What holds now, by name, in the order in which it began."""
        return MappingProxyType(self._active)

    def raise_(self, name: str, detail: str = "", **facts: Any) -> bool:
        """The condition holds. True if it has just begun; else only its detail is brought up to date."""
        known = self._active.get(name)
        self._active[name] = Alarm(name, known.since if known else self._clock(), detail, MappingProxyType(facts))
        if known is None:
            self._log.warning("alarm.raised", alarm=name, **_told(detail, facts))
        return known is None

    def clear(self, name: str, **facts: Any) -> bool:
        """The condition does not hold. True if it has just ended."""
        ended = self._active.pop(name, None)
        if ended is not None:
            lasted_s = round(max(0.0, self._clock() - ended.since), 3)
            self._log.info("alarm.cleared", alarm=name, lasted_s=lasted_s, **facts)
        return ended is not None


def _told(detail: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"detail": detail} if detail else {}), **facts}
