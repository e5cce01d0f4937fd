"""A case log: its entries, how they read over REST, and the column that OQL searches. Frozen values."""

import html
import re
from dataclasses import dataclass
from functools import cached_property

from itop_bridge.simulator.collation import fold_text
from itop_bridge.simulator.markup import render_text


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `text` is what is stored: verbatim for the format "text", sanitised for "html"."""

    date: str
    user_login: str
    """The friendly name of the user's contact, not the login."""
    user_id: str | int
    text: str
    format: str

    def render(self) -> dict[str, str | int | None]:
        """As core/get shows it (transcripts 159-163)."""
        return {
            "date": self.date,
            "user_login": self.user_login,
            "user_id": self.user_id,
            "message": render_text(self.text) if self.format == "html" else self.text,
            "message_html": self._message_html(),
        }

    def _message_html(self) -> str | None:
        match self.format:
            case "html":
                return self.text
            case "text":
                return re.sub(r"\r\n|\r|\n", "<br/>", html.escape(self.text).replace("&#x27;", "&#039;"))
        return None


@dataclass(frozen=True)
class CaseLog:
    """The whole log, oldest entry first; a write replaces it whole, which is how parallel appends get lost."""

    entries: tuple[Entry, ...] = ()

    def __add__(self, entries: tuple[Entry, ...]) -> "CaseLog":
        return CaseLog(self.entries + entries)

    def render(self) -> dict[str, list[dict[str, str | int | None]]]:
        return {"entries": [entry.render() for entry in self.entries]}

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
