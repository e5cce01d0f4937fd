"""The sections of a YAML document, read so that every mistake is told at once, each with its place. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from itop_bridge.errors import ExpressionError
from itop_bridge.settings.document import Document, Position
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.value import read_word

T = TypeVar("T")


class Sections:
    """Reads values of a document by their paths; what is wrong is kept and something harmless is given instead."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[tuple[Position, str]] = []

    def describe_problems(self) -> list[str]:
        """One line per problem, in the order of the file, as `file:line:column: path: what`."""
        return [f"{self.document.name}:{at.line}:{at.column}: {text}" for at, text in sorted(self.problems)]

    def complain(self, path: str, text: str, *, key: bool = False) -> None:
        """Note what is wrong with the value (or the key) at a path."""
        self.problems.append((self.document.position_of(path, key=key), f"{path}: {text}" if path else text))

    def section(
        self, value: Any, path: str, known: Sequence[str] | None = None, needed: Sequence[str] = ()
    ) -> dict[str, Any]:
        """A mapping; with `known` keys, no others."""
        if not isinstance(value, dict):
            self.complain(path, "must be a section of keys and values")
            return {}
        for key in value:
            if known is not None and key not in known:
                self.complain(below(path, key), f"unknown key{suggest_or_list(key, known)}", key=True)
        for key in needed:
            if key not in value:
                self.complain(path, f"{key} is missing")
        return value

    def items(self, value: Any, path: str) -> list[Any]:
        """The members of a list; none where nothing is said."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.complain(path, "must be a list")
            return []
        return value

    def words(self, value: Any, path: str) -> frozenset[str | None]:
        """A word or a list of words, as they are compared."""
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, dict | list) for word in words):
            self.complain(path, "must be a word, or a list of words")
        return frozenset(read_word(word) for word in words)

    def attempt(self, path: str, compile_it: Callable[[str], T], value: Any, instead: T) -> T:
        """What `compile_it` makes of a text, else a problem."""
        if not isinstance(value, str):
            self.complain(path, "must be text")
            return instead
        try:
            return compile_it(value)
        except ExpressionError as error:
            self.complain(path, str(error))
            return instead


def below(path: str, key: str) -> str:
    """The path of a key of a section."""
    return f"{path}.{key}" if path else key
