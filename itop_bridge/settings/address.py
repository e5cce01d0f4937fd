"""Addresses: where iTop is, and where the console listens."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainSerializer, PlainValidator, Strict, WithJsonSchema


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_listen(value: Any) -> Listen | None:
    """`127.0.0.1:8765`, `[::1]:8765`; None for `off`, which YAML reads as false. Raises ValueError."""
    if value is None or value is False or value == "off" or isinstance(value, Listen):
        return value if isinstance(value, Listen) else None
    host, _, port = str(value).rpartition(":") if isinstance(value, str) else ("", "", "")
    bracketed = host.startswith("[") and host.endswith("]")
    if host and port.isascii() and port.isdigit() and int(port) < 65_536 and (bracketed or ":" not in host):
        return Listen(host.strip("[]"), int(port))
    raise ValueError("must be host:port (127.0.0.1:8765, or [::1]:8765) or off")


def parse_url(text: str) -> str:
    """iTop's address, without a slash at its end. Raises ValueError, without the address: it may hold a password."""
    try:
        url = urlsplit(text)
        port_fits = url.port is None or url.port > 0
    except ValueError as error:
        raise ValueError("is not an address: expected https://itop.example or https://itop.example/itop") from error
    printable = text.isprintable() and " " not in text
    if url.scheme not in ("http", "https") or not url.hostname or not port_fits or not printable:
        raise ValueError("must be an address such as https://itop.example or https://itop.example/itop")
    if url.username is not None or url.password is not None:
        raise ValueError("must not hold a user or password: they are keys of their own")
    if "?" in text or "#" in text:
        raise ValueError("must not hold ? or #: name the folder that iTop is installed in")
    if url.path.rstrip("/").endswith("/webservices/rest.php"):
        raise ValueError("must name iTop itself: leave out /webservices/rest.php")
    return text.rstrip("/")


Url = Annotated[
    str, Strict(), AfterValidator(parse_url), WithJsonSchema({"type": "string", "pattern": "^https?://[^?#]+$"})
]

ListenField = Annotated[
    Listen | None,
    PlainValidator(parse_listen),
    PlainSerializer(lambda listen: str(listen) if listen else "off"),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"const": False}]}),
]
