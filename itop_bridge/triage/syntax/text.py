"""What the text syntaxes share: bytes as text, records, syslog headers, escapes. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from itop_bridge.errors import ElementError

SYSLOG = "@syslog"
"""The key of what a syslog header says: an object of `time` and `host`, each absent if it is not there."""
REPAIRED = "@repaired"
"""The key of what was not as it should be: an object of `encoding`, `header` or `quote`, each true."""

BLANK = " \t\r\n\v\f\0\ufeff"
"""What is removed at both ends of a payload."""
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# RFC 3164, and RFC 5424, whose version is 1
_RFC_3164 = re.compile(rf"(?:<\d{{1,3}}>)?\s*({_MONTH} +\d{{1,2}} \d\d:\d\d:\d\d)(?:\s+(\S*[^\s:]))?(?=\s)", re.ASCII)
_RFC_5424 = re.compile(r"<\d{1,3}>1 +(\S{1,80}) +(\S{1,255})(?=\s|$)", re.ASCII)
_PIPED = re.compile(r"[^|\\]*+(?:\\.?[^|\\]*+)*+", re.DOTALL)
_ESCAPE_OF_FIELD = re.compile(r"\\([|\\])")


def decode_text(payload: bytes) -> tuple[str, bool]:
    """The text without white space, NUL and a byte order mark at its ends, and whether bytes that are not UTF-8 became
    U+FFFD. Raises ElementError: empty_payload."""
    try:
        text, repaired = payload.decode(), False
    except UnicodeDecodeError:
        text, repaired = payload.decode(errors="replace"), True
    text = text.strip(BLANK)
    if not text:
        raise ElementError("empty_payload", "no bytes, or only white space")
    return text, repaired


def parse_syslog(prefix: str) -> dict[str, str]:
    """`time` and `host` of the syslog header that a text begins with, as they are written; none of another prefix."""
    header = _RFC_5424.match(prefix) or _RFC_3164.match(prefix)
    if header is None:
        return {}
    return {
        key: value for key, value in zip(("time", "host"), header.groups(), strict=True) if value not in (None, "-")
    }


def add_marks(value: dict[str, Any], syslog: Mapping[str, str], repaired: Mapping[str, bool]) -> dict[str, Any]:
    """The value with what its syslog header says and what had to be repaired, where there is anything."""
    if syslog:
        value[SYSLOG] = dict(syslog)
    marks = {name: True for name, is_so in repaired.items() if is_so}
    if marks:
        value[REPAIRED] = marks
    return value


def find_records(text: str, start: re.Pattern[str]) -> list[tuple[int, str, str]]:
    """The records of a text: the line where each begins, what stands before it there, and the rest up to the next one.

    A record begins with `start`: at the start of a line, after one `"`, or after a header that ends in blank or colon.
    Lines before the first are a record "".
    """
    begins = _find_begins(text, start)
    heads = [text.rfind("\n", 0, begin) + 1 for begin in begins]
    ends = [*heads[1:], len(text)] if heads else []
    records = [] if heads and heads[0] == 0 else [(1, text[: heads[0]] if heads else text, "")]
    line, counted = 1, 0
    for begin, head, end in zip(begins, heads, ends, strict=True):
        line += text.count("\n", counted, head)
        counted = head
        records.append((line, text[head:begin], text[begin:end].strip(BLANK)))
    return records


def _find_begins(text: str, start: re.Pattern[str]) -> list[int]:
    begins: list[int] = []
    position = 0
    while found := start.search(text, position):
        if _may_precede(text, found.start()):
            begins.append(found.start())
            position = text.find("\n", found.end())
            if position < 0:
                break
        else:
            position = found.end()
    return begins


def _may_precede(text: str, begin: int) -> bool:
    """Whether a record may begin here: at the start of a line, after one `"`, a blank or a colon."""
    before = text[begin - 1 : begin]
    return before in ("", "\n", " ", "\t", ":") or (before == '"' and text[begin - 2 : begin - 1] in ("", "\n"))


def split_header(record: str, count: int) -> tuple[list[str], str] | None:
    """The first `count` fields, each ended by a `|` without a backslash, unescaped and trimmed, and what follows.

    None if there are fewer.
    """
    parts = record.split("|", count)
    if len(parts) > count and not any("\\" in part for part in parts[:count]):
        return [part.strip() for part in parts[:count]], parts[count]
    fields: list[str] = []
    position = 0
    for _ in range(count):
        field = _PIPED.match(record, position)
        if field is None or field.end() >= len(record):
            return None
        fields.append(_ESCAPE_OF_FIELD.sub(r"\1", field[0]).strip())
        position = field.end() + 1
    return fields, record[position:]
