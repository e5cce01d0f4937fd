"""What goes wrong with operators' commands, and how it travels through the socket. Pure."""

from collections.abc import Mapping
from typing import Any

from itop_bridge.errors import BridgeError, ConfigurationError


class ControlError(BridgeError):
    """The operation was not carried out."""


class RequestError(ControlError):
    """The request is not one that there is."""


class SocketError(ControlError):
    """The daemon cannot be spoken to."""


def describe_error(error: Exception) -> dict[str, Any]:
    """An error as JSON: `{"kind", "message", "problems"}`. Of a bug, its type stands in the message."""
    if isinstance(error, ConfigurationError):
        return {"kind": "configuration", "message": str(error), "problems": error.problems}
    if isinstance(error, RequestError):
        return {"kind": "request", "message": str(error)}
    if isinstance(error, BridgeError):
        return {"kind": "failed", "message": str(error)}
    told = f"{type(error).__name__}: {error}"
    return {"kind": "bug", "message": f"a mistake of the bridge's, which its log tells: {told}"}


def restore_error(told: Mapping[str, Any]) -> BridgeError:
    """The error that `describe_error` described; a ConfigurationError is one again."""
    if told.get("kind") == "configuration":
        return ConfigurationError([str(problem) for problem in told.get("problems", ())])
    message = str(told.get("message") or "the daemon says nothing of what went wrong")
    return RequestError(message) if told.get("kind") == "request" else ControlError(message)
