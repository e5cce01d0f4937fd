"""How commands write: the section `commands`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, Strict, ValidationInfo, WithJsonSchema

from itop_bridge.settings.place import place_of
from itop_bridge.settings.section import Section


def _place_folder(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be the name of a folder")
    return place_of(info).folder / value


class Commands(Section):
    """The command line."""

    lock_folder: (
        Annotated[
            Path,
            PlainValidator(_place_folder),
            PlainSerializer(str),
            WithJsonSchema({"type": "string", "minLength": 1}),
        ]
        | None
    ) = None
    """Where commands that write on the same case wait for each other: a folder that all their users may write.
    Without it, one for the users of a group below /run/lock."""
    settings: dict[Annotated[str, Strict()], dict[Annotated[str, Strict()], Any]] = Field(default_factory=dict)
    """By factory: the settings of its commands."""
