"""What a site expects of its samples, and how what they come to differs from it.

A file holds a list of objects, in YAML or JSON, or one JSON object a line, as `itop-bridge test --json` prints them.
Each names its sample, as `file` (a path, relative to this file) or as `name` (without its folders), and says as much
of the sample's summary as it cares for.
"""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.document import parse_document
from itop_bridge.spelling import suggest
from itop_bridge.trial.summary import write_key

_NAMES = ("file", "name")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of one sample."""

    named: str
    """As the file names it."""
    folder: Path | None
    """What `named` is relative to; None if it is a name without folders."""
    wanted: Mapping[str, Any]
    """A part of the sample's summary."""

    @property
    def file(self) -> str:
        """The sample's file, where the expectation says which."""
        return str(self.folder / self.named) if self.folder else self.named

    def is_of(self, file: str) -> bool:
        """Whether it is meant for the sample of that name."""
        if self.folder is None:
            return Path(file).name == self.named
        return file == self.named or Path(file).resolve() == (self.folder / self.named).resolve()


def load_expectations(path: Path) -> list[Expectation]:
    """Raises ConfigurationError, naming the entry that is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    entries = _parse_lines(content) or parse_document(content, str(path)).data
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError([f"{path}: must be a list of what is expected, each with file or name"])
    if wrong := [index for index, entry in enumerate(entries) if not _is_expectation(entry)]:
        raise ConfigurationError([f"{path}: [{index}] must be an object with file or name, as text" for index in wrong])
    return [_make_expectation(entry, path.parent) for entry in entries]


def _parse_lines(content: bytes) -> list[Any] | None:
    """The objects of JSON lines; None if the content is something else."""
    try:
        entries = [json.loads(line) for line in content.splitlines() if line.strip()]
    except ValueError:
        return None
    return entries if all(isinstance(entry, dict) for entry in entries) else None


def _is_expectation(entry: Any) -> bool:
    return isinstance(entry, dict) and [type(entry[key]) for key in _NAMES if key in entry] == [str]


def _make_expectation(entry: Mapping[str, Any], folder: Path) -> Expectation:
    wanted = {key: value for key, value in entry.items() if key not in _NAMES}
    if "file" in entry:
        return Expectation(entry["file"], folder, wanted)
    return Expectation(entry["name"], None, wanted)


def compare(expectations: Sequence[Expectation], summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every difference, one line each; none if all is as expected. A sample of which nothing is expected is fine."""
    differences = []
    for expectation in expectations:
        meant = [summary for summary in summaries if expectation.is_of(summary["file"])]
        if not meant:
            differences.append(f"{expectation.named}: no such sample was given")
        for summary in meant:
            differences += [f"{summary['file']}: {text}" for text in _differ("", expectation.wanted, summary)]
    return differences


def _differ(path: str, wanted: Any, got: Any) -> Iterator[str]:
    """What is wanted and not there: of an object the keys that are named, of a list each entry in its place."""
    if isinstance(wanted, dict) and isinstance(got, Mapping):
        for key, value in wanted.items():
            here = f"{path}.{key}" if path else key
            if key in got:
                yield from _differ(here, value, got[key])
            else:
                yield f"{here}: expected {_show(value)}, got nothing{suggest(key, got)}"
    elif isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            yield f"{path}: expected {len(wanted)} of them, got {len(got)}"
        for index, (one, other) in enumerate(zip(wanted, got, strict=False)):
            yield from _differ(f"{path}[{index}]", one, other)
    elif not _is_same(wanted, got):
        yield f"{path}: expected {_show(wanted)}, got {_show(got)}"


def _is_same(wanted: Any, got: Any) -> bool:
    """YAML's guesses are forgiven: an unquoted number or time is the text that it was written as."""
    if isinstance(wanted, list) and isinstance(got, str):  # a case's key
        return write_key([str(each) for each in wanted]) == got
    if isinstance(wanted, str) and isinstance(got, Mapping):  # an intent, by its word alone
        return wanted == got.get("intent")
    if isinstance(wanted, datetime.datetime) and isinstance(got, str):
        aware = wanted if wanted.tzinfo else wanted.replace(tzinfo=datetime.UTC)
        return _read_moment(got) == aware
    if isinstance(wanted, str) and isinstance(got, str):
        return wanted == got
    return wanted == got or (isinstance(got, str) and type(wanted) in (int, float) and str(wanted) == got)


def _read_moment(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _show(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)
