"""How MariaDB compares texts (utf8mb4_unicode_ci): without case and accents; `=` also without trailing blanks."""

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=65_536)
def fold_text(text: str) -> str:
    """The text as it is compared. Keeps trailing blanks, which LIKE respects."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def equal(left: str, right: str) -> bool:
    """'dup' = 'DUP' = 'DÜP' = 'DUP  ' (transcripts 232-234)."""
    return fold_text(left).rstrip(" ") == fold_text(right).rstrip(" ")


@lru_cache(maxsize=4_096)
def compile_like(pattern: str) -> re.Pattern[str]:
    """LIKE as a regular expression on folded text: `%` any text, `_` one character, a backslash makes literal."""
    parts: list[str] = []
    chars = iter(fold_text(pattern))
    for char in chars:
        if char == "%":
            parts.append(".*")
        elif char == "_":
            parts.append(".")
        else:
            parts.append(re.escape(next(chars, char) if char == "\\" else char))
    return re.compile("".join(parts), re.DOTALL)
