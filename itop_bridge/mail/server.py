"""The way to the mail server: one connection for each mail, with an end to everybody's patience."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import aiosmtplib

from itop_bridge.errors import BridgeError
from itop_bridge.mail.message import one_line
from itop_bridge.system_error import explain_error

Reason = Literal["unreachable", "login_refused", "recipients_refused", "refused", "deferred"]
"""deferred: this mail, for now."""

_PATIENCE_S = 20.0
_ALL_S = 60.0
_GOODBYE_S = 5.0
_CLOSING_S = 0.05
_MOST_DETAIL = 300


class MailError(BridgeError):
    """The mail was not sent. `reason` tells whether it is the server's, the login's or this mail's own; `detail` which
    server, and why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        self.detail = detail
        super().__init__(f"the mail was not sent: {detail}")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in, and how. Its password is in no text of it."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = None
    """None: the system's authorities."""
    login: "Login | None" = None
    patience_s: float = _PATIENCE_S
    """For each answer."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Login:
    """A user and a password."""

    __slots__ = ("password", "user")

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password

    def __repr__(self) -> str:
        return f"Login({self.user!r}, '********')"

    def hide(self, text: str) -> str:
        """What a server said, without the password: some repeat what they were sent."""
        sent = (base64.b64encode(each.encode()).decode() for each in (f"\0{self.user}\0{self.password}", self.password))
        for secret in (*sent, self.password):
            text = text.replace(secret, "********")
        return text


async def send_message(
    server: MailServer, message: EmailMessage, sender: str, recipients: Sequence[str]
) -> Mapping[str, str]:
    """Hand a mail in. Returns the recipients that the server refused, each with why; the others get it.

    Raises MailError, also if it refused all of them.
    """
    async with _connection(server) as client:
        refused, _ = await client.send_message(message, sender=sender, recipients=list(recipients))
        return {recipient: _describe_answer(answer.code, answer.message) for recipient, answer in refused.items()}


async def log_in(server: MailServer) -> None:
    """Connect as if a mail were to be sent, and leave. Raises MailError."""
    async with _connection(server):
        pass


@contextlib.asynccontextmanager
async def _connection(server: MailServer) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connection that is secured and logged in, closed however it ends. Whatever goes wrong within is a MailError."""
    try:
        client = _make_client(server)
        async with asyncio.timeout(max(_ALL_S, server.patience_s)):
            try:
                await client.connect()
                yield client
                with contextlib.suppress(aiosmtplib.SMTPException):  # what was handed in is handed in
                    await client.quit(timeout=_GOODBYE_S)
            finally:
                client.close()
                await asyncio.sleep(_CLOSING_S)  # the goodbyes of TLS; a loop that ends before them leaves the socket
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        login = server.login
        told = login.hide(_describe(error)) if login else _describe(error)
        # the error itself has all that the server said
        raise MailError(_find_reason(error), f"{server}: {one_line(told, _MOST_DETAIL)}") from None if login else error


def _make_client(server: MailServer) -> aiosmtplib.SMTP:
    login = server.login
    is_secured = server.security != "none"
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=login.user if login else None,
        password=login.password if login else None,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        tls_context=ssl.create_default_context(cafile=server.ca_file) if is_secured else None,
        timeout=server.patience_s,
    )


def _find_reason(error: Exception) -> Reason:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "recipients_refused" if any(each.code >= 500 for each in error.recipients) else "deferred"
    if isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError):
        return "refused" if error.code >= 500 else "deferred"
    is_login = isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500
    return "login_refused" if is_login else "unreachable"


def _describe(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    if isinstance(error, aiosmtplib.SMTPConnectError) and isinstance(error.__cause__, OSError):
        return explain_error(error.__cause__) or "no connection in time"  # its own text has the address once more
    return str(error) or "no answer in time"


def _describe_answer(code: int, message: str) -> str:
    return one_line(f"{code} {message}", _MOST_DETAIL)
