"""The one module that speaks HTTP with iTop."""

import base64
import io
import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from itop_bridge import __version__
from itop_bridge.crash_point import pass_point
from itop_bridge.errors import ConfigurationError
from itop_bridge.itop.answer import Answer, parse_answer, translate_exception
from itop_bridge.itop.error import NoReplyError, RequestError
from itop_bridge.itop.operation import Operations, is_reading

_PATH = "/webservices/rest.php"
_CONNECT_S = 10.0
_KEEPALIVE_S = 4.0
"""Shorter than Apache's five seconds, so that a call is not sent on a connection that is being closed."""
_CHUNK_BYTES = 1 << 16
_SURROGATE = re.compile("[\ud800-\udfff]")

Auth = Literal["form", "basic", "token"]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where iTop is, and as whom. Raises ConfigurationError, naming what is wrong, but no secret.

    Form fields are the robust way to authenticate: Basic fails behind nginx's stock FastCGI parameters and for a
    password with a colon (transcripts 033, 443-445). A token needs iTop 3.1 with the token extension.
    """

    address: str
    """With or without /webservices/rest.php."""
    user: str = ""
    password: str = field(default="", repr=False)
    version: str = "1.4"
    auth: Auth = "form"
    token: str = field(default="", repr=False)
    timeout_s: float = 30.0
    ca_file: str | PathLike[str] | None = None
    """Instead of the system's own CAs."""
    client_cert_file: str | PathLike[str] | None = None
    client_key_file: str | PathLike[str] | None = None
    max_answer_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if problems := [f"itop: {problem}" for problem in (*_address_problems(self.address), *_auth_problems(self))]:
            raise ConfigurationError(problems)

    @property
    def endpoint(self) -> str:
        """The URL of iTop's REST/JSON API."""
        parts = urlsplit(self.address)
        folder = parts.path.rstrip("/").removesuffix(_PATH).rstrip("/")
        return urlunsplit((parts.scheme, parts.netloc, folder + _PATH, "", ""))


class Client(Operations):
    """Makes calls, each at most once: no redirect is followed, nothing is repeated. `async with Client(...)`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._url = f"{connection.endpoint}?{urlencode({'version': connection.version})}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Raises ConfigurationError if the certificate files cannot be used."""
        self._session = _open_session(self._connection)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """Send one operation. Raises one ITopError; see `error.py` for what each says of what was done."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        body = urlencode({**_form_credentials(self._connection), "json_data": encode_operation(operation)})
        try:
            # a file, since aiohttp writes it in pieces, and a large text at once
            sending = self._session.post(self._url, data=io.BytesIO(body.encode()), allow_redirects=False)
            async with sending as response:
                if not is_reading(operation):
                    pass_point("delivery.sent")
                received = await _read_whole(response, self._connection.max_answer_bytes)
        except (aiohttp.ClientError, OSError) as error:
            raise translate_exception(error) from error
        return parse_answer(response.status, response.headers, received, operation)


def encode_operation(operation: Mapping[str, Any]) -> str:
    """The operation as JSON. Lone surrogates are replaced: iTop takes none (transcript 157).

    Raises RequestError if it is no JSON.
    """
    try:
        text = json.dumps(dict(operation), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"the call cannot be written as JSON: {error!r:.200}") from error
    return _SURROGATE.sub("\ufffd", text)


async def _read_whole(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """To the end, which is what tells a whole body from a truncated one, whether by its length or in chunks."""
    received = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        received += chunk
        if len(received) > most_bytes:
            raise NoReplyError(f"iTop's answer is larger than {most_bytes} bytes", status=response.status)
    return bytes(received)


def _open_session(connection: Connection) -> aiohttp.ClientSession:
    headers = {
        "User-Agent": f"itop-bridge/{__version__}",
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    if connection.auth == "token":
        headers["Auth-Token"] = connection.token
    elif connection.auth == "basic":
        pair = f"{connection.user}:{connection.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    timeout = aiohttp.ClientTimeout(
        total=connection.timeout_s,
        connect=min(_CONNECT_S, connection.timeout_s / 2),
        sock_read=connection.timeout_s,
    )
    return aiohttp.ClientSession(
        headers=headers,
        timeout=timeout,
        # without its cookies each call leaves a session file on iTop's server
        cookie_jar=aiohttp.CookieJar(unsafe=_is_ip_address(connection.endpoint)),
        connector=aiohttp.TCPConnector(ssl=_load_tls(connection), keepalive_timeout=_KEEPALIVE_S),
        # not `trust_env`: that would also send what a .netrc holds for the host
        proxy=_find_proxy(connection.endpoint),
    )


def _find_proxy(url: str) -> str | None:
    """The proxy that HTTPS_PROXY (or HTTP_PROXY) and NO_PROXY say."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


def _form_credentials(connection: Connection) -> dict[str, str]:
    if connection.auth != "form":
        return {}
    return {"auth_user": connection.user, "auth_pwd": connection.password}


def _load_tls(connection: Connection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=connection.ca_file)
        if connection.client_cert_file:
            # an empty password: without one, OpenSSL would ask the terminal for an encrypted key's
            context.load_cert_chain(connection.client_cert_file, connection.client_key_file, password="")
    except OSError as error:  # ssl.SSLError is one
        files = [connection.ca_file, connection.client_cert_file, connection.client_key_file]
        named = ", ".join(str(file) for file in files if file)
        raise ConfigurationError([f"itop: cannot use the certificate files ({named}): {error}"]) from error
    return context


def _is_ip_address(url: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


def _address_problems(address: str) -> list[str]:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises for what is no number
    except ValueError as error:
        return [f"address is no URL: {error}"]
    problems = []
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append("address must begin with https:// (or http://) and a host")
    if parts.username is not None or parts.password is not None:
        problems.append("address must not hold credentials: use user and password")
    if parts.query or parts.fragment:
        problems.append("address must not have a query")
    return problems


def _auth_problems(connection: Connection) -> list[str]:
    if connection.auth == "token":
        is_usable = connection.token.isascii() and connection.token.isprintable()
        return [] if connection.token and is_usable else ["token must be printable ASCII, and not empty"]
    problems = [f"{name} is missing" for name in ("user", "password") if not getattr(connection, name)]
    if connection.auth == "basic" and ":" in connection.user + connection.password:
        problems.append("a user or password with a colon fails with Basic: use form")
    return problems
