"""What came back from iTop: an answer, or the error that it is. Pure.

HTTP 200 says nothing: every error of iTop's own, bad logins included, comes as 200 with a `code` (transcripts 021-031).
"""

import email.utils
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import aiohttp

from itop_bridge.itop.error import (
    CredentialsError,
    ITopError,
    MaintenanceError,
    NoReplyError,
    NotSentError,
    RequestError,
    ServerError,
    ThrottledError,
)
from itop_bridge.itop.refusal import parse_refusal, shorten
from itop_bridge.system_error import explain_error

_LONGEST_RETRY_AFTER_S = 3600.0
_TOTAL = re.compile(r"(?:Found|(?:SIMULATING: )?Deleted): (\d{1,18})\b", re.ASCII)
_WRITES = frozenset({"core/create", "core/update", "core/apply_stimulus"})


@dataclass(frozen=True, slots=True)
class Object:
    """One object of an answer. All scalars in `fields` are texts, with few exceptions, as iTop sends them."""

    iclass: str
    key: int
    fields: Mapping[str, Any]
    message: str
    """iTop's word on it: created, updated, or nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What iTop answered with code 0."""

    message: str | None
    objects: tuple[Object, ...]
    total: int | None
    """Of a get: how many were found, which may be more than were asked for. Of a delete: how many are gone, or would
    be, without those that iTop removes with them; these stand in `objects` too."""
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of get_related: from `Farm::7` to what it reaches, `("VirtualMachine::8",)`."""
    operations: Mapping[str, str] = field(default_factory=dict)
    """Of list_operations: what iTop offers, with its description."""
    authorized: bool | None = None
    """Of check_credentials."""

    def __iter__(self) -> Iterator[Object]:
        return iter(self.objects)


def parse_answer(status: int, headers: Mapping[str, str], body: bytes, request: Mapping[str, Any]) -> Answer:
    """The answer to `request` (what was sent as `json_data`). Raises exactly one ITopError if it is none."""
    if status != 200:
        _raise_status(status, {name.lower(): value for name, value in headers.items()}, body)
    if not body:
        raise NoReplyError("iTop's answer is empty", status=status)
    decoded = _decode(body)
    code = decoded.get("code") if isinstance(decoded, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        raise ServerError(f"not an answer of iTop's: {shorten(_text(body))}", status=status)
    message = decoded.get("message")
    if code != 0:
        raise parse_refusal(code, str(message), request)
    try:
        objects = tuple(_parse_object(each) for each in (decoded.get("objects") or {}).values())
        relations = _parse_relations(decoded.get("relations") or {})
        operations = {str(each["verb"]): str(each["description"]) for each in decoded.get("operations") or ()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ServerError(f"iTop's answer has objects of an unknown shape: {error!r:.200}", status=status) from error
    if not objects and request.get("operation") in _WRITES:
        raise ServerError("iTop's answer to a write shows no object", code=0, status=status)
    return Answer(message, objects, _parse_total(message), relations, operations, decoded.get("authorized"))


def translate_exception(error: Exception) -> ITopError:
    """What an exception of aiohttp's says about the call; the caller raises it `from` the exception.

    aiohttp repeats a request by itself only for idempotent methods: a POST was sent at most once.
    """
    text = _describe(error)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return RequestError("iTop's address is not a URL that can be called")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotSentError("no connection to iTop in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        proxy = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
        return NotSentError(f"no connection to {proxy}{error.host}:{error.port}: {text}")
    if isinstance(error, aiohttp.ServerFingerprintMismatch | ConnectionRefusedError):
        return NotSentError(f"no connection to iTop: {text}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return NotSentError(f"the proxy did not connect to iTop: {error.status} {error.message}")
    if isinstance(error, TimeoutError):
        return NoReplyError("no answer from iTop in time")
    return NoReplyError(f"no whole answer from iTop: {text}")


def _describe(error: Exception) -> str:
    # not str(): aiohttp puts the URL into some, and a proxy's URL may hold a password
    if isinstance(error, aiohttp.ClientResponseError):
        return shorten(f"{error.status} {error.message}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return shorten(f"its certificate is not trusted: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return shorten(explain_error(error.os_error))
    if isinstance(error, OSError) and str(error):
        return shorten(explain_error(error))
    return shorten(f"{type(error).__name__}: {error}")


def _raise_status(status: int, headers: Mapping[str, str], body: bytes) -> NoReturn:
    if status == 429:
        retry_after_s = parse_retry_after(headers.get("retry-after"), headers.get("date"))
        raise ThrottledError("iTop's front asks to slow down", retry_after_s=retry_after_s, status=status)
    if status in (401, 403):
        raise CredentialsError(f"HTTP {status}: {shorten(_text(body))}", status=status)
    if status == 413:
        # refused before iTop sees it (transcript 439)
        raise RequestError("the call is larger than iTop's front accepts", status=status)
    if status == 503 and _is_maintenance(_decode(body)):
        raise MaintenanceError(status=status)
    raise ServerError(f"HTTP {status}: {shorten(_text(body))}", status=status)


def _is_maintenance(decoded: Any) -> bool:
    """Told by the shape, since a site may word the message: code 100, nested since iTop 3.1 (transcripts 418-421)."""
    if not isinstance(decoded, dict):
        return False
    nested = decoded.get("data")
    entries = [decoded, *(nested if isinstance(nested, list) else [])]
    return any(isinstance(entry, dict) and entry.get("code") == 100 for entry in entries)


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds to wait, 0 to an hour, from a Retry-After in seconds or as a date held against the answer's own `Date`.

    None if there is none, or none that can be read.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # ten digits are an hour by far, and int() of thousands would fail
        return min(float(int(value[:10])), _LONGEST_RETRY_AFTER_S)
    until, now = _parse_date(value), _parse_date(date)
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_RETRY_AFTER_S)


def _parse_date(value: str | None) -> datetime | None:
    try:
        parsed = email.utils.parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def _parse_object(shown: Mapping[str, Any]) -> Object:
    fields = shown.get("fields") or {}
    if not isinstance(fields, dict):
        raise TypeError("fields are no object")
    return Object(str(shown["class"]), int(shown["key"]), fields, str(shown.get("message") or ""))


def _parse_relations(shown: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {origin: tuple(str(each["key"]) for each in reached) for origin, reached in shown.items()}


def _parse_total(message: Any) -> int | None:
    found = _TOTAL.match(str(message))
    return int(found[1]) if found else None


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _text(body: bytes) -> str:
    return body[:4000].decode("utf-8", "replace")
