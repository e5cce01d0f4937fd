"""Times as alerts write them: numbers by their size, ISO 8601, and the forms with the names of months. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from itop_bridge.triage.value import read_scalar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 80
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?")
_PLAIN_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?) *(.*)")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?")
_SHORT_DATE = re.compile(r"([0-9]{2})/([0-9]{2})-([0-9]{2}:[0-9]{2}:[0-9]{2}\S*)")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{2}):?([0-9]{2})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z_/]*")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january janv janvier januar",
            "feb february févr fevr février fevrier februar",
            "mar march mars mär mrz märz",
            "apr april avr avril",
            "may mai",
            "jun june juin juni",
            "jul july juil juillet juli",
            "aug august août aout",
            "sep sept september septembre",
            "oct october octobre okt oktober",
            "nov november novembre",
            "dec december déc décembre decembre dez dezember",
        ),
        start=1,
    )
    for name in names.split()
}
_DAYS = frozenset(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
_ZONE_HOURS = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), 0),
    **dict.fromkeys(("CET", "WEST", "BST"), 1),
    **dict.fromkeys(("CEST", "EET"), 2),
    **dict.fromkeys(("EEST", "MSK"), 3),
    "JST": 9,
    "ART": -3,
    "EDT": -4,
    "EST": -5,
    "CDT": -5,
    "CST": -6,
    "MDT": -6,
    "MST": -7,
    "PDT": -7,
    "PST": -8,
}


class Reading(NamedTuple):
    """A time in UTC, and the notes on it; without time, what was there is of no use."""

    time: datetime | None
    notes: tuple[str, ...] = ()


_NOTHING = Reading(None)


def read_moment(value: Any, zone: tzinfo, received: datetime) -> Reading:
    """When something was. `zone` is for times that carry none, `received` (aware) for times that carry no year.

    Numbers are seconds, milli-, micro- or nanoseconds since 1970, by their size. What lies before 1970 is of no use.
    """
    try:
        reading = _read(value, zone, received)
    except (ValueError, OverflowError):  # the 30th of February; a year beyond 9999
        return _NOTHING
    return reading if reading.time is None or reading.time >= EPOCH else _NOTHING


def _read(value: Any, zone: tzinfo, received: datetime) -> Reading:
    if type(value) is int or type(value) is float:
        return _read_number(Decimal(repr(value)))
    if type(value) is str and _PLAIN_ISO.fullmatch(value):  # nearly all are like this
        return Reading(datetime.fromisoformat(value).astimezone(UTC))
    text = read_scalar(value)
    if text is None or len(text) > _LONGEST:
        return _NOTHING
    iso = _ISO.fullmatch(text)
    if iso:
        return _settle(datetime.fromisoformat(f"{iso[1]}T{iso[2]}"), iso[3], zone)
    if _NUMBER.fullmatch(text):
        return _read_number(Decimal(text))
    return _read_words(text, zone, received)


def _read_number(number: Decimal) -> Reading:
    for limit, microseconds in ((10**11, 10**6), (10**14, 10**3), (10**17, 1)):
        if number < limit:
            return Reading(EPOCH + timedelta(microseconds=int(number * microseconds)))
    if number < 10**18:  # Windows counts from 1601
        return _NOTHING
    return Reading(EPOCH + timedelta(microseconds=int(number) // 1_000))


def _settle(naive: datetime, zone_text: str, zone: tzinfo) -> Reading:
    """The time in UTC. What looks like an offset and is none makes it unusable; an unknown name is read as UTC."""
    if not zone_text:
        return Reading(naive.replace(tzinfo=zone).astimezone(UTC), ("time_zone_assumed",))
    offset = _OFFSET.fullmatch(zone_text.upper().replace(" ", ""))
    if offset:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0)) * (1 if offset[1] == "+" else -1)
        return Reading(naive.replace(tzinfo=timezone(ahead)).astimezone(UTC))
    if not _NAME.fullmatch(zone_text):
        return _NOTHING
    hours = _ZONE_HOURS.get(zone_text.upper())
    if hours is None:
        return Reading(naive.replace(tzinfo=UTC), ("time_zone_unknown",))
    return Reading((naive - timedelta(hours=hours)).replace(tzinfo=UTC))


def _read_words(text: str, zone: tzinfo, received: datetime) -> Reading:
    """Month, day and clock in any order, perhaps a year, a day of the week and a zone."""
    short = _SHORT_DATE.fullmatch(text)
    words = [f"#{short[1]}", short[2], short[3]] if short else text.replace(",", " ").split()
    found: dict[str, str] = {}
    for word in words:
        kind = _classify(word, found)
        if kind in found:
            return _NOTHING
        found[kind] = word
    if not {"month", "day", "clock"} <= found.keys():
        return _NOTHING
    year = found.get("year")
    if year:
        return _settle(_build(int(year), found), found.get("zone", ""), zone)
    return _settle_year(found, zone, received)


def _classify(word: str, found: dict[str, str]) -> str:
    bare = word.rstrip(".").lower()
    if bare in _MONTHS or word.startswith("#"):
        return "month"
    if bare in _DAYS and "day_name" not in found:
        return "day_name"
    if _CLOCK.fullmatch(word):
        return "clock"
    if word.isascii() and word.isdigit() and len(word) in (1, 2, 4):
        return "year" if len(word) == 4 else "day"
    return "zone"


def _build(year: int, found: dict[str, str]) -> datetime:
    clock = _CLOCK.fullmatch(found["clock"])
    if clock is None:
        raise ValueError(found["clock"])
    name = found["month"]
    month = int(name[1:]) if name.startswith("#") else _MONTHS[name.rstrip(".").lower()]
    microsecond = int((clock[4] or "")[:6].ljust(6, "0"))
    return datetime(year, month, int(found["day"]), int(clock[1]), int(clock[2]), int(clock[3]), microsecond)  # noqa: DTZ001 - its zone is settled by the caller


def _settle_year(found: dict[str, str], zone: tzinfo, received: datetime) -> Reading:
    """The year that lies nearest to the receipt and not more than a day after it."""
    readings = [_settle(naive, found.get("zone", ""), zone) for naive in _build_years(received.year, found)]
    latest = received + timedelta(days=1)
    past = [each for each in readings if each.time is not None and each.time <= latest]
    if not past:
        return _NOTHING
    last = max(past, key=lambda each: each.time or EPOCH)
    return Reading(last.time, (*last.notes, "time_year_assumed"))


def _build_years(year: int, found: dict[str, str]) -> Iterator[datetime]:
    for candidate in range(year - 4, year + 2):  # the 29th of February may lie four years back
        try:
            yield _build(candidate, found)
        except ValueError:
            continue
