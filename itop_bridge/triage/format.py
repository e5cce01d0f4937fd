"""Formats as YAML files, compiled: every error of a file at once, with file, line and column."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import orjson

from itop_bridge.alert import Severity
from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.document import Document, parse_document
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.case_key import GroupBy, compile_group_by
from itop_bridge.triage.example import FACTS, OUTCOMES, Example
from itop_bridge.triage.mapping import Fields, Format, Graded, States
from itop_bridge.triage.opening import Opening, Shape
from itop_bridge.triage.place import NOTHING, Places
from itop_bridge.triage.recognition import AUTO
from itop_bridge.triage.section import below
from itop_bridge.triage.severity import STANDARD_WORDS, Words, parse_scale, parse_words
from itop_bridge.triage.source import Match, Source, Sources, all_match, any_match, compile_when
from itop_bridge.triage.syntax import SYNTAXES, Decode

__all__ = ["Format", "compile_group_by", "load_format", "load_formats"]

_NEEDED = ("product", "recognised_by", "fields", "states", "group_by")
_SPLIT = ("about", "syntax", "dotted_keys", "elements", "unwrap", "drop", "auto")
_KEYS = (*_NEEDED, *_SPLIT, "fallback_title", "severity", "observables", "notes", "examples")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_REASON = re.compile(r"[a-z][a-z_]{0,40}")
_NO_GROUP: GroupBy = compile_group_by([])
_EXPECTED = ("outcome", "reason", *FACTS, "case")
_NAMING = frozenset(("rule", "title", "alert.rule", "alert.title"))


def find_formats(folders: Iterable[Path]) -> dict[str, Path]:
    """The files of the formats of every folder, by name; a later folder's overrides."""
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def load_formats(folders: Iterable[Path], names: Collection[str] | None = None) -> dict[str, Format]:
    """The formats of every folder, by name, or those that are named. Raises ConfigurationError with all problems."""
    files = {name: path for name, path in find_formats(folders).items() if names is None or name in names}
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
        raise ConfigurationError(compiler.describe_problems())
    return compiled


