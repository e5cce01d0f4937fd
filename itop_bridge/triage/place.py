"""Where facts lie, and under which conditions, as a format's YAML says it: compiled. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from itop_bridge.expression.path import parse_paths
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.section import Sections, below
from itop_bridge.triage.source import (
    KINDS,
    Match,
    Source,
    Sources,
    Words,
    all_match,
    any_match,
    as_written,
    compile_jinja,
    compile_paths,
    compile_pattern,
    compile_title,
    in_each,
    match_branch,
    match_ends,
    match_kind,
    match_no_words,
    match_parts,
    match_words,
    only_if,
)

NOTHING: Source = lambda _raw, _wrapper: None  # noqa: E731 - stands where something could not be compiled; a def has no such type

TESTS = {"not": match_no_words, "ends_with": match_ends, "contains": match_parts}
"""The conditions of values by name, beside equality with words."""


class Places(Sections):
    """Compiles places and conditions; what is wrong is kept and something harmless stands in its place."""

    dotted = False
    """Whether paths are of documents that hold dotted keys and nested objects at once."""

    def sources(self, value: Any, path: str) -> Sources:
        """Where a fact lies: paths, `{path, if, of, pattern, written_as}`, `{text}`, `{jinja}`, or a list of these."""
        if isinstance(value, list):
            return tuple(source for i, each in enumerate(value) for source in self.sources(each, f"{path}[{i}]"))
        if not isinstance(value, dict):
            return self.paths(value, path)
        if "jinja" in value:
            section = self.section(value, path, ("jinja",))
            return (self.attempt(f"{path}.jinja", compile_jinja, section["jinja"], NOTHING),)
        if "text" in value:
            section = self.section(value, path, ("text",))
            return (self.title(section["text"], f"{path}.text"),)
        known = ("path", "if", "of", "pattern", "written_as")
        section = self.section(value, path, known, ("path", "if") if value.keys().isdisjoint(known[2:]) else ("path",))
        sources = self._members(section, path) if "of" in section else self.place(section, path)
        if "pattern" in section:
            cut = self.attempt(f"{path}.pattern", compile_pattern, section["pattern"], lambda source: source)
            sources = tuple(map(cut, sources))
        if "written_as" in section:
            (pattern, *_) = self.paths(section["written_as"], f"{path}.written_as")
            sources = tuple(as_written(source, pattern) for source in sources)
        return sources

    def _members(self, section: Mapping[str, Any], path: str) -> Sources:
        """The paths of a section in the members of an array, perhaps of those under a condition."""
        matches = self.match(section.get("if", {}), f"{path}.if")
        sources = self.paths(section.get("path", "?"), f"{path}.path")
        return tuple(in_each(members, matches, sources) for members in self.paths(section["of"], f"{path}.of"))

    def place(self, section: Mapping[str, Any], path: str) -> Sources:
        """The paths of a section, perhaps under a condition."""
        sources = self.paths(section.get("path", "?"), f"{path}.path")
        if "if" not in section:
            return sources
        matches = self.match(section["if"], f"{path}.if")
        return tuple(only_if(matches, source) for source in sources)

    def paths(self, value: Any, path: str) -> Sources:
        return self.attempt(path, lambda text: compile_paths(text, dotted=self.dotted), value, (NOTHING,))

    def keys_of(self, places: Iterable[str]) -> frozenset[str]:
        """The keys that an object must have to have something at each of the places, as far as that is plain."""
        if self.dotted or self.problems:
            return frozenset()
        paths = [parse_paths(place) for place in places]
        firsts = [str(alternatives[0][0]) for alternatives in paths if len(alternatives) == 1]
        return frozenset(key for key in firsts if not key.startswith("^"))

    def title(self, value: Any, path: str) -> Source:
        return self.attempt(path, lambda text: compile_title(text, dotted=self.dotted), value, NOTHING)

    def match(self, value: Any, path: str) -> Match:
        """`{path: word}`, `{path: [words]}`, `{path: {not: words}}` (or ends_with, contains): all must hold; of a list
        of these, one.
        """
        if isinstance(value, list) and value:
            return any_match([self.match(each, f"{path}[{index}]") for index, each in enumerate(value)])
        matches = []
        for place, content in self.section(value, path).items():
            here = below(path, place)
            matches.append(self._test(self.paths(place, here), content, here))
        return all_match(matches)

    def _test(self, sources: Sources, value: Any, path: str) -> Match:
        """Words to be one of, or a test with its words (`{not: {ends_with: words}}`, too). null is what is absent."""
        test, words = "", value
        if isinstance(value, dict):
            test, words = next(iter(self.section(value, path, tuple(TESTS)).items()), ("not", None))
            if len(value) != 1:
                self.complain(path, f"must have one of {', '.join(TESTS)}")
            if test == "not" and isinstance(words, dict):
                inner = self._test(sources, words, f"{path}.not")
                return lambda raw, wrapper: not inner(raw, wrapper)
        return TESTS.get(test, match_words)(sources, self.words(words, path))

    def wanted(self, value: Any, path: str) -> tuple[Words, bool]:
        """Words, and whether a value should be one of them (or none: `{not: words}`)."""
        if not isinstance(value, dict):
            return self.words(value, path), True
        return self.words(self.section(value, path, ("not",), ("not",)).get("not"), path), False

    def kind(self, place: str, kind: Any, path: str) -> Match:
        if kind not in KINDS:
            self.complain(below(path, place), f"{kind!r} is no kind{suggest_or_list(str(kind), KINDS)}")
            kind = "present"
        if self.dotted and kind == "object":
            return self.attempt(below(path, place), match_branch, place, NOTHING)
        return match_kind(self.paths(place, below(path, place)), kind)
