"""The chain that every event goes through, ours and those of libraries, and where it ends: a stream, and a file."""

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from itop_bridge.log.contract import ContractError, find_breach
from itop_bridge.log.failure import chain_of, describe_error
from itop_bridge.log.line import make_renderer
from itop_bridge.log.value import tame_mapping

_LOGGER = "itop_bridge"
_FILE_BYTES = 10 * 1024 * 1024
_FILES_KEPT = 5


def get_logger(**facts: Any) -> FilteringBoundLogger:
    """A logger; `facts` are in every event that it logs."""
    logger: FilteringBoundLogger = structlog.get_logger(**facts)
    return logger


def configure_log(
    level: str = "info",
    *,
    layout: str | None = None,
    file: Path | None = None,
    stream: TextIO | None = None,
    strict: bool = False,
) -> None:
    """Set up the log of the process; may be called again.

    `layout` is one of LAYOUTS; by default `console` where `stream` (stderr) is a terminal, else `json`. `file` is
    written besides, as JSON lines, and rotated; as ECS if that is the layout. `strict` is for tests: an event that is
    not as the catalogue says raises ContractError. Raises OSError if the file cannot be opened.
    """
    stream = sys.stderr if stream is None else stream
    layout = layout or ("console" if stream.isatty() else "json")
    handlers: list[logging.Handler] = [
        _handler(logging.StreamHandler(stream), make_renderer(layout, colours=stream.isatty()))
    ]
    if file:
        rotating = logging.handlers.RotatingFileHandler(file, "a", _FILE_BYTES, _FILES_KEPT, encoding="utf-8")
        handlers.append(_handler(rotating, make_renderer("ecs" if layout == "ecs" else "json")))
    _replace_handlers(handlers)
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger(_LOGGER).setLevel(number)
    logging.getLogger().setLevel(logging.WARNING)
    checks: list[Processor] = [refuse_breach] if strict else []
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


def refuse_breach(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """For tests. Raises ContractError if the event is not as the catalogue says."""
    named = {**event, "failure": None} if event.get("exc_info") else event
    level = "error" if method == "exception" else method
    facts = {key: value for key, value in named.items() if key not in ("event", "exc_info") and key[0] != "_"}
    if breach := find_breach(event["event"], level, facts):
        raise ContractError(breach)
    return event


def _name_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's record: its text is not a name of the catalogue."""
    record: logging.LogRecord = event["_record"]
    name = "library.failed" if record.levelno >= logging.ERROR else "library.warned"
    return {**event, "event": name, "logger": record.name, "message": event["event"]}


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
    return {**tame_mapping(kept), **meta}


_FACTS: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _describe_failure,
    _tame,
)
