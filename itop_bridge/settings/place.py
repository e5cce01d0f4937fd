"""Where the files that the configuration names lie. The types here check that a file is there while loading."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema


@dataclass(frozen=True)
class Place:
    """What relative paths are relative to; the context of validation."""

    folder: Path = field(default_factory=Path.cwd)
    """The configuration file's folder."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    offline: bool = False
    """True where nothing is reached: secrets and certificates are neither looked for nor read."""

    def find(self, name: str) -> Path:
        """The file `name`: systemd's credential of that name if there is one, else relative to the configuration.

        Raises ValueError, naming the places.
        """
        places = [self.folder / name]
        if credentials := self.environ.get("CREDENTIALS_DIRECTORY"):
            places.insert(0, Path(credentials, name))
        for place in places:
            try:
                if place.exists():
                    return place
            except OSError as error:
                raise ValueError(f"cannot be looked for: {error}") from error
        raise ValueError(f"no such file: {' nor '.join(map(str, places))}")

    def state(self, name: str) -> Path:
        """The file `name` relative to systemd's state folder, else to the working directory."""
        return self._below("STATE_DIRECTORY", name)

    def log(self, name: str) -> Path:
        """The file `name` relative to systemd's folder for logs, else to the working directory."""
        return self._below("LOGS_DIRECTORY", name)

    def _below(self, variable: str, name: str) -> Path:
        folder = self.environ.get(variable, "").split(":")[0]  # systemd lists several folders with colons
        return Path(folder or Path.cwd(), name)


def place_of(info: ValidationInfo) -> Place:
    """The context of validation, or where the process is."""
    return info.context if isinstance(info.context, Place) else Place()


def is_readable_by_others(path: Path) -> bool:
    """Whether users other than the file's owner and group may read it."""
    return bool(path.stat().st_mode & 0o004)


def _name_of(value: Any) -> str:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be the name of a file")
    return str(value)


def _find_file(value: Any, info: ValidationInfo) -> Path:
    place = place_of(info)
    if place.offline:
        return place.folder / _name_of(value)
    path = place.find(_name_of(value))
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read: permission denied")
    return path


def _find_folder(value: Any, info: ValidationInfo) -> Path:
    path = place_of(info).folder / _name_of(value)
    if not path.is_dir():
        raise ValueError(f"no such folder: {path}")
    return path


def _place_state(value: Any, info: ValidationInfo) -> Path:
    return place_of(info).state(_name_of(value))


def _place_log(value: Any, info: ValidationInfo) -> Path:
    return place_of(info).log(_name_of(value))


_written = (PlainSerializer(str), WithJsonSchema({"type": "string", "minLength": 1}))

InputFile = Annotated[Path, PlainValidator(_find_file), *_written]
"""A file that is there and can be read: a credential of systemd, or relative to the configuration."""
Folder = Annotated[Path, PlainValidator(_find_folder), *_written]
"""A folder that is there, relative to the configuration."""
StateFile = Annotated[Path, PlainValidator(_place_state), *_written]
"""Relative to $STATE_DIRECTORY, else to the working directory."""
LogFile = Annotated[Path, PlainValidator(_place_log), *_written]
"""Relative to $LOGS_DIRECTORY, else to the working directory."""
