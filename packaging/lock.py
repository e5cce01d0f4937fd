"""The locked set: what `make lock` wrote into requirements.lock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")

_PINNED = re.compile(r"([a-z0-9-]+)==([^\s;]+)(?: ; (.+?))? \\")
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")


class LockError(Exception):
    """A line that is no version, hash or comment."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A version, for the Pythons and systems of its marker, and the SHA-256 of each of its wheels."""

    version: str
    marker: str = ""
    hashes: list[str] = field(default_factory=list)


def load_lock(path: Path = LOCK) -> Mapping[str, Locked]:
    """The set by normalised name. Raises LockError, and OSError."""
    return parse_lock(path.read_text(encoding="utf-8"))


def parse_lock(text: str) -> Mapping[str, Locked]:
    """The set in a file's text; so strict that nothing else hides in it. Raises LockError."""
    locked: dict[str, Locked] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if (pinned := _PINNED.fullmatch(line)) and pinned[1] not in locked:
            last = locked[pinned[1]] = Locked(pinned[2], pinned[3] or "")
        elif locked and (known := _HASH.fullmatch(line)):
            last.hashes.append(known[1])
        else:
            raise LockError(f"line {number} is no version, hash or comment, or its package stands twice: {line[:100]}")
    return locked
