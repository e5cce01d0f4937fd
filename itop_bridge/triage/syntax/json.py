"""JSON, strict: one value, or several one after the other (NDJSON, or pretty-printed)."""

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from itop_bridge.errors import ElementError

_BLANK = b" \t\r\n\v\f\0"
_BOM = b"\xef\xbb\xbf"
# a string that is not closed runs to the end: else each quote in it would be tried anew
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_SAMPLE = 20


def decode_json(payload: bytes) -> list[Any | ElementError]:
    """The values of a payload, in order; never empty, never raises.

    A bad line of NDJSON is one error and the others go on; otherwise what follows a syntax error is one error.
    Reasons: empty_payload, invalid_encoding, invalid_json, too_deep (over 1,024 levels, which is orjson's limit).
    """
    try:
        return [orjson.loads(payload)]
    except orjson.JSONDecodeError:
        return _decode_again(payload)


def _decode_again(payload: bytes) -> list[Any | ElementError]:
    """The same for what is not one value as it stands."""
    body = payload.strip(_BLANK).removeprefix(_BOM).strip(_BLANK)
    if not body:
        return [ElementError("empty_payload", "no bytes, or only white space")]
    whole = _decode(body)
    if not isinstance(whole, ElementError):
        return [whole]
    if _is_ndjson(body):
        return [_decode(line) for line in _lines(body)]
    return _decode_sequence(body) or [whole]


def _decode(text: bytes) -> Any | ElementError:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _explain(error)


def _explain(error: orjson.JSONDecodeError) -> ElementError:
    """orjson has one class of error: its messages, held by a test, tell the reasons apart."""
    if error.msg.startswith("depth limit"):
        return ElementError("too_deep", "more than 1,024 levels")
    if "not valid UTF-8" in error.msg:
        return ElementError("invalid_encoding", "the payload is not UTF-8")
    return ElementError("invalid_json", str(error))


def _lines(body: bytes) -> Iterator[bytes]:
    return (line for line in io.BytesIO(body) if line.strip(_BLANK))


def _is_ndjson(body: bytes) -> bool:
    """Whether at least half of the first lines are objects or arrays by themselves."""
    if b"\n" not in body:
        return False
    lines = list(islice(_lines(body), _SAMPLE))
    whole = sum(isinstance(_decode(line), dict | list) for line in lines)
    return len(lines) > 1 and 2 * whole >= len(lines)


def _decode_sequence(body: bytes) -> list[Any | ElementError]:
    """Objects and arrays one after the other, up to the first that is wrong; empty if that is the first."""
    values: list[Any | ElementError] = []
    start = 0
    while start < len(body):
        end = _find_end(body, start)
        value = _decode(body[start:end])
        if isinstance(value, ElementError):
            return [*values, value] if values else []
        values.append(value)
        start = end
        while start < len(body) and body[start] in _BLANK:
            start += 1
    return values


def _find_end(body: bytes, start: int) -> int:
    """Where the object or array that begins at `start` ends; the end of the payload if it has none.

    Brackets are only counted: whether they match is orjson's matter.
    """
    depth = 0
    if body[start] not in b"{[":
        return len(body)
    for token in _STRING_OR_BRACKET.finditer(body, start):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(body)
