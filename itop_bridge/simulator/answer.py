"""What goes back over the wire: iTop's JSON as PHP writes it, and the pages of everything that can stand before it."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.release import Release

_HTML = "text/html; charset=UTF-8"
_UNDER_MAINTENANCE = {"code": 100, "message": "This application is currently under maintenance."}
_NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)


class Delivery(enum.Enum):
    """How an answer reaches the client, or does not."""

    SEND = enum.auto()
    CLOSE = enum.auto()
    RESET = enum.auto()
    HANG = enum.auto()
    TRUNCATE = enum.auto()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.SEND


PHP_FATAL = Answer(500, _HTML, b"<p>iTop: An error occurred, check server error log for more information.</p>\n")
NOT_FOUND = Answer(404, _HTML, b"File not found.\n")
TOO_LARGE = Answer(413, "text/html", _NGINX.format("413 Request Entity Too Large").encode())


def encode_json(value: Any) -> bytes:
    """As PHP's json_encode: `\\uXXXX` for all that is not ASCII, and `\\/` (transcript 049)."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def make_json(value: Any, callback: str = "") -> Answer:
    """The answer of the REST service; JSONP where a callback is asked for."""
    body = encode_json(value)
    if callback:
        return Answer(200, "application/javascript", callback.encode() + b"(" + body + b");")
    return Answer(200, "application/json", body)


def make_page(fault: Fault, release: Release) -> Answer | None:
    """The answer of a fault that stands in for iTop's; None for the other faults. Transcripts 418-440."""
    match fault.kind:
        case Kind.HTTP_500:
            return PHP_FATAL
        case Kind.HTTP_502:
            return Answer(502, "text/html", _NGINX.format("502 Bad Gateway").encode())
        case Kind.HTTP_503:
            return Answer(503, "text/html", _NGINX.format("503 Service Temporarily Unavailable").encode())
        case Kind.HTML_200:
            return Answer(200, _HTML, b"<!DOCTYPE html><html><body><form>Please log in</form></body></html>\n")
        case Kind.MAINTENANCE if release.nests_maintenance:
            return Answer(503, body=encode_json({"data": [_UNDER_MAINTENANCE], "scripts": []}))
        case Kind.MAINTENANCE | Kind.MAINTENANCE_27:
            return Answer(503, body=encode_json(_UNDER_MAINTENANCE))
        case Kind.RATE_LIMIT:
            page = _NGINX.format("429 Too Many Requests").encode()
            return Answer(429, "text/html", page, {"Retry-After": fault.retry_after})
    return None


def spoil(answer: Answer, fault: Fault, release: Release) -> Answer:
    """The answer as the fault lets it through, after the call was carried out."""
    match fault.kind:
        case Kind.RESET_AFTER:
            return Answer(delivery=Delivery.RESET)
        case Kind.TIMEOUT_AFTER | Kind.LATE:
            return Answer(delivery=Delivery.HANG)
        case Kind.TRUNCATE:
            return Answer(answer.status, answer.content_type, answer.body, delivery=Delivery.TRUNCATE)
        case Kind.BAD_GZIP:
            return Answer(answer.status, answer.content_type, answer.body, {"Content-Encoding": "gzip"})
    return make_page(fault, release) or answer
