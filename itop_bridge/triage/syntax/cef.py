"""ArcSight's CEF: `CEF:0|vendor|product|version|signature|name|severity|key=value …`, also behind a syslog header."""

import re
from collections.abc import Callable
from typing import Any

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.text import add_marks, decode_text, find_records, parse_syslog, split_header

_START = re.compile(r"CEF:[0-9]{1,9}\|")
_FIELDS = ("version", "vendor", "product", "product_version", "signature_id", "name", "severity")
# a severity that is followed by one more | shows that a | too many stands before it
_SEVERITY = re.compile(r"\s*(?:[0-9]+(?:\.[0-9]+)?|unknown|low|medium|high|very-high)\s*\|", re.IGNORECASE)
_KEY = re.compile(r"(?<!\S)([A-Za-z0-9_.\-\[\]]+)=")
_ESCAPE = re.compile(r"\\([=\\|nr])")
_BREAKS = {"n": "\n", "r": "\r"}
_LABEL = "Label"


def decode_cef(payload: bytes) -> list[Any | ElementError]:
    """The records of a payload, in order, each an object; never empty, never raises.

    Its keys: version, vendor, product, product_version, signature_id, name, severity, `extension` (an object of the
    pairs), `custom` (the values of `cs1` and the like by what `cs1Label` says), and those of `text.add_marks`. Lines
    that continue a record may be part of a value. Reasons: empty_payload, header_missing, header_incomplete.
    """
    try:
        text, repaired = decode_text(payload)
    except ElementError as error:
        return [error]
    return [_parse(line, prefix, record, repaired=repaired) for line, prefix, record in find_records(text, _START)]


def _parse(line: int, prefix: str, record: str, *, repaired: bool) -> dict[str, Any] | ElementError:
    if not record:
        return ElementError("header_missing", f"line {line}: no record begins with CEF:0|")
    if prefix == '"':
        record = record.removesuffix('"')
    header = split_header(record, len(_FIELDS))
    if header is None:
        return ElementError("header_incomplete", f"line {line}: fewer than {len(_FIELDS)} fields end with |")
    fields, rest = header
    shifted = not fields[1] and _SEVERITY.match(rest) is not None
    if shifted:
        severity, _, rest = rest.partition("|")
        fields = [fields[0], *fields[2:], severity.strip()]
    value: dict[str, Any] = dict(zip(_FIELDS, fields, strict=True))
    value["version"] = value["version"].removeprefix("CEF:")
    extension = split_extension(rest, _unescape_value)
    value["extension"] = extension
    if custom := _name_custom(extension):
        value["custom"] = custom
    marks = {"encoding": repaired and "\ufffd" in record, "header": shifted}
    return add_marks(value, parse_syslog(prefix), marks)


def split_extension(text: str, unescape: Callable[[str], str]) -> dict[str, str]:
    """The pairs: a value runs to the next key, and of two equal keys the first counts. Empty values are absent."""
    pieces = _KEY.split(text)
    extension: dict[str, str] = {}
    for key, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        value = piece.strip()
        if not value or key in extension:
            continue
        if value[0] == '"' and value[-1] == '"' and len(value) > 1:
            value = value[1:-1]
        extension[key] = unescape(value) if "\\" in value else value
    return extension


def _unescape_value(text: str) -> str:
    return _ESCAPE.sub(_unescape, text)


def _unescape(escape: re.Match[str]) -> str:
    return _BREAKS.get(escape[1], escape[1])


def _name_custom(extension: dict[str, str]) -> dict[str, str]:
    custom: dict[str, str] = {}
    for key, label in extension.items():
        if key.endswith(_LABEL) and (value := extension.get(key.removesuffix(_LABEL))) is not None:
            custom.setdefault(label, value)
    return custom
