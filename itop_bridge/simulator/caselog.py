"""A case log: its entries, how they read over REST, and the column that OQL searches. Frozen values."""

import html
import re
from dataclasses import dataclass
from functools import cached_property
from html.entities import codepoint2name

from itop_bridge.simulator.collation import fold_text
from itop_bridge.simulator.markup import render_text

_NAMED = re.compile(f"[{''.join(chr(code) for code in codepoint2name if code > 127)}]")
"""The characters beyond ASCII that HTML 4 has a name for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `text` is what is stored: verbatim for the format "text", sanitised for "html"."""

    date: str
    user_login: str
    """The friendly name of the user's contact, not the login."""
    user_id: str | int
    text: str
    format: str

    def render(self, *, named_entities: bool = False) -> dict[str, str | int | None]:
        """As core/get shows it (transcripts 159-163)."""
        return {
            "date": self.date,
            "user_login": self.user_login,
            "user_id": self.user_id,
            "message": render_text(self.text) if self.format == "html" else self.text,
            "message_html": self._message_html(named_entities=named_entities),
        }

    def _message_html(self, *, named_entities: bool) -> str | None:
        match self.format:
            case "html":
                return self.text
            case "text":
                escaped = html.escape(self.text).replace("&#x27;", "&#039;")
                if named_entities:
                    escaped = _NAMED.sub(lambda match: f"&{codepoint2name[ord(match.group())]};", escaped)
                return re.sub(r"\r\n|\r|\n", "<br/>", escaped)
        return None


@dataclass(frozen=True)
class CaseLog:
    """The whole log, oldest entry first; a write replaces it whole, which is how parallel appends get lost."""

    entries: tuple[Entry, ...] = ()

    def __add__(self, entries: tuple[Entry, ...]) -> "CaseLog":
        return CaseLog(self.entries + entries)

    def render(self, *, named_entities: bool = False) -> dict[str, list[dict[str, str | int | None]]]:
        return {"entries": [entry.render(named_entities=named_entities) for entry in self.entries]}

    @cached_property
    def column(self) -> str:
        """The column as stored, newest first, each entry under the line of its author (transcripts 500, 603)."""
        return "".join(
            f"\n========== {entry.date} : {entry.user_login} ({entry.user_id}) ============\n\n{entry.text}"
            for entry in reversed(self.entries)
        )

    @cached_property
    def folded(self) -> str:
        """The column as LIKE compares it."""
        return fold_text(self.column)


EMPTY = CaseLog()
