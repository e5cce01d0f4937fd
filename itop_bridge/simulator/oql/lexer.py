"""OQL as tokens, with iTop's token names and its complaint about what it cannot read."""

import re
from dataclasses import dataclass

_KEYWORDS = {
    **{word: word for word in ("SELECT", "FROM", "WHERE", "JOIN", "ON", "UNION", "LIKE", "IN", "MATCHES", "REGEXP")},
    **{
        word: f"F_{word}"
        for word in ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR", "NOW", "CURRENT_DATE")
    },
    **{word: f"F_{word}" for word in ("DATE_ADD", "DATE_SUB", "ISNULL", "COALESCE", "CONCAT")},
    "INTERVAL": "INTERVAL",
    "AS": "AS_ALIAS",
    "AND": "LOG_AND",
    "OR": "LOG_OR",
    "NOT LIKE": "NOT_LIKE",
    "NOT IN": "NOT_IN",
    "TRUE": "TRUE_VAL",
    "FALSE": "FALSE_VAL",
    "NULL": "NULL_VAL",
}

# A quoted text knows two escapes, of its own quote and of the backslash; anything else is no text (transcript 407).
_TOKEN = re.compile(
    r"""
    (?P<STRVAL>"(?:[^\\"]|\\"|\\\\)*"|'(?:[^\\']|\\'|\\\\)*')
  | (?P<HEXVAL>0x[0-9a-fA-F]+)
  | (?P<NUMVAL>[0-9]+)
  | (?P<NOT_EQ>!=|<>) | (?P<LE><=) | (?P<GE>>=) | (?P<LT><) | (?P<GT>>) | (?P<EQ>=)
  | (?P<PAR_OPEN>\() | (?P<PAR_CLOSE>\)) | (?P<COMA>,) | (?P<DOT>\.)
  | (?P<MATH_PLUS>\+) | (?P<MATH_MINUS>-) | (?P<MATH_MULT>\*) | (?P<MATH_DIV>/)
  | (?P<VARNAME>:[_a-zA-Z][_a-zA-Z0-9]*(?:->[_a-zA-Z][_a-zA-Z0-9]*)?)
  | (?P<NAME>NOT[ ]+(?:LIKE|IN)\b|[_a-zA-Z][_a-zA-Z0-9]*|`[^`]*`)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLANK = re.compile(r"[ \t\r\n]*")


class UnreadableError(Exception):
    """Unexpected input at line 1: the text holds something that is no token."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int
    """Characters before it."""


END = Token("End of Input", "0", 0)  # iTop names its end so (transcript 216)


def tokenize(text: str) -> list[Token]:
    """The tokens, and END. Raises UnreadableError with iTop's words."""
    tokens: list[Token] = []
    at = _skip_blanks(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            line = text.count("\n", 0, at) + 1
            raise UnreadableError(f"Unexpected input at line {line}: {text[at]}")
        tokens.append(_name_token(match.lastgroup, match.group(), at))
        at = _skip_blanks(text, match.end())
    return [*tokens, END]


def unquote(text: str) -> str:
    """The value of a quoted text."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _name_token(kind: str, text: str, at: int) -> Token:
    if kind == "NAME":
        kind = _KEYWORDS.get(" ".join(text.upper().split()), "NAME")
    return Token(kind, text, at)


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
