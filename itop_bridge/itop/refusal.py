"""What iTop means when it answers with a code other than 0. Pure.

The messages echo what was sent, alert text included: each pattern is held against the message's beginning, and the
database's error is looked for at its end, so that no text can pass for another error.
"""

import re
from collections.abc import Mapping
from typing import Any

from itop_bridge.itop.error import (
    ConditionError,
    CredentialsError,
    DatabaseError,
    FieldError,
    ITopError,
    LogFullError,
    NotAllowedError,
    ObjectGoneError,
    RefusedError,
    RequestError,
    StimulusError,
    TooLongError,
)

_LONGEST_MESSAGE = 300

_REQUEST_CODES = frozenset({2, 3, 4, 10, 11, 13})
"""No version, no json_data, bad JSON, unknown version, unknown verb, bad page (transcripts 006-020, 238)."""

# iTop 2.7 has no label (transcript 889); a label is in the user's language and may hold a quote
_VALUE = re.compile(r"Unexpected value for attribute '(?:.{0,200}?' \((?P<code>\w+)\) : |(?P<bare>\w+)': )(?P<what>.*)")
_ISSUE = re.compile(r"\d+=>Unexpected value for attribute '(?:[^;]{0,200}?' \((\w+)\) : |(\w+)': )([\w ]+)")
_UNKNOWN_OUTPUT = re.compile(r"output_fields: invalid attribute code '(?P<field>\w+)'")
_STIMULUS = re.compile(r"Invalid stimulus: '(?P<stimulus>\w+)' on the object .* in state '(?P<state>\w+)'$")
_MISSING = "Missing mandatory attribute(s) for applying the stimulus: "
_OWN_KEY = re.compile(r"Invalid object \w+::\d+$")
_INNER = re.compile(r"^(?:\w+: )+")
_COLUMN = re.compile(r"Data too long for column '(?P<column>\w+)'")

_OUR_FAULT = (
    "Missing parameter",
    "Missing query argument",
    "Query failed to execute",
    "Several items found",
    "Wrong format for key",
    "class: ",
    "output_fields: ",
)

_VALUE_REASONS = {
    "Null not allowed": "null_not_allowed",
    "Value not allowed": "value_not_allowed",
    "Wrong format": "wrong_format",
}
_FIELD_REASONS = {
    "Invalid object": "not_found",
    "No item found": "not_found",
    "Several items found": "ambiguous",
    "Unknown attribute": "unknown_attribute",
    "Wrong format": "wrong_format",
    "Missing": "wrong_format",
    "A link set must be defined": "wrong_format",
    "Expecting an OQL query": "wrong_format",
    "Unexpected token": "wrong_format",
}


def shorten(text: str) -> str:
    """The text on one line, at most 300 characters."""
    line = " ".join(text[: _LONGEST_MESSAGE * 4].split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def parse_refusal(code: int, message: str, request: Mapping[str, Any]) -> ITopError:
    """The error that a code (never 0) with its message is, for the call `request`."""
    # errors thrown inside iTop have the prefix, those that a verb returns have not
    text = message.removeprefix("Error: ").strip()
    if code in _REQUEST_CODES:
        return RequestError(shorten(text), code=code)
    if code == 1:
        return _parse_unauthorized(text, request)
    if code > 100 or text.startswith("Failed to issue SQL query"):
        # on a create, MySQL's number is the code itself (transcripts 184, 433)
        return _parse_database(code, text, request)
    return (
        _parse_value(text)
        or _parse_stimulus(text, request)
        or _parse_key(text)
        or _parse_field(text, request)
        or RefusedError(shorten(text), code=code)
    )


def _parse_unauthorized(text: str, request: Mapping[str, Any]) -> ITopError:
    if "not have enough permissions" in text:
        return NotAllowedError(shorten(text), code=1)
    # "public_log: Only administrators can set the user id" (transcript 261)
    return _parse_field(text, request, code=1) or CredentialsError(shorten(text), code=1)


def _parse_database(code: int, text: str, request: Mapping[str, Any]) -> ITopError:
    head, _, tail = text.rpartition(", mysql_errno = ")
    number, found, reason = tail.partition(", mysql_error = ")
    told = int(number) if found and number.isdecimal() and len(number) < 10 else None
    errno = told or (code if code > 100 else None)
    shown = f"MySQL {errno or '?'}: {shorten(reason.rstrip('}') if found else head or text)}"
    if errno == 1406:
        return _parse_too_long(code, shown, _COLUMN.match(reason), request)
    if errno == 1290:
        return NotAllowedError(shown, code=code)
    return DatabaseError(shown, errno=errno, code=code)


def _parse_too_long(code: int, shown: str, found: re.Match[str] | None, request: Mapping[str, Any]) -> ITopError:
    column = found["column"] if found else None
    if column and request.get("operation") != "core/create" and _is_log(column, request):
        return LogFullError(shown, column=column, code=code)
    return TooLongError(shown, field=column, code=code)


def _is_log(column: str, request: Mapping[str, Any]) -> bool:
    """A log has two columns: its text, and an index of its entries, which is full first (transcript 500)."""
    attribute = column.removesuffix("_index")
    value = _fields(request).get(attribute)
    return value is not None and (attribute != column or isinstance(value, Mapping))


def _parse_value(text: str) -> ITopError | None:
    if not (found := _VALUE.match(text)):
        return None
    field, what = found["code"] or found["bare"], found["what"]
    if what.startswith("String too long"):
        return TooLongError(shorten(text), field=field, code=100)
    issues = tuple(
        (a or b, _reason(why, _VALUE_REASONS)) for a, b, why in _ISSUE.findall(text.partition(": issues = ")[2])
    )
    return FieldError(shorten(text), field=field, reason=_reason(what, _VALUE_REASONS), code=100, issues=issues)


def _parse_stimulus(text: str, request: Mapping[str, Any]) -> ITopError | None:
    if found := _STIMULUS.match(text):
        return StimulusError(shorten(text), stimulus=found["stimulus"], state=found["state"], code=100)
    if text.startswith(_MISSING):
        missing = tuple(text.removeprefix(_MISSING).rstrip(".").split(", "))
        stimulus = str(request.get("stimulus", ""))
        return StimulusError(shorten(text), stimulus=stimulus, missing=missing, code=100)
    return None


def _parse_key(text: str) -> ITopError | None:
    """Errors about the call's own key and shape: no field stands before them."""
    if text.startswith("No item found"):
        return ConditionError(shorten(text), code=100)
    if _OWN_KEY.match(text):
        return ObjectGoneError(shorten(text), code=100)
    if found := _UNKNOWN_OUTPUT.match(text):
        return FieldError(shorten(text), field=found["field"], reason="unknown_attribute", code=100)
    return RequestError(shorten(text), code=100) if text.startswith(_OUR_FAULT) else None


def _parse_field(text: str, request: Mapping[str, Any], code: int = 100) -> ITopError | None:
    """`field: what`, also nested: the first is the one that the call names (transcripts 100-126)."""
    field, found, what = text.partition(": ")
    if not found or field not in _fields(request):
        return None
    reason = _reason(_INNER.sub("", what), _FIELD_REASONS)
    return FieldError(shorten(text), field=field, reason=reason, code=code)


def _reason(what: str, reasons: Mapping[str, str]) -> str:
    return next((reason for start, reason in reasons.items() if what.startswith(start)), "other")


def _fields(request: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = request.get("fields")
    return fields if isinstance(fields, Mapping) else {}
