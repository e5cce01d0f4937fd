"""Decoded values as the texts of an alert: trimmed, on one line where it is one, nothing interpreted. Pure.

Each reader gives None for what is absent or of no use, so that the next path of a field is tried.
"""

import hashlib
import marshal
import re
from typing import Any

import orjson

from itop_bridge.expression.path import ABSENT_WORDS

MOST_TITLE = 255
_MOST_LINE = 1_000
_MOST_TEXT = 30_000
_LONGEST_ABSENT = max(map(len, ABSENT_WORDS))
_BLANKS = " \t\n\v\f\r"
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord(each) for each in _BLANKS})
_CONTROLS_OF_TEXT = {**_CONTROLS, ord("\r"): None, ord("\v"): None, ord("\f"): None}
_RUN = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_LINK = re.compile(r"https?://(?:[^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(?:[/?#]\S*)?", re.IGNORECASE)
_URL_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)", re.IGNORECASE)
_PORT = re.compile(r"([^:]+):\d{1,5}", re.ASCII)
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d{1,5})?", re.ASCII)


def read_line(value: Any) -> str | None:
    """One line: host names, users, rules."""
    text = read_scalar(value)
    if text is None or (text.isprintable() and "  " not in text):
        return text if text is None or len(text) <= _MOST_LINE else shorten(text, _MOST_LINE)
    return _finish(" ".join(text.translate(_CONTROLS).split()), _MOST_LINE)


def read_text(value: Any) -> str | None:
    """Text with its line breaks: descriptions. Cut where it is too long."""
    text = read_scalar(value)
    if text is None:
        return None
    if not (text.isprintable() or text.replace("\n", "").isprintable()):
        text = text.translate(_CONTROLS_OF_TEXT).strip()
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def read_title(value: Any) -> str | None:
    """One line of at most 255 characters; runs of white space and control characters are one blank."""
    text = read_scalar(value)
    if text is None:
        return None
    if not text.isprintable() or "  " in text:
        text = _RUN.sub(" ", text[: 16 * MOST_TITLE]).strip()
    return text[:MOST_TITLE].rstrip() or None


def read_id(value: Any) -> tuple[str | None, tuple[str, ...]]:
    """An id: text or the digits of an integer. A float is never one: digits of it are lost."""
    if type(value) is float:
        return None, ("id_not_exact",)
    text = read_scalar(value)
    if text is None or (text.isprintable() and len(text) <= _MOST_LINE):
        return text, ()
    return _finish(_RUN.sub(" ", text.translate(_CONTROLS)).strip(), _MOST_LINE), ()


def read_host(value: Any) -> str | None:
    """A machine's name or address, without its port; of a URL the host."""
    text = read_line(value)
    if text is None or ":" not in text:
        return text
    url = _URL_HOST.match(text)
    if url:
        text = url[1]
    inner = _BRACKETED.fullmatch(text) or _PORT.fullmatch(text)  # a bare IPv6 address has more than one colon
    return (inner[1] if inner else text).strip() or None


def read_link(value: Any) -> str | None:
    """An absolute http or https URL with a host, without a user or unprintable marks in it; others are not to be
    clicked on."""
    text = read_scalar(value)
    if text is None or len(text) > _MOST_LINE * 2 or not text.isprintable():
        return None
    return text if _LINK.fullmatch(text) else None


def read_word(value: Any) -> str | None:
    """A value to compare with words: in small letters, also true, false and numbers."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is dict:
        return "{}"
    text = read_scalar(value)
    return text.lower() if text is not None else None


def read_scalar(value: Any) -> str | None:
    """Text, trimmed, or a number as text; of an array the first member that is not absent. No other type is text."""
    if type(value) is list:
        return next(
            (text for item in value if type(item) is not list and (text := read_scalar(item)) is not None), None
        )
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return repr(value)
    if type(value) is not str:
        return None
    text = value.strip()
    if len(text) <= _LONGEST_ABSENT and text.lower() in ABSENT_WORDS:
        return None
    # NUL is no white space, but as empty
    return text if text.strip("\0") else None


def _finish(text: str, most: int) -> str | None:
    if not text or (len(text) <= _LONGEST_ABSENT and text.lower() in ABSENT_WORDS):
        return None
    return shorten(text, most)


def shorten(text: str, most: int) -> str:
    """At most `most` characters: a longer text ends with its hash, so that no two become one."""
    if len(text) <= most:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{text[: most - len(digest) - 2]}…#{digest}"


def hash_content(raw: Any) -> str:
    """16 hex digits of a decoded value, whatever the order of its keys."""
    try:
        content = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # over 254 levels, more than orjson writes; marshal keeps the order of the keys
        content = marshal.dumps(raw, 2)
    return hashlib.blake2b(content, digest_size=8).hexdigest()
