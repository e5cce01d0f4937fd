"""Formats as YAML files, compiled: every error of a file at once, with file, line and column."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any, TypeVar

from itop_bridge.alert import Severity
from itop_bridge.errors import ConfigurationError, ExpressionError
from itop_bridge.expression.rule import suggest
from itop_bridge.settings.document import Document, Position, parse_document
from itop_bridge.triage.case_key import GroupBy, compile_group_by
from itop_bridge.triage.mapping import Fields, Format, Graded, States
from itop_bridge.triage.severity import STANDARD_WORDS, Words, parse_scale, parse_words
from itop_bridge.triage.source import (
    KINDS,
    Match,
    Source,
    Sources,
    all_match,
    compile_jinja,
    compile_paths,
    compile_title,
    compile_when,
    match_kind,
    match_words,
    only_if,
)
from itop_bridge.triage.syntax import SYNTAXES, Decode
from itop_bridge.triage.value import read_word

__all__ = ["Format", "compile_group_by", "load_format", "load_formats"]

T = TypeVar("T")

_NEEDED = ("product", "recognised_by", "fields", "states", "group_by")
_KEYS = (*_NEEDED, "syntax", "elements", "drop", "fallback_title", "severity", "observables", "notes")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_REASON = re.compile(r"[a-z][a-z_]{0,40}")
_NOTHING: Source = lambda _raw, _wrapper: None  # noqa: E731 - stands where something could not be compiled; a def has no such type
_NO_GROUP: GroupBy = compile_group_by([])
_NAMING = frozenset(("rule", "title", "alert.rule", "alert.title"))


def load_formats(folders: Iterable[Path]) -> dict[str, Format]:
    """The formats of every folder, by name; a later folder's overrides. Raises ConfigurationError with all problems."""
    files = {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
    formats: dict[str, Format] = {}
    problems: list[str] = []
    for name, path in files.items():
        try:
            formats[name] = load_format(path)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return formats


def load_format(path: Path) -> Format:
    """The format of a file, whose name it has. Raises ConfigurationError with all problems."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}:1:1: cannot be read: {error.strerror}"]) from error
    return parse_format(path.stem, parse_document(content, str(path)))


def parse_format(name: str, document: Document) -> Format:
    """The format of a document. Raises ConfigurationError with all problems."""
    compiler = _Compiler(document)
    compiled = compiler.compile(name)
    if compiler.problems:
        raise ConfigurationError(
            [f"{document.name}:{at.line}:{at.column}: {text}" for at, text in sorted(compiler.problems)]
        )
    return compiled


class _Compiler:
    """Compiles each part of a document; what is wrong is kept and something harmless stands in its place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[tuple[Position, str]] = []

    def compile(self, name: str) -> Format:
        data = self._section(self.document.data, "", _KEYS, _NEEDED)
        if not _NAME.fullmatch(name):
            self._complain("", f"the file's name, {name!r}, must be small letters, digits, - and _")
        recognises, recognised_by = self._recognition(data.get("recognised_by"), "recognised_by")
        if "elements" in data:
            recognised_by = f"{data['elements']} (array) or {recognised_by}"
        group_by, named_by = self._group_by(data.get("group_by"), "group_by")
        return Format(
            name=name,
            product=str(data.get("product", name)),
            decode=self._syntax(data.get("syntax", "json")),
            recognises=recognises,
            recognised_by=recognised_by,
            split=self._split(data.get("elements"), "elements"),
            drop=self._drop(data.get("drop"), "drop"),
            fields=self._fields(data.get("fields"), "fields"),
            fallback_title=self._fallback_title(data.get("fallback_title"), "fallback_title"),
            severity=self._severity(data.get("severity"), "severity"),
            states=self._states(data.get("states"), "states"),
            observables=self._observables(data.get("observables"), "observables"),
            notes=self._notes(data.get("notes"), "notes"),
            group_by=group_by,
            named_by=named_by,
        )

    def _complain(self, path: str, text: str, *, key: bool = False) -> None:
        self.problems.append((self.document.position_of(path, key=key), f"{path}: {text}" if path else text))

    def _section(
        self, value: Any, path: str, known: Sequence[str] | None = None, needed: Sequence[str] = ()
    ) -> dict[str, Any]:
        """A mapping; with `known` keys, no others."""
        if not isinstance(value, dict):
            self._complain(path, "must be a section of keys and values")
            return {}
        for key in value:
            if known is not None and key not in known:
                self._complain(_below(path, key), f"unknown key{suggest(key, known)}", key=True)
        for key in needed:
            if key not in value:
                self._complain(path, f"{key} is missing")
        return value

    def _list(self, value: Any, path: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._complain(path, "must be a list")
            return []
        return value

    def _syntax(self, value: Any) -> Decode:
        if value not in SYNTAXES:
            self._complain("syntax", f"{value!r} is no syntax{suggest(str(value), sorted(SYNTAXES))}")
        return SYNTAXES.get(value, SYNTAXES["json"])

    def _attempt(self, path: str, compile_it: Callable[[str], T], value: Any, instead: T) -> T:
        """What `compile_it` makes of a value, else a problem."""
        if not isinstance(value, str):
            self._complain(path, "must be text")
            return instead
        try:
            return compile_it(value)
        except ExpressionError as error:
            self._complain(path, str(error))
            return instead

    def _recognition(self, value: Any, path: str) -> tuple[Match, str]:
        """One of several sections, each of which holds if all its paths are of their kinds."""
        sections = value if isinstance(value, list) else [value]
        places = [f"{path}[{index}]" for index in range(len(sections))] if isinstance(value, list) else [path]
        tests = [
            all_match([self._kind(place, kind, here) for place, kind in self._section(section, here).items()])
            for section, here in zip(sections, places, strict=True)
        ]
        words = [
            " and ".join(f"{place} ({kind})" for place, kind in section.items()) or "any object"
            for section in sections
            if isinstance(section, dict)
        ]
        only = tests[0] if len(tests) == 1 else lambda raw, wrapper: any(test(raw, wrapper) for test in tests)
        return only, " or ".join(words)

    def _kind(self, place: str, kind: Any, path: str) -> Match:
        if kind not in KINDS:
            self._complain(_below(path, place), f"{kind!r} is no kind{suggest(str(kind), KINDS)}")
            kind = "present"
        return match_kind(self._paths(place, _below(path, place)), kind)

    def _split(self, value: Any, path: str) -> Source | None:
        return self._paths(value, path)[0] if value is not None else None

    def _fields(self, value: Any, path: str) -> Fields:
        known = [field.name for field in fields_of(Fields)]
        section = self._section(value, path, known)
        return Fields(**{name: self._sources(section[name], f"{path}.{name}") for name in known if name in section})

    def _sources(self, value: Any, path: str) -> Sources:
        """Where a fact lies: paths, `{path, if}`, `{jinja}`, or a list of these."""
        if isinstance(value, list):
            return tuple(source for i, each in enumerate(value) for source in self._sources(each, f"{path}[{i}]"))
        if not isinstance(value, dict):
            return self._paths(value, path)
        if "jinja" in value:
            section = self._section(value, path, ("jinja",))
            return (self._attempt(f"{path}.jinja", compile_jinja, section["jinja"], _NOTHING),)
        section = self._section(value, path, ("path", "if"), ("path", "if"))
        matches = self._match(section.get("if", {}), f"{path}.if")
        return tuple(only_if(matches, source) for source in self._paths(section.get("path", "?"), f"{path}.path"))

    def _paths(self, value: Any, path: str) -> Sources:
        return self._attempt(path, compile_paths, value, (_NOTHING,))

    def _match(self, value: Any, path: str) -> Match:
        """`{path: word}`, `{path: [words]}`, `{path: {not: words}}`: all must hold. null is what is absent."""
        matches = []
        for place, content in self._section(value, path).items():
            here = _below(path, place)
            wanted = not isinstance(content, dict)
            words = content if wanted else self._section(content, here, ("not",), ("not",)).get("not")
            matches.append(match_words(self._paths(place, here), self._words(words, here), wanted=wanted))
        return all_match(matches)

    def _words(self, value: Any, path: str) -> frozenset[str | None]:
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, dict | list) for word in words):
            self._complain(path, "must be a word, or a list of words")
        return frozenset(read_word(word) for word in words)

    def _drop(self, value: Any, path: str) -> tuple[tuple[str, Match], ...]:
        rules = []
        for index, each in enumerate(self._list(value, path)):
            here = f"{path}[{index}]"
            section = self._section(each, here, ("reason", "if", "when"), ("reason",))
            reason = str(section.get("reason"))
            if not _REASON.fullmatch(reason):
                self._complain(f"{here}.reason", "must be a word of small letters and _")
            conditions = [self._match(section["if"], f"{here}.if")] if "if" in section else []
            if "when" in section:
                conditions.append(self._attempt(f"{here}.when", compile_when, section["when"], _NOTHING))
            if not conditions:
                self._complain(here, "if or when is missing")
            rules.append((reason, all_match(conditions)))
        return tuple(rules)

    def _fallback_title(self, value: Any, path: str) -> Sources:
        return (self._attempt(path, compile_title, value, _NOTHING),) if value is not None else ()

    def _severity(self, value: Any, path: str) -> tuple[Graded, ...]:
        return tuple(
            graded
            for index, each in enumerate(self._list(value, path))
            for graded in self._graded(each, f"{path}[{index}]")
        )

    def _graded(self, value: Any, path: str) -> Iterator[Graded]:
        section = self._section(value, path, ("path", "words", "scale"), ("path",))
        if ("words" in section) == ("scale" in section):
            self._complain(path, "must have either words or scale")
            return
        kind = "words" if "words" in section else "scale"
        content, here = section[kind], f"{path}.{kind}"
        try:
            if content == "standard":
                read = Words(STANDARD_WORDS).read
            else:
                groups = self._by_severity(content, here)
                read = parse_words(groups).read if kind == "words" else parse_scale(groups).read
        except ValueError as error:
            self._complain(here, str(error))
            return
        for source in self._paths(section.get("path", "?"), f"{path}.path"):
            yield Graded(source, read)

    def _by_severity(self, value: Any, path: str) -> dict[Severity, Any]:
        names = {str(severity): severity for severity in Severity}
        section = self._section(value, path, tuple(names))
        return {names[name]: content for name, content in section.items() if name in names}

    def _states(self, value: Any, path: str) -> States | None:
        if value is False:
            return None
        section = self._section(value, path, ("path", "resolved", "firing"), ("path", "resolved"))
        firing = self._words(section["firing"], f"{path}.firing") if "firing" in section else None
        resolved = self._words(section.get("resolved", "?"), f"{path}.resolved")
        return States(self._paths(section.get("path", "?"), f"{path}.path"), resolved, firing)

    def _observables(self, value: Any, path: str) -> tuple[tuple[str, Sources], ...]:
        section = self._section(value, path) if value is not None else {}
        return tuple((name, self._paths(text, _below(path, name))) for name, text in section.items())

    def _notes(self, value: Any, path: str) -> tuple[tuple[str, Match], ...]:
        section = self._section(value, path) if value is not None else {}
        return tuple((note, self._match(match, _below(path, note))) for note, match in section.items())

    def _group_by(self, value: Any, path: str) -> tuple[GroupBy, tuple[bool, ...]]:
        entries = [str(each) for each in self._list(value, path)]
        if not entries:
            self._complain(path, "must have at least one entry")
        compiled = [
            self._attempt(f"{path}[{index}]", lambda text: compile_group_by([text]), entry, _NO_GROUP)
            for index, entry in enumerate(entries)
        ]
        return (
            lambda scene: tuple(value for part in compiled for value in part(scene)),
            tuple(entry in _NAMING for entry in entries),
        )


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
