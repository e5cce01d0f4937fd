"""From a decoded value to the elements in it: wrappers opened, batches split, what is no element told so. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.source import Match, Source, Sources

Part = tuple[Any, Any] | Dropped | Rejected
"""An element as it was sent, with the object that held it ({} if none); or what is none."""

_WRAPPERS = ("alerts", "value", "results")


@dataclass(frozen=True, slots=True)
class Shape:
    """Kinds that paths must have, all of them."""

    matches: Match
    size: int
    """How many must be there: what a shape demands more than another makes it more specific."""
    words: str
    needs: frozenset[str] = frozenset()
    """Keys without which it cannot match: asked first, since it is quickly done."""

    def fits(self, value: Any, wrapper: Any) -> bool:
        """Whether an object has the shape."""
        return self.needs <= value.keys() and self.matches(value, wrapper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a format's elements are found in a value."""

    name: str
    recognised_by: str
    """In words, for those whose payload is not."""
    recognises: Match
    split: Source | None
    """Gives the array whose members are the elements, where an object holds several."""
    unwrap: Sources
    """Give the object that is the element, where one that is none holds it."""
    drop: tuple[tuple[str, Match], ...]
    """Also for what is not recognised: products send more than alerts."""
    shapes: tuple[Shape, ...]
    """What `format: auto` tells the format by."""

    def open(self, value: Any) -> Iterator[Part]:
        """The elements of a value, in order, at least one."""
        if type(value) is list:
            yield from open_members(value, self._open_object)
        else:
            yield from self._open_object(value)

    def _open_object(self, value: Any) -> Iterator[Part]:
        if type(value) is not dict:
            yield not_an_object(value)
            return
        members = self.split(value, {}) if self.split else None
        if type(members) is list:
            yield from open_members(
                members, lambda member: [(member, value) if type(member) is dict else not_an_object(member)]
            )
        elif (part := self._find_element(value, {})) is not None:
            yield part
        elif (members := find_wrapped(value)) is not None:
            yield from open_members(members, lambda member: [self.judge(member, value)])
        else:
            yield self._unrecognised()

    def judge(self, member: Any, wrapper: Any) -> Part:
        """A member of a wrapper that is not the format's own."""
        if type(member) is not dict:
            return not_an_object(member)
        return self._find_element(open_hit(member), wrapper) or self._unrecognised()

    def _find_element(self, value: Any, wrapper: Any) -> tuple[Any, Any] | Dropped | None:
        """An object as an element: itself, or, if that is none, what it holds; None if neither is recognised."""
        for each, holder in self.unfold(value, wrapper):
            if self.recognises(each, holder):
                return each, holder
            for reason, matches in self.drop:
                if matches(each, holder):
                    return Dropped(reason)
        return None

    def unfold(self, value: Any, wrapper: Any) -> Iterator[tuple[Any, Any]]:
        """What may be the element of an object, with what holds it: itself, its hit, what it wraps."""
        yield value, wrapper
        hit = open_hit(value)
        if hit is not value:
            yield hit, wrapper
        for source in self.unwrap:
            found = source(value, wrapper)
            if type(found) is dict:
                yield open_hit(found), value

    def _unrecognised(self) -> Rejected:
        return Rejected("unrecognised_shape", f"not {self.name}, which is recognised by: {self.recognised_by}")


def open_members(members: list[Any], open_member: Callable[[Any], Any]) -> Iterator[Part]:
    """The elements of a batch: what each member gives, or that there is none."""
    if not members:
        yield Dropped("empty_batch")
    for member in members:
        yield from open_member(member)


def not_an_object(value: Any) -> Rejected:
    """Why a value is no element."""
    kinds = {list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return Rejected("not_an_object", f"an element is {kinds.get(type(value), 'a number')}, not an object")


def open_hit(value: Any) -> Any:
    """Of a hit of a search what was found (its `_source`, else its `fields`), with its id."""
    found = value.get("_source")
    if not found and "_id" in value:
        found = value.get("fields")
    if type(found) is not dict:
        return value
    return {**found, "_id": value["_id"]} if "_id" in value else found


def find_wrapped(value: Mapping[str, Any]) -> list[Any] | None:
    """The members of one of the wrappers that every format accepts."""
    hits = value.get("hits")
    found = [value.get(name) for name in _WRAPPERS] + [hits.get("hits") if type(hits) is dict else None]
    return next((members for members in found if type(members) is list), None)
