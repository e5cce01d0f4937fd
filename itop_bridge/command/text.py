"""What people hand in on the command line, as it is written in iTop. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from itop_bridge.delivery.text import TITLE_BYTES, cut_bytes, token_line

_TAGS = frozenset(
    "a b br code em h1 h2 h3 hr i li ol p pre s span strong sub sup table tbody td th thead tr u ul".split()  # noqa: SIM905 - easier to read than 28 texts
)
"""Basic HTML, all of which iTop keeps (transcripts 146, 477-481)."""
_LOG_BYTES = 200_000
_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_PLAIN = str.maketrans("<>&", "()+")


def cut_title(title: str) -> str:
    """One line of at most 255 bytes; a longer one is cut at a word, with "…"."""
    line = _CONTROLS.sub("", " ".join(title.split()))
    short = cut_bytes(line, TITLE_BYTES)
    if short == line:
        return line
    at_word = short.rpartition(" ")[0].rstrip()
    return f"{at_word}…" if len(at_word) > len(short) // 2 else short


def plain_line(text: str) -> str:
    """One plain line that reads the same as text (iTop 2.7, 3.1) and as HTML (3.2) (transcripts 373, 455)."""
    return _CONTROLS.sub("", " ".join(text.split())).translate(_PLAIN)


def clean_html(html: str) -> str:
    """The basic HTML of it; scripts, styles and unknown tags are taken out, and what is open is closed."""
    import nh3  # noqa: PLC0415 - loaded where HTML is handed in

    return nh3.clean(html, tags=set(_TAGS), url_schemes={"http", "https", "mailto"})


def strip_tags(html: str) -> str:
    """What a person reads of it."""
    import html as entities  # noqa: PLC0415 - the same

    import nh3  # noqa: PLC0415 - the same

    return entities.unescape(nh3.clean(html, tags=set()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry to be written. Plain text is kept as it is: iTop escapes it (transcripts 160, 173)."""

    text: str
    is_html: bool = False

    def __bool__(self) -> bool:
        return bool(self.text.strip())

    def only_new(self, held: Iterable[str]) -> Self:
        """Without the lines that stand in the messages `held` already, compared as text."""
        known = {line.strip() for message in held for line in message.splitlines()}
        lines = [line for line in self.text.splitlines() if self._shown(line) not in known]
        return type(self)("\n".join(lines), self.is_html)

    def describe(self, token: str) -> dict[str, Any]:
        """As iTop takes it, with the token that proves it as the last line."""
        text = cut_bytes(self.text.strip(), _LOG_BYTES)
        if self.is_html:
            message = clean_html(text.replace("\n", "<br>\n")) + f"<p>{token_line(token)}</p>"
            return {"add_item": {"message": message, "format": "html"}}
        return {"add_item": {"message": f"{text}\n{token_line(token)}".lstrip(), "format": "text"}}

    def _shown(self, line: str) -> str:
        return (strip_tags(line) if self.is_html else line).strip()
