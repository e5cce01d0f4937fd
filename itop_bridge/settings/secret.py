"""Passwords and tokens: read from a file or the environment, and shown to nobody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from itop_bridge.settings.place import Place, is_readable_by_others, place_of

_MASK = "********"
_FORMS = "must be {file: NAME} or {env: NAME}"
_MOST_BYTES = 65_536


class Secret:
    """A text that prints as stars. `weakness` tells what is wrong with where it lies, if anything."""

    __slots__ = ("_value", "weakness")

    def __init__(self, value: str, weakness: str | None = None) -> None:
        self._value = value
        self.weakness = weakness

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{_MASK}')"

    def __str__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            load_secret,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        forms = [
            {
                "type": "object",
                "properties": {source: {"type": "string", "minLength": 1}},
                "required": [source],
                "additionalProperties": False,
            }
            for source in ("file", "env")
        ]
        return {"anyOf": [*forms, {"type": "string", "minLength": 1}]}


def load_secret(value: Any, info: ValidationInfo) -> Secret:
    """The secret that the configuration names. Raises ValueError, which never holds the secret."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        weakness = "the secret is written in the configuration: put it in a file and name it as {file: NAME}"
        return Secret(_filled(value, "the secret"), weakness)
    if isinstance(value, dict) and len(value) == 1:
        source, name = next(iter(value.items()))
        if isinstance(name, str) and name and source in ("file", "env"):
            place = place_of(info)
            if place.offline:
                return Secret("")
            return _read_file(name, place) if source == "file" else _read_variable(name, place)
    raise ValueError(f"{_FORMS} (a literal must be text: put it in quotes)")


def _read_file(name: str, place: Place) -> Secret:
    path = place.find(name)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # not `from`: the cause holds the bytes
        raise ValueError(f"{path} is not text in UTF-8") from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path} is too large for a secret")
    return Secret(_filled(_without_newline(text), str(path)), _weakness_of(path))


def _read_variable(name: str, place: Place) -> Secret:
    if name not in place.environ:
        raise ValueError(f"the environment variable {name} is not set")
    return Secret(_filled(_without_newline(place.environ[name]), f"the environment variable {name}"))


def _filled(text: str, what: str) -> str:
    if not text:
        raise ValueError(f"{what} is empty")
    return text


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _weakness_of(path: Path) -> str | None:
    return f"{path} can be read by every user: chmod o-r it" if is_readable_by_others(path) else None


def find_secrets(section: BaseModel, path: str = "") -> Iterator[tuple[str, Secret]]:
    """The secrets of a section and its sub-sections, with their dotted paths."""
    for name, value in section:
        here = f"{path}.{name}" if path else name
        if isinstance(value, Secret):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from find_secrets(value, here)
