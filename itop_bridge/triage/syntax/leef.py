"""IBM's LEEF: `LEEF:2.0|vendor|product|version|event id|delimiter|key=value…`, perhaps behind a syslog header."""

import re
from typing import Any

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.cef import split_extension
from itop_bridge.triage.syntax.text import add_marks, decode_text, find_records, parse_syslog, split_header

_START = re.compile(r"LEEF:[0-9]{1,4}(?:\.[0-9]{1,4})?\|")
_FIELDS = ("version", "vendor", "product", "product_version", "event_id")
_HEX = re.compile(r"0?[xX]([0-9a-fA-F]{1,4})")
_TAB = "\t"
_EQUALS = re.compile(r"[^=\\]*+(?:\\.?[^=\\]*+)*+", re.DOTALL)
_ESCAPE = re.compile(r"\\([=\\])")


def decode_leef(payload: bytes) -> list[Any | ElementError]:
    """The records of a payload, in order, each an object; never empty, never raises.

    Its keys: version, vendor, product, product_version, event_id, `extension` (an object of the pairs), and those of
    `text.add_marks`. Reasons: empty_payload, header_missing, header_incomplete.
    """
    try:
        text, repaired = decode_text(payload)
    except ElementError as error:
        return [error]
    return [_parse(line, prefix, record, repaired=repaired) for line, prefix, record in find_records(text, _START)]


def _parse(line: int, prefix: str, record: str, *, repaired: bool) -> dict[str, Any] | ElementError:
    if not record:
        return ElementError("header_missing", f"line {line}: no record begins with LEEF:1.0| or LEEF:2.0|")
    if prefix == '"':
        record = record.removesuffix('"')
    header = split_header(record, len(_FIELDS))
    if header is None:
        return ElementError("header_incomplete", f"line {line}: fewer than {len(_FIELDS)} fields end with |")
    fields, rest = header
    value: dict[str, Any] = dict(zip(_FIELDS, fields, strict=True))
    value["version"] = value["version"].removeprefix("LEEF:")
    delimiter, rest = (_TAB, rest) if value["version"].startswith("1") else _take_delimiter(rest)
    value["extension"] = _split_pairs(rest, delimiter) if delimiter in rest else split_extension(rest, _unescape)
    return add_marks(value, parse_syslog(prefix), {"encoding": repaired and "\ufffd" in record})


def _take_delimiter(text: str) -> tuple[str, str]:
    """The delimiter that 2.0 has before its pairs, and the pairs. Where there is none, it is the tabulator."""
    field, bar, rest = text.partition("|")
    if bar and len(field) <= 1:
        return field or _TAB, rest
    code = _HEX.fullmatch(field.strip()) if bar else None
    return (chr(int(code[1], 16)), rest) if code else (_TAB, text)


def _split_pairs(text: str, delimiter: str) -> dict[str, str]:
    """The pairs; a piece that is none belongs to the value before it, and of two equal keys the first counts."""
    pairs: list[tuple[str, list[str]]] = []
    for piece in text.split(delimiter):
        key = _find_key(piece)
        if key is not None:
            pairs.append((piece[:key].strip(), [piece[key + 1 :]]))
        elif pairs:
            pairs[-1][1].append(piece)
    extension: dict[str, str] = {}
    for name, pieces in pairs:
        while len(pieces) > 1 and not pieces[-1].strip():  # a delimiter more than there are pairs
            pieces.pop()
        value = delimiter.join(pieces).strip()
        if value and name not in extension:
            extension[name] = _unescape(value) if "\\" in value else value
    return extension


def _unescape(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _find_key(piece: str) -> int | None:
    """Where the first unescaped `=` of a pair stands, if a key stands before it."""
    if "\\" not in piece:
        end = piece.find("=")
    else:
        found = _EQUALS.match(piece)
        end = found.end() if found and found.end() < len(piece) else -1
    return end if end > 0 and piece[:end].strip() else None
