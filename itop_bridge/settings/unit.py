"""Values with a unit: `30s`, `10/s`, `32MiB`.

A plain number would leave the unit to a guess and is refused; only 0 has none.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Mapping[str, int] = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

_NUMBER = r"\d{1,12}(?:\.\d{1,6})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})/([smh])", re.ASCII)
_SIZE = re.compile(rf"({_NUMBER})(B|KiB|MiB|GiB)", re.ASCII)


def parse_duration(value: Any) -> float:
    """Seconds of `500ms`, `30s`, `5m`, `1h30m`, `7d`, or 0. Raises ValueError."""
    text = _text_of(value, "a duration", "30s, 5m, 4h or 7d")
    if not _DURATION.fullmatch(text):
        raise ValueError("must be a duration such as 500ms, 30s, 5m, 1h30m or 7d")
    return math.fsum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def parse_rate(value: Any) -> float:
    """Calls per second of `10/s`, `600/m`, `36000/h`. Raises ValueError."""
    text = _text_of(value, "a rate", "10/s or 600/m")
    match = _RATE.fullmatch(text)
    if not match:
        raise ValueError("must be a rate such as 10/s, 600/m or 36000/h")
    return float(match[1]) / _SECONDS[match[2]]


def parse_size(value: Any) -> int:
    """Bytes of `512B`, `64KiB`, `32MiB`, `1GiB`, or 0. Raises ValueError."""
    text = _text_of(value, "a size", "64KiB or 32MiB")
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError("must be a size such as 512B, 64KiB, 32MiB or 1GiB")
    return int(float(match[1]) * _BYTES[match[2]])


def _text_of(value: Any, kind: str, examples: str) -> str:
    """`value` as text with a unit; 0 as `0s`, `0/s` or `0B`."""
    if value == "0" or (value == 0 and value is not False):
        return {"a duration": "0s", "a rate": "0/s", "a size": "0B"}[kind]
    if isinstance(value, str):
        return value.strip()
    plain = f", not the plain number {value}" if isinstance(value, int | float) else ""
    raise ValueError(f"must be {kind} with its unit, such as {examples}{plain}")


def format_duration(seconds: float) -> str:
    """The shortest text of a duration: 300.0 is `5m`, 5400.0 is `1h30m`."""
    rest_ms = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest_ms = divmod(rest_ms, round(_SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_rate(per_second: float) -> str:
    """`10/s`, or per minute or hour where that is a whole number and per second is not."""
    for unit in ("s", "m", "h"):
        count = per_second * _SECONDS[unit]
        if math.isclose(count, round(count)) and round(count):
            return f"{round(count)}/{unit}"
    return f"{per_second:g}/s"


def format_size(size: int) -> str:
    """The largest unit that leaves a whole number: 33554432 is `32MiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


@dataclass(frozen=True)
class _Measure(ABC):
    """What pydantic needs to know of a unit; `least` and `most` are inclusive bounds, written with the unit."""

    least: str = "0"
    most: str = ""

    pattern: ClassVar[str]
    example: ClassVar[str]

    @staticmethod
    @abstractmethod
    def parse(value: Any, /) -> float: ...

    @staticmethod
    @abstractmethod
    def write(value: Any, /) -> str: ...

    def validate(self, value: Any) -> float:
        number = self.parse(value)
        if number < self.parse(self.least):
            raise ValueError(f"must be {self.least} or more, not {value}")
        if self.most and number > self.parse(self.most):
            raise ValueError(f"must be {self.most} or less, not {value}")
        return number

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string", "pattern": f"^{self.pattern}$", "examples": [self.example]}
        return {"anyOf": [text, {"const": 0}]} if self.parse(self.least) == 0 else text


@dataclass(frozen=True)
class Duration(_Measure):
    """Marks a float of seconds: `Annotated[float, Duration(least="1s")]`."""

    most: str = "3650d"

    pattern = rf"({_NUMBER}(ms|[smhdw]))+"
    example = "30s"
    parse = staticmethod(parse_duration)
    write = staticmethod(format_duration)


@dataclass(frozen=True)
class Rate(_Measure):
    """Marks a float of calls per second."""

    pattern = rf"{_NUMBER}/[smh]"
    example = "10/s"
    parse = staticmethod(parse_rate)
    write = staticmethod(format_rate)


@dataclass(frozen=True)
class Size(_Measure):
    """Marks an int of bytes."""

    pattern = rf"{_NUMBER}(B|KiB|MiB|GiB)"
    example = "32MiB"
    parse = staticmethod(parse_size)
    write = staticmethod(format_size)
