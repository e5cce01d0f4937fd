"""An exchange over HTTP as it is recorded: as JSON, without passwords and cookies. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

_HIDDEN = "***"
_SECRETS = frozenset({"auth_pwd", "auth_token"})
_HEADERS = ("Content-Type", "Retry-After")


def describe_request(
    method: str, path: str, query: Mapping[str, str], form: Mapping[str, str], authorization: str = ""
) -> dict[str, Any]:
    """The request; `json_data` is shown as what it holds."""
    auth, user = _describe_login(query, form, authorization)
    return {
        "method": method,
        "path": path,
        "query": {name: _show(name, value) for name, value in query.items()},
        "auth": auth,
        "user": user,
        "form": {name: _show(name, value) for name, value in form.items()},
    }


def describe_response(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The response; JSON is shown as what it holds, anything else as text."""
    shown = {name: headers[name] for name in _HEADERS if name in headers}
    return {"status": status, "headers": shown, "body": _parse_body(body)}


def _show(name: str, value: str) -> Any:
    if name in _SECRETS:
        return _HIDDEN
    if name != "json_data":
        return value
    try:
        request = json.loads(value)
    except (ValueError, RecursionError):
        return _HIDDEN if "password" in value else value  # what cannot be read may hold one
    if isinstance(request, dict) and "password" in request:
        request["password"] = _HIDDEN
    return request if isinstance(request, dict) else value


def _describe_login(query: Mapping[str, str], form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """The way of logging in, and the user."""
    if "auth_user" in form:
        return "form", form["auth_user"]
    if "auth_user" in query:
        return "url", query["auth_user"]
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return scheme.lower() or "none", ""
    try:
        return "basic", base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return "basic", ""


def _parse_body(body: bytes) -> Any:
    text = body.decode("utf-8", "backslashreplace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
