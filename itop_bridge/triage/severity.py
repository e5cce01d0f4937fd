"""Severities as formats write them: words, or numbers on a scale. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.alert import Severity
from itop_bridge.expression.path import is_absent

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
        """The severity, or None for a word that is not in the table. Of an array the first that is not absent counts.

        A word of the table is not absent, though it may mean nothing elsewhere ("none").
        """
        if type(value) is list:
            value = next((item for item in value if self._knows(item) or not is_absent(item)), None)
        return self.table[fold_word(value)] if self._knows(value) else None

    def _knows(self, value: Any) -> bool:
        return type(value) is str and len(value) <= _LONGEST_WORD and fold_word(value) in self.table


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
    if type(value) is list:
        first = next((item for item in value if not is_absent(item)), None)
        return _read_number(first) if type(first) is not list else None
    return None


_RANGE = re.compile(r"([0-9]{1,9})(?:(\+)|-([0-9]{1,9}))?")
_WIDEST = 10_000


def parse_words(groups: Mapping[Severity, Any]) -> Words:
    """The table of a format: words by severity. Raises ValueError for what is no word."""
    table: dict[str, Severity] = {}
    for severity, content in groups.items():
        for word in content if isinstance(content, list) else [content]:
            if not isinstance(word, str):
                raise ValueError(f"{severity}: must be a word, or a list of words: put it in quotes")  # noqa: TRY004 - one error for all
            table[fold_word(word)] = severity
    return Words(table)


def parse_scale(groups: Mapping[Severity, Any]) -> Scale:
    """The scale of a format: numbers and ranges by severity, `3`, `0-6`, `15+`. Raises ValueError for what is none."""
    table: dict[int, Severity] = {}
    above: tuple[int, Severity] | None = None
    for severity, content in groups.items():
        for text in content if isinstance(content, list) else [content]:
            numbers, is_open = _parse_range(str(text))
            if table.keys() & numbers:
                raise ValueError(f"{severity}: {text} stands in the scale twice")
            table |= dict.fromkeys(numbers, severity)
            above = (numbers.start, severity) if is_open else above
    return Scale(table, above)


def _parse_range(text: str) -> tuple[range, bool]:
    parts = _RANGE.fullmatch(text.strip())
    low, high = (int(parts[1]), int(parts[3] or parts[1])) if parts else (1, 0)
    if parts is None or not low <= high < low + _WIDEST:
        raise ValueError(f"{text!r} is no range; write 3, 0-6 or 15+")
    return range(low, high + 1), parts[2] is not None
