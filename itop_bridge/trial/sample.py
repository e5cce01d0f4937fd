"""Samples: recorded payloads, read from files or from the standard input."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from itop_bridge.errors import BridgeError, UsageError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Sample:
    """One payload, as a broker would bring it: one alert, or a batch of them."""

    file: str
    """As it was named; "-" for the standard input."""
    payload: bytes


def load_samples(files: Sequence[str], stdin: BinaryIO) -> list[Sample]:
    """Read every file once. Raises UsageError for a folder, BridgeError for what cannot be read."""
    return [Sample(file, stdin.read() if file == STDIN else _read(file)) for file in dict.fromkeys(files)]


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except IsADirectoryError as error:
        raise UsageError(f"{file} is a folder: name the files in it, as in {Path(file) / '*'}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise BridgeError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
