"""A YAML file as plain data, with the place of every value in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.error import Mark, MarkedYAMLError
from yaml.reader import ReaderError

from itop_bridge.errors import ConfigurationError

_MOST_VALUES = 100_000
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """What a file says. Paths are dotted: `routes[0].group_by[1]`."""

    name: str
    data: Any = None
    values: dict[str, Position] = field(default_factory=dict)
    """Where each value stands; of a section or list under a key, where the key stands."""
    keys: dict[str, Position] = field(default_factory=dict)

    def position_of(self, path: str, *, key: bool = False) -> Position:
        """Where `path` stands (its key, if asked for), else the nearest section around it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.values.get(path, Position(1, 1))

    def locate(self, path: str, *, key: bool = False) -> str:
        """`file:line:column` of a path."""
        position = self.position_of(path, key=key)
        return f"{self.name}:{position.line}:{position.column}"


def join_path(parts: tuple[str | int, ...]) -> str:
    """The dotted path: ("routes", 0, "name") is `routes[0].name`."""
    path = ""
    for part in parts:
        path = _below(path, part)
    return path


def _below(path: str, part: str | int) -> str:
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else part


def parse_document(content: bytes, name: str) -> Document:
    """Read YAML (no tags that run code, no key twice, aliases bounded). Raises ConfigurationError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([f"{name}:{line}:1: the file is not text in UTF-8"]) from error
    try:
        return _build(yaml.compose(text, Loader=yaml.SafeLoader), name)
    except MarkedYAMLError as error:
        raise ConfigurationError([_describe_syntax(error, name)]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError([f"{name}:{line}:1: the file holds a control character"]) from error
    except RecursionError as error:
        raise ConfigurationError([f"{name}:1:1: the file is nested too deeply"]) from error


def _describe_syntax(error: MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
    context = f" ({error.context})" if error.context else ""
    return f"{where}: not valid YAML: {error.problem}{context}"


def _build(root: yaml.Node | None, name: str) -> Document:
    document = Document(name)
    if root is None:
        return document
    builder = _Builder(document)
    data = builder.build(root, "")
    if builder.problems:
        raise ConfigurationError([f"{name}:{at.line}:{at.column}: {text}" for at, text in sorted(builder.problems)])
    return Document(name, data, document.values, document.keys)


class _Builder:
    """Walks the nodes of a document once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[tuple[Position, str]] = []
        self._scalars = SafeConstructor()
        self._built = 0
        self._around: set[int] = set()  # the collections that we are in, by identity

    def build(self, node: yaml.Node, path: str) -> Any:
        self.document.values.setdefault(path, _position(node.start_mark))
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return self._build_scalar(node, path)
        if id(node) in self._around:
            self._complain(node.start_mark, path, "holds an alias to itself")
            return None
        self._around.add(id(node))
        try:
            return (
                self._build_mapping(node, path) if isinstance(node, yaml.MappingNode) else self._build_list(node, path)
            )
        finally:
            self._around.discard(id(node))

    def _count(self, node: yaml.Node) -> None:
        self._built += 1
        if self._built > _MOST_VALUES:
            at = _position(node.start_mark)
            place = f"{self.document.name}:{at.line}:{at.column}"
            raise ConfigurationError([f"{place}: the file comes to more than {_MOST_VALUES} values with its aliases"])

    def _build_scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        try:
            return self._scalars.construct_object(node)
        except ConstructorError as error:
            self._complain(node.start_mark, path, str(error.problem))
        except ValueError as error:  # a date such as 2024-13-45
            self._complain(node.start_mark, path, f"{error}: put it in quotes if it is text")
        return None

    def _build_list(self, node: yaml.Node, path: str) -> list[Any]:
        if node.tag != "tag:yaml.org,2002:seq":
            self._complain(node.start_mark, path, f"the tag {node.tag} is not known")
            return []
        return [self.build(item, f"{path}[{index}]") for index, item in enumerate(node.value)]

    def _build_mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if node.tag != "tag:yaml.org,2002:map":
            self._complain(node.start_mark, path, f"the tag {node.tag} is not known")
            return data
        for key_node, value_node in self._pairs(node, path):
            key = self._key_of(key_node, path)
            if key is None or key in data:  # already told, or merged in by << and set here
                continue
            here = _below(path, key)
            self.document.keys[here] = _position(key_node.start_mark)
            if not isinstance(value_node, yaml.ScalarNode):
                self.document.values[here] = _position(key_node.start_mark)
            data[key] = self.build(value_node, here)
        return data

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """The keys and values of a mapping: its own first, then those that `<<` merges in."""
        seen: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            self._count(key_node)
            if key_node.tag == _MERGE:
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            elif first := seen.get(str(key_node.value)):
                at = _position(first.start_mark)
                self._complain(
                    key_node.start_mark,
                    _below(path, str(key_node.value)),
                    f"the key stands here twice: first in line {at.line}, column {at.column}",
                )
            else:
                seen[str(key_node.value)] = key_node
                yield key_node, value_node
        for source in merged:
            if isinstance(source, yaml.MappingNode) and id(source) not in self._around:
                yield from self._pairs(source, path)
            else:
                self._complain(source.start_mark, path, "<< must name a section")

    def _key_of(self, node: yaml.Node, path: str) -> str | None:
        key = self._build_scalar(node, path) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str):
            return key
        self._complain(node.start_mark, path, "a key must be text: put it in quotes")
        return None

    def _complain(self, mark: Mark, path: str, text: str) -> None:
        self.problems.append((_position(mark), f"{path}: {text}" if path else text))


def _position(mark: Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)
