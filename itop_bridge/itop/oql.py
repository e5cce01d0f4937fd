"""OQL, iTop's query language: literals and conditions. Pure; text never reaches a query but through here."""

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# no stored text that we look for holds them: NUL would cut a query, a lone surrogate is no UTF-8
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def quote(text: str) -> str:
    r"""The literal of a text. Raises ValueError for control characters other than tab, newline and return.

    The escape is a backslash; a doubled quote is a syntax error (transcripts 220-222, 409).
    """
    if _UNWRITABLE.search(text):
        raise ValueError("a control character has no place in a query")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def contains(attribute: str, text: str) -> str:
    """`attribute` holds `text` anywhere; case and accents are ignored (transcripts 564-576).

    Raises ValueError for a text with % or _, here as in `lacks` and `starts_with`: they are wildcards, and iTop's
    parser refuses them escaped (transcript 407).
    """
    return f"{_name(attribute)} LIKE {quote(f'%{_pattern(text)}%')}"


def lacks(attribute: str, text: str) -> str:
    """`attribute` does not hold `text`; true for an empty one too (transcripts 516, 582-585)."""
    return f"{_name(attribute)} NOT LIKE {quote(f'%{_pattern(text)}%')}"


def starts_with(attribute: str, text: str) -> str:
    """`attribute` begins with `text`."""
    return f"{_name(attribute)} LIKE {quote(f'{_pattern(text)}%')}"


def equals(attribute: str, text: str) -> str:
    """`attribute` is `text`; iTop ignores case, accents and trailing blanks (transcripts 232-234)."""
    return f"{_name(attribute)} = {quote(text)}"


def one_of(attribute: str, texts: Iterable[str]) -> str:
    """`attribute` is one of `texts`, compared as `equals` does. Raises ValueError if there is none."""
    return f"{_name(attribute)} IN ({', '.join(_listed(map(quote, texts)))})"


def all_of(conditions: Iterable[str]) -> str:
    """Every condition holds. Raises ValueError if there is none: that would be every object."""
    return " AND ".join(_listed(conditions))


def any_of(conditions: Iterable[str]) -> str:
    """At least one condition holds; may stand in `all_of`. Raises ValueError if there is none."""
    listed = _listed(conditions)
    return listed[0] if len(listed) == 1 else "(" + " OR ".join(f"({condition})" for condition in listed) + ")"


def select(iclass: str, condition: str) -> str:
    """The query for the objects of a class."""
    return f"SELECT {_name(iclass)} WHERE {condition}"


def ids(iclass: str, keys: Iterable[int]) -> str:
    """The query for objects by id; 200 cost what one costs (transcripts 773-777). Raises ValueError for no id."""
    listed = ",".join(str(int(key)) for key in keys)
    if not listed:
        raise ValueError("no id to look for")
    return select(iclass, f"id IN ({listed})")


def _pattern(text: str) -> str:
    if not text:
        raise ValueError("an empty text is in every other")
    if "%" in text or "_" in text:
        raise ValueError(f"{text!r}: % and _ are wildcards in a pattern")
    return text


def _listed(conditions: Iterable[str]) -> list[str]:
    listed = list(conditions)
    if not listed:
        raise ValueError("no condition")
    return listed


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a class or an attribute")
    return name
