"""Silences: alerts that are to open nothing, for a time or in windows of the week."""

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from itop_bridge.settings.matching import Matching
from itop_bridge.settings.section import FILLED, Section, Slug, Text
from itop_bridge.settings.zone import Zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_MOMENT = "must be a date and time such as 2026-11-24T22:00:00+01:00 or 2026-11-24 22:00"


def parse_clock(value: Any) -> int:
    """Minutes after midnight of `22:00`; `24:00` is the end of the day. Raises ValueError."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        quotes = " in quotes (without them YAML reads a number)" if isinstance(value, int) else ""
        raise ValueError(f'must be a time of day such as "22:00"{quotes}')
    return int(match[1]) * 60 + int(match[2]) if match[1] else 1440


def format_clock(minutes: int) -> str:
    """The text of a time of day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_moment(value: Any) -> dt.datetime:
    """A time in ISO 8601, aware or not; a day is its first moment. Raises ValueError."""
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(_MOMENT) from None
    if isinstance(value, dt.datetime):  # YAML reads what has no quotes
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    raise ValueError(_MOMENT)


ClockField = Annotated[
    int,
    BeforeValidator(parse_clock),
    PlainSerializer(format_clock),
    WithJsonSchema({"type": "string", "pattern": f"^({_CLOCK.pattern})$", "examples": ["22:00"]}),
]
MomentField = Annotated[
    dt.datetime,
    BeforeValidator(parse_moment),
    PlainSerializer(dt.datetime.isoformat),
    WithJsonSchema({"type": "string", "examples": ["2026-11-24T22:00:00+01:00"]}),
]


class Window(Section):
    """Hours of the week, by the clock on the wall."""

    days: Annotated[tuple[Day, ...], *FILLED] = DAYS
    """The days on which it begins: mon, tue, wed, thu, fri, sat, sun."""
    start: Annotated[ClockField, Field(alias="from")] = 0
    """When it begins."""
    to: ClockField = 1440
    """When it ends; not after `from` is on the next day."""
    timezone: Zone | None = None
    """Whose clock; the silence's, if absent."""


class RouteSilence(Matching):
    """Alerts of a route that are dropped as `silenced`, when they fire."""

    name: Text | None = None
    """What the log calls it; its place in the file, if absent."""
    start: Annotated[MomentField | None, Field(alias="from")] = None
    """From when on, in ISO 8601."""
    until: MomentField | None = None
    """Until when."""
    timezone: Zone = "UTC"
    """Of times without a zone."""
    windows: tuple[Window, ...] = ()
    """Only within one of these."""

    @model_validator(mode="after")
    def _is_meant(self) -> Self:
        if self._is_boundless():
            raise ValueError("would drop everything for ever: say which alerts, or when")
        start, until = self.bounds()
        if start is not None and until is not None and start >= until:
            raise ValueError("until must be later than from")
        return self

    def _is_boundless(self) -> bool:
        return not (self.matchers or self.when or self.start or self.until or self.windows)

    def bounds(self) -> tuple[float | None, float | None]:
        """From when until when, in seconds since the epoch. Of an hour that comes twice, all of it is within."""
        return _to_epoch(self.start, self.timezone, fold=0), _to_epoch(self.until, self.timezone, fold=1)


def _to_epoch(moment: dt.datetime | None, zone: str, *, fold: int) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone), fold=fold)).timestamp()


class Silence(RouteSilence):
    """Alerts that are dropped as `silenced`, when they fire."""

    routes: tuple[Slug, ...] = ()
    """The names of the routes that it is for; all, if absent."""

    def _is_boundless(self) -> bool:
        return super()._is_boundless() and not self.routes
