"""Severities as formats write them: words, or numbers on a scale. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.alert import Severity

STANDARD_WORDS: Mapping[str, Severity] = {
    word: severity
    for severity, words in {
        Severity.INFORMATIONAL: "informational information info notice debug none ok",
        Severity.LOW: "low minor",
        Severity.MEDIUM: "medium med moderate warning warn average",
        Severity.HIGH: "high major error err severe important",
        Severity.CRITICAL: "critical crit very-high fatal emergency emerg alert disaster page",
    }.items()
    for word in words.split()
}
"""The words that products agree on."""

_LONGEST_WORD = 40
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,18})?")


@dataclass(frozen=True, slots=True)
class Words:
    """Severities by word: trimmed, without case, blanks and _ read as -."""

    table: Mapping[str, Severity]

    def read(self, value: Any) -> Severity | None:
        """The severity, or None for a word that is not in the table. Of an array the first member counts."""
        if type(value) is list:
            value = next((item for item in value if item not in (None, "")), None)
        return self.table.get(fold_word(value)) if type(value) is str and len(value) <= _LONGEST_WORD else None


def fold_word(word: str) -> str:
    """How words are compared."""
    return word.strip().lower().replace(" ", "-").replace("_", "-")


@dataclass(frozen=True, slots=True)
class Scale:
    """Severities by number: a table, and what holds from a number on. Fractions are cut."""

    table: Mapping[int, Severity]
    above: tuple[int, Severity] | None = None

    def read(self, value: Any) -> Severity | None:
        """The severity, or None for what is no number of the scale."""
        number = _read_number(value)
        if number is None:
            return None
        if self.above and number >= self.above[0]:
            return self.above[1]
        return self.table.get(number)


def _read_number(value: Any) -> int | None:
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value >= 0 else None
    if type(value) is str and _NUMBER.fullmatch(text := value.strip()):
        return int(text.partition(".")[0])
    if type(value) is list and value and type(value[0]) is not list:
        return _read_number(value[0])
    return None
