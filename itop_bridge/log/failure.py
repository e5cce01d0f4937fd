"""Errors as values: what is logged of an error and its causes."""

import traceback
from pathlib import Path
from types import TracebackType
from typing import Any


def chain_of(error: BaseException) -> list[BaseException]:
    """An error and its causes, oldest first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return chain[::-1]


def describe_expected(error: BaseException) -> list[dict[str, Any]]:
    """An error whose text says all to whoever runs the program, with its causes: the calls would be of no use."""
    return [{**describe_error(each), "calls": []} for each in chain_of(error)]


def describe_error(error: BaseException) -> dict[str, Any]:
    """Type, text and the last calls of an error; never the values of variables."""
    return {"type": type(error).__name__, "message": str(error), "calls": _calls_of(error.__traceback__)}


def _calls_of(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace, limit=-8)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