class _Compiler(Places):
    """Compiles each part of a document; what is wrong is kept and something harmless stands in its place."""

    def compile(self, name: str) -> Format:
        data = self.section(self.document.data, "", _KEYS, _NEEDED)
        if not _NAME.fullmatch(name):
            self.complain("", f"the file's name, {name!r}, must be small letters, digits, - and _")
        if name == AUTO:
            self.complain("", f"the name {AUTO!r} stands for recognition by shape")
        self.dotted = data.get("dotted_keys", False) is True
        if not isinstance(data.get("dotted_keys", False), bool):
            self.complain("dotted_keys", "must be true or false")
        group_by, named_by = self._group_by(data.get("group_by"), "group_by")
        return Format(
            name=name,
            product=str(data.get("product", name)),
            about=str(data.get("about", data.get("product", name))),
            syntax=str(data.get("syntax", "json")),
            decode=self._syntax(data.get("syntax", "json")),
            opening=self._opening(name, data),
            fields=self._fields(data.get("fields"), "fields"),
            fallback_title=self._fallback_title(data.get("fallback_title"), "fallback_title"),
            severity=self._severity(data.get("severity"), "severity"),
            states=self._states(data.get("states"), "states"),
            observables=self._observables(data.get("observables"), "observables"),
            notes=self._notes(data.get("notes"), "notes"),
            group_by=group_by,
            named_by=named_by,
            case=tuple(map(str, data["group_by"])) if isinstance(data.get("group_by"), list) else (),
            examples=self._examples(data.get("examples"), "examples"),
        )

    def _opening(self, name: str, data: dict[str, Any]) -> Opening:
        shapes = self._shapes(data.get("recognised_by"), "recognised_by")
        recognised_by = " or ".join(shape.words for shape in shapes)
        auto = data.get("auto")
        return Opening(
            name=name,
            recognises=any_match([shape.matches for shape in shapes]) if shapes else all_match([]),
            recognised_by=f"{data['elements']} (array) or {recognised_by}" if "elements" in data else recognised_by,
            split=self._split(data.get("elements"), "elements"),
            unwrap=self.paths(data["unwrap"], "unwrap") if "unwrap" in data else (),
            drop=self._drop(data.get("drop"), "drop"),
            shapes=() if auto is False else self._shapes(auto, "auto") if "auto" in data else shapes,
        )

    def _syntax(self, value: Any) -> Decode:
        if value not in SYNTAXES:
            self.complain("syntax", f"{value!r} is no syntax{suggest_or_list(str(value), sorted(SYNTAXES))}")
        return SYNTAXES.get(value, SYNTAXES["json"])

    def _shapes(self, value: Any, path: str) -> tuple[Shape, ...]:
        """One or several sections of paths and their kinds."""
        if not isinstance(value, list):
            return (self._shape(value, path),)
        return tuple(self._shape(each, f"{path}[{index}]") for index, each in enumerate(value))

    def _shape(self, value: Any, path: str) -> Shape:
        section = self.section(value, path)
        matches = all_match([self.kind(place, kind, path) for place, kind in section.items()])
        words = " and ".join(f"{place} ({kind})" for place, kind in section.items()) or "any object"
        needed = [place for place, kind in section.items() if kind != "absent"]
        return Shape(matches, len(needed), words, self.keys_of(needed))

    def _split(self, value: Any, path: str) -> Source | None:
        return self.paths(value, path)[0] if value is not None else None

    def _fields(self, value: Any, path: str) -> Fields:
        known = [field.name for field in fields_of(Fields)]
        section = self.section(value, path, known)
        return Fields(**{name: self.sources(section[name], f"{path}.{name}") for name in known if name in section})

    def _drop(self, value: Any, path: str) -> tuple[tuple[str, Match], ...]:
        rules = []
        for index, each in enumerate(self.items(value, path)):
            here = f"{path}[{index}]"
            section = self.section(each, here, ("reason", "if", "when"), ("reason",))
            reason = str(section.get("reason"))
            if not _REASON.fullmatch(reason):
                self.complain(f"{here}.reason", "must be a word of small letters and _")
            conditions = [self.match(section["if"], f"{here}.if")] if "if" in section else []
            if "when" in section:
                conditions.append(self.attempt(f"{here}.when", compile_when, section["when"], NOTHING))
            if not conditions:
                self.complain(here, "if or when is missing")
            rules.append((reason, all_match(conditions)))
        return tuple(rules)

    def _fallback_title(self, value: Any, path: str) -> Sources:
        if value is None:
            return ()
        return (self.title(value, path),) if isinstance(value, str) else self.sources(value, path)

    def _severity(self, value: Any, path: str) -> tuple[Graded, ...]:
        return tuple(
            graded
            for index, each in enumerate(self.items(value, path))
            for graded in self._graded(each, f"{path}[{index}]")
        )

    def _graded(self, value: Any, path: str) -> Iterator[Graded]:
        section = self.section(value, path, ("path", "if", "words", "scale"), ("path",))
        if ("words" in section) == ("scale" in section):
            self.complain(path, "must have either words or scale")
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
            self.complain(here, str(error))
            return
        for source in self.place(section, path):
            yield Graded(source, read)

    def _by_severity(self, value: Any, path: str) -> dict[Severity, Any]:
        names = {str(severity): severity for severity in Severity}
        section = self.section(value, path, tuple(names))
        return {names[name]: content for name, content in section.items() if name in names}

    def _states(self, value: Any, path: str) -> tuple[States, ...]:
        if value is False:
            return ()
        if not isinstance(value, list):
            return (self._place_of_state(value, path),)
        return tuple(self._place_of_state(each, f"{path}[{index}]") for index, each in enumerate(value))

    def _place_of_state(self, value: Any, path: str) -> States:
        section = self.section(value, path, ("path", "if", "resolved", "firing"), ("path", "resolved"))
        resolved, wanted = self.wanted(section.get("resolved", "?"), f"{path}.resolved")
        firing = self.words(section["firing"], f"{path}.firing") if "firing" in section else None
        return States(self.place(section, path), resolved, firing, inverted=not wanted)

    def _observables(self, value: Any, path: str) -> tuple[tuple[str, Sources], ...]:
        section = self.section(value, path) if value is not None else {}
        return tuple((name, self.sources(each, below(path, name))) for name, each in section.items())

    def _notes(self, value: Any, path: str) -> tuple[tuple[str, Match], ...]:
        section = self.section(value, path) if value is not None else {}
        return tuple((note, self.match(match, below(path, note))) for note, match in section.items())

    def _group_by(self, value: Any, path: str) -> tuple[GroupBy, tuple[bool, ...]]:
        entries = [str(each) for each in self.items(value, path)]
        if not entries:
            self.complain(path, "must have at least one entry")
        compiled = [
            self.attempt(f"{path}[{index}]", lambda text: compile_group_by([text]), entry, _NO_GROUP)
            for index, entry in enumerate(entries)
        ]
        return (
            lambda scene: tuple(value for part in compiled for value in part(scene)),
            tuple(entry in _NAMING for entry in entries),
        )

    def _examples(self, value: Any, path: str) -> tuple[Example, ...]:
        examples: dict[str, Example] = {}
        for index, each in enumerate(self.items(value, path)):
            here = f"{path}[{index}]"
            section = self.section(each, here, ("name", "payload", "expect"), ("name", "payload", "expect"))
            name = str(section.get("name"))
            if name in examples:
                self.complain(f"{here}.name", f"there is another example {name!r}")
            payload = self._payload(section.get("payload"), f"{here}.payload")
            expect = self._expect(section.get("expect"), f"{here}.expect")
            examples[name] = Example(name, payload, expect, self.document.locate(here))
        return tuple(examples.values())

    def _payload(self, value: Any, path: str) -> bytes:
        if isinstance(value, str):
            return value.encode()
        try:
            return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
        except TypeError as error:  # a date of YAML, or a number beyond JSON's
            self.complain(path, f"{error}: put it in quotes")
            return b""

    def _expect(self, value: Any, path: str) -> tuple[Mapping[str, Any], ...]:
        """One section per element; of a single one it needs no list."""
        if isinstance(value, dict):
            return (self._expectation(value, path),)
        return tuple(self._expectation(each, f"{path}[{index}]") for index, each in enumerate(self.items(value, path)))

    def _expectation(self, value: Any, path: str) -> Mapping[str, Any]:
        section = self.section(value, path, _EXPECTED)
        outcome = section.get("outcome", OUTCOMES[0])
        if outcome not in OUTCOMES:
            self.complain(f"{path}.outcome", f"{outcome!r} is no outcome{suggest_or_list(str(outcome), OUTCOMES)}")
        return section
