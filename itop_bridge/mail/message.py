"""One mail, as it is sent. What others wrote is text in it: no header, no link, nothing that a terminal obeys."""

import datetime
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import Policy, default
from email.utils import format_datetime, make_msgid

from itop_bridge.expression.filter import FILTERS
from itop_bridge.settings.mail import MOST_SUBJECT_CHARS

_LONGEST_LINE = 998
"""Of a mail (RFC 5322, 2.1.1)."""


class _Header(BaseHeader):
    """In one line as long as it may be: Python's folding of a subject of 70 to 77 letters begins with an empty line,
    which some mail programs show as none. Words that have to be encoded are folded as ever."""

    def fold(self, *, policy: Policy) -> str:
        return super().fold(policy=policy.clone(max_line_length=_LONGEST_LINE) if self.isascii() else policy)


_POLICY = default.clone(header_factory=HeaderRegistry(base_class=_Header))


@dataclass(frozen=True, slots=True)
class Draft:
    """What a mail says, and to whom."""

    subject: str
    text: str
    sender: str
    recipients: Sequence[str]
    html: str = ""
    """The same as HTML, already escaped; empty: none."""
    thread: str = ""
    """What it is about, as a word: mail programs put all with the same word together. Empty: nothing else is."""


def write_message(draft: Draft, now: datetime.datetime) -> EmailMessage:
    """The mail of a draft, at a time that knows its zone."""
    domain = draft.sender.rpartition("@")[2]
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = _literal(one_line(draft.subject, MOST_SUBJECT_CHARS))
    message["From"] = draft.sender
    message["To"] = ", ".join(draft.recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=domain)
    if draft.thread:
        # the mail that begins a thread need not be there
        root = f"<{draft.thread}.itop-bridge@{domain}>"
        message["In-Reply-To"] = root
        message["References"] = root
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(printable(draft.text))
    if draft.html:
        message.add_alternative(draft.html, subtype="html")
    return message


def _literal(line: str) -> str:
    """What looks like an encoded word (RFC 2047) would be decoded, here and by who reads it, with line ends that begin
    further headers."""
    return one_line(line.replace("=?", "= ?"), MOST_SUBJECT_CHARS)


def printable(text: str) -> str:
    """A text without anything that is not to be seen, but for its line ends: no controls, no marks of direction."""
    return "".join(mark for mark in text if mark == "\n" or unicodedata.category(mark)[0] != "C")


def one_line(text: str, most_chars: int) -> str:
    """A text on one line of at most so many characters."""
    line = " ".join(printable(" ".join(text.split())).split())
    return line if len(line) <= most_chars else line[: most_chars - 1] + "…"


def disarm(text: str, most_chars: int) -> str:
    """What an outsider wrote, for a mail: bounded, and no address in it that a mail program would make a link of."""
    cut = text[:most_chars] + "…" if len(text) > most_chars else text
    # what is not to be seen goes first: it may stand within an address
    lines = (" ".join(printable(line.replace("\t", " ")).split()) for line in cut.splitlines())
    harmless: str = FILTERS["defang"]("\n".join(line for line in lines if line))
    return harmless.replace("://", "[:]//")
