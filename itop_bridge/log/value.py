"""Values as they may be logged: plain, of bounded size, without secrets. Pure, but for the secrets to hide."""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

_MASK = "********"
_SECRET_KEY = re.compile(
    r"passw|passphrase|pwd|secret|token|authorization|cookie|credential|(api|private)[_-]?key", re.IGNORECASE
)
_LONGEST_TEXT = 2000
_MOST_ITEMS = 50
_DEEPEST = 4
_LEAST_SECRET = 4

_hidden: set[str] = set()


def hide_secret(value: str) -> None:
    """Mask `value` wherever it would be logged, also as part of a text or address.

    Under four characters nothing is masked: it would tear every line apart.
    """
    if len(value) >= _LEAST_SECRET:
        _hidden.update((value, quote(value, safe=""), quote_plus(value)))


def tame_mapping(values: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """The values as JSON knows them; what stands under the name of a secret is masked, at any depth."""
    items = list(values.items())[:_MOST_ITEMS]
    return {
        str(key): _MASK if value and _SECRET_KEY.search(str(key)) else _tame_value(value, depth) for key, value in items
    }


def _tame_value(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return tame_mapping(value, depth + 1)
        if isinstance(value, list | tuple | set | frozenset):
            return [_tame_value(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    if isinstance(value, bytes):
        value = value[: _LONGEST_TEXT + 1].decode("utf-8", "backslashreplace")
    return _shorten(_mask(str(value)))


def _mask(text: str) -> str:
    for secret in sorted(_hidden, key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(secret, _MASK)
    return text


def _shorten(text: str) -> str:
    over = len(text) - _LONGEST_TEXT
    return f"{text[:_LONGEST_TEXT]}… ({over} more characters)" if over > 0 else text
