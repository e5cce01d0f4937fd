"""iTop's dates: text without a zone, in the zone of the PHP server. Pure."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FORMAT = "%Y-%m-%d %H:%M:%S"
_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
_COMPARED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d+)?)?)?")
_UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400, "WEEK": 604_800}


def format_moment(epoch: float, zone: ZoneInfo) -> str:
    """`2026-11-24 04:03:57`: seconds since the epoch as iTop writes them."""
    return datetime.fromtimestamp(epoch, UTC).astimezone(zone).strftime(FORMAT)


def is_moment(text: str) -> bool:
    """Whether iTop takes the text as a date: `Y-m-d H:i:s` and nothing else (transcripts 133-135)."""
    return _WRITTEN.fullmatch(text) is not None and parse_moment(text) is not None


def parse_moment(text: str) -> datetime | None:
    """As MariaDB reads a date that is compared: a `T`, a fraction and a zone are taken, the zone is ignored.

    Transcripts 522-528.
    """
    if (match := _COMPARED.match(text)) is None:
        return None
    year, month, day, *rest = match.groups()
    hour, minute, second = (int(part or 0) for part in rest[:3])
    microsecond = round(float(rest[3] or 0) * 1e6)
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second, microsecond, tzinfo=UTC)
    except ValueError:
        return None


def seconds_between(earlier: str, later: str) -> int:
    """Whole seconds from one of iTop's dates to another; 0 if one is missing."""
    start, end = parse_moment(earlier), parse_moment(later)
    return int((end - start).total_seconds()) if start and end else 0


def shift_moment(text: str, amount: int, unit: str) -> str:
    """DATE_ADD and DATE_SUB; months and years as 30 and 365 days, which is near enough here."""
    moment = parse_moment(text)
    if moment is None:
        return ""
    length = _UNITS.get(unit) or {"MONTH": 30 * 86_400, "YEAR": 365 * 86_400}[unit]
    return (moment + timedelta(seconds=amount * length)).strftime(FORMAT)
