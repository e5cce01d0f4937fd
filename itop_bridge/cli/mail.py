"""A mail when a command fails: for what runs where nobody looks, as cron's jobs do.

It names the command and its error, never what the command was given: that may be secret, or an attacker's.
"""

import argparse
import asyncio
import datetime
import html
import os
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from itop_bridge.errors import BridgeError
from itop_bridge.log import escape_text

_PORT = 25
_PATIENCE_S = 20.0
_CLOSING_S = 0.05


class MailError(BridgeError):
    """The mail was not sent."""


def notify(args: argparse.Namespace, lines: Sequence[str]) -> None:
    """Send the mail that the options ask for. Raises MailError."""
    host = socket.getfqdn()
    sender = args.mail_from or f"itop-bridge@{host}"
    message = write_mail(args.command, lines, sender=sender, recipients=args.mail_recipients, host=host)
    server, port = read_server(args.mail_server)
    client = aiosmtplib.SMTP(hostname=server, port=port, start_tls=bool(args.mail_starttls), timeout=_PATIENCE_S)
    try:
        asyncio.run(_send(client, message, sender, args.mail_recipients))
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise MailError(f"the mail was not sent by {args.mail_server}: {error}") from error


async def _send(client: aiosmtplib.SMTP, message: EmailMessage, sender: str, recipients: Sequence[str]) -> None:
    try:
        async with client:
            await client.send_message(message, sender=sender, recipients=list(recipients))
    finally:
        client.close()
        await asyncio.sleep(_CLOSING_S)  # the goodbyes of TLS; a loop that ends before them leaves the socket open


def write_mail(
    command: str, lines: Sequence[str], *, sender: str, recipients: Sequence[str], host: str
) -> EmailMessage:
    """The mail, as text and as HTML; `lines` tell what failed, the last one foremost."""
    now = datetime.datetime.now(datetime.UTC)
    facts = {
        "Command": command,
        "Host": host,
        "User id": str(os.getuid()),
        "Time": f"{now:%Y-%m-%d %H:%M:%S} UTC",
    }
    told = [escape_text(line) for line in lines]
    message = EmailMessage()
    message["Subject"] = f"itop-bridge: {command} failed on {host}"
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=host)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join([*reversed(told), "", *(f"{name}: {value}" for name, value in facts.items())]) + "\n")
    rows = "".join(f"<tr><th align=left>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
    causes = "".join(f"<li>{html.escape(line)}</li>" for line in reversed(told[:-1]))
    message.add_alternative(
        f"<p><b>{html.escape(told[-1])}</b></p>{f'<ul>{causes}</ul>' if causes else ''}<table>{rows}</table>",
        subtype="html",
    )
    return message


def read_server(text: str) -> tuple[str, int]:
    """`host`, `host:port` or `[::1]:port`. Raises MailError."""
    host, found, port = text.rpartition(":")
    if not found or text.endswith("]") or (":" in host and not host.startswith("[")):
        return text.strip("[]"), _PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise MailError(f"the mail was not sent: {text!r} is no host:port")
    return host.strip("[]"), int(port)
