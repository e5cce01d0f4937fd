"""Times by the pattern beside them, in the letters of Java (`MMM dd yyyy HH:mm:ss`), as LEEF has it. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest

_LONGEST = 80
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_NAME = r"[^\W\d_]+\.?"
_ZONE = r"[A-Za-z][A-Za-z_/]*(?:[+-]\d\d:?\d\d)?|[+-]\d\d(?::?\d\d)?"
_NUMBERS = {"d": "day", "H": "hour", "k": "hour", "h": "half", "K": "half", "m": "minute", "s": "second"}
_ZONES = frozenset("zZXxOVv")
_YEARS = frozenset("yu")
_MONTHS = frozenset("ML")


def rewrite_time(text: str, pattern: str) -> str | None:
    """The same time as `moment.read_moment` reads it; None if it is not written so, or the pattern is not known."""
    compiled = _compile(pattern) if len(pattern) <= _LONGEST else None
    found = compiled.fullmatch(text.strip()) if compiled and len(text) <= _LONGEST else None
    return _write(found.groupdict()) if found else None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str] | None:
    parts: list[str] = []
    names: set[str] = set()
    tokens = list(_TOKEN.finditer(pattern.strip()))
    for token, following in zip_longest(tokens, tokens[1:]):
        if token[2] is None:
            literal = token[1].replace("''", "'") or "'" if token[1] is not None else token[0]
            parts.append(r"\s+" if literal.isspace() else re.escape(literal))
            continue
        part = _compile_field(token[2], len(token[0]), fixed=following is not None and following[2] is not None)
        name = part and part[0]
        if part is None or name in names:
            return None
        names.add(part[0])
        parts.append(f"(?P<{part[0]}>{part[1]})")
    return re.compile("".join(parts))


def _compile_field(letter: str, count: int, *, fixed: bool) -> tuple[str, str] | None:
    """The name of a field and what it looks like. Of `fixed` width are digits that others follow at once."""
    if letter in _YEARS:
        return "year", r"\d{2}" if count == 2 else r"\d{4}"
    if letter in _MONTHS and count > 2:
        return "name", _NAME
    if letter == "E":
        return "weekday", _NAME
    if letter in _ZONES:
        return "zone", _ZONE
    if letter == "a":
        return "noon", "[AaPp]\\.?[Mm]\\.?"
    if letter == "S":
        return "fraction", r"\d{1,9}"
    name = "month" if letter in _MONTHS else _NUMBERS.get(letter)
    if name is None:
        return None
    return name, rf"\d{{{count}}}" if fixed else r"\d{1,2}"


def _write(found: Mapping[str, str]) -> str | None:
    day, month, name, year = (found.get(key) for key in ("day", "month", "name", "year"))
    hour = _find_hour(found)
    if day is None or hour is None:
        return None
    clock = f"{hour:02}:{int(found.get('minute', 0)):02}:{int(found.get('second', 0)):02}"
    clock += f".{found['fraction']}" if "fraction" in found else ""
    zone = f" {found['zone']}" if "zone" in found else ""
    if year is not None:
        year = f"20{year}" if len(year) == 2 else year
    if name is not None:
        return " ".join(filter(None, (name, day, year, clock))) + zone
    if month is None:
        return None
    if year is not None:
        return f"{year}-{int(month):02}-{int(day):02} {clock}{zone}"
    return f"{int(month):02}/{int(day):02}-{clock}" if not zone else None


def _find_hour(found: Mapping[str, str]) -> int | None:
    if "half" in found and "noon" in found:
        return int(found["half"]) % 12 + (12 if found["noon"][0] in "pP" else 0)
    hour = int(found["hour"]) if "hour" in found else None
    return 0 if hour == 24 else hour
