"""Lines of `key=value` pairs, as Fortinet's and many other devices write them, perhaps behind a syslog header."""

import re
from typing import Any

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.text import BLANK, add_marks, decode_text, parse_syslog

_PRIORITY = re.compile(r"<[0-9]{1,3}>")
_KEY = r"(?<![^\s,])([A-Za-z_][A-Za-z0-9_.\-]*)="
_QUOTED = r'(")([^"\\]*+(?:\\.?[^"\\]*+)*+)("?)'
_BY_BLANKS = re.compile(rf"{_KEY}(?:{_QUOTED}|(\S*))")
_BY_COMMAS = re.compile(rf"{_KEY}(?:{_QUOTED}|([^,]*))")
# what a comma follows directly, and then the next key, is a list with commas
_FIRST = re.compile(rf"{_KEY}(?:{_QUOTED}|[^\s,]*)(,\s*[A-Za-z_][A-Za-z0-9_.\-]*=)?")
_ESCAPE = re.compile(r'\\(["\\])')


def decode_key_value(payload: bytes) -> list[Any | ElementError]:
    """The lines of a payload, in order, each an object of its pairs; never empty, never raises.

    A value in quotes may hold anything; a bare one ends at a blank, or at a comma if commas stand between the pairs. Of
    two equal keys the first counts, and empty values are absent. Further keys: those of `text.add_marks`. Reasons:
    empty_payload, no_pairs.
    """
    try:
        text, repaired = decode_text(payload)
    except ElementError as error:
        return [error]
    lines = enumerate(text.split("\n"), start=1)
    return [_parse(number, stripped, repaired=repaired) for number, line in lines if (stripped := line.strip(BLANK))]


def _parse(number: int, line: str, *, repaired: bool) -> dict[str, Any] | ElementError:
    priority = _PRIORITY.match(line)
    start = priority.end() if priority else 0
    first = _FIRST.search(line[start:])
    if first is None:
        return ElementError("no_pairs", f"line {number}: no key=value")
    pattern = _BY_COMMAS if first[5] else _BY_BLANKS
    pairs: dict[str, Any] = {}
    unterminated = False
    for key, begin, quoted, end, bare in pattern.findall(line[start:]):
        unterminated |= bool(begin) and not end
        value = _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted or bare.strip()
        if value and key not in pairs:
            pairs[key] = value
    marks = {"encoding": repaired and "\ufffd" in line, "quote": unterminated}
    return add_marks(pairs, parse_syslog(line[: start + first.start()]), marks)
