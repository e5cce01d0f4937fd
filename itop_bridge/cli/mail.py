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

from itop_bridge.log import escape_text
from itop_bridge.mail.message import Draft, write_message
from itop_bridge.mail.server import MailError, MailServer, send_message
from itop_bridge.settings.mail import parse_server

_PORT = 25


def notify(args: argparse.Namespace, lines: Sequence[str]) -> None:
    """Send the mail that the options ask for. Raises MailError."""
    host = socket.getfqdn()
    sender = args.mail_from or f"itop-bridge@{host}"
    now = datetime.datetime.now(datetime.UTC)
    draft = write_draft(args.command, lines, sender=sender, recipients=args.mail_recipients, host=host, now=now)
    server = read_server(args.mail_server, starttls=bool(args.mail_starttls))
    asyncio.run(send_message(server, write_message(draft, now), sender, args.mail_recipients))


def write_draft(
    command: str, lines: Sequence[str], *, sender: str, recipients: Sequence[str], host: str, now: datetime.datetime
) -> Draft:
    """The mail, as text and as HTML; `lines` tell what failed, the last one foremost."""
    facts = {
        "Command": command,
        "Host": host,
        "User id": str(os.getuid()),
        "Time": f"{now:%Y-%m-%d %H:%M:%S} UTC",
    }
    told = [escape_text(line) for line in lines]
    text = "\n".join([*reversed(told), "", *(f"{name}: {value}" for name, value in facts.items())]) + "\n"
    rows = "".join(f"<tr><th align=left>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
    causes = "".join(f"<li>{html.escape(line)}</li>" for line in reversed(told[:-1]))
    page = f"<p><b>{html.escape(told[-1])}</b></p>{f'<ul>{causes}</ul>' if causes else ''}<table>{rows}</table>"
    return Draft(f"itop-bridge: {command} failed on {host}", text, sender, recipients, html=page)


def read_server(text: str, *, starttls: bool) -> MailServer:
    """`host`, `host:port` or `[::1]:port`. Raises MailError."""
    try:
        host, port = parse_server(text)
    except ValueError as error:
        raise MailError("unreachable", str(error)) from error
    return MailServer(host, port or _PORT, "starttls" if starttls else "none")
