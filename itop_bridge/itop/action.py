"""Actions: iTop's operations as immutable descriptions, to be awaited as often as one likes. Light to import.

`persons = GetAction(iclass="Person", output=["name"])` describes; `await persons(key=3)` sends, with what is given for
this call only. Each raises one ITopError: `TransientError` (nothing was done, it may work later), `UncertainError`
(whether it was done is not known) or `PermanentError` (nothing was done, and it will not work as it is).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from itop_bridge.itop.connection import current_itop
from itop_bridge.itop.error import RequestError
from itop_bridge.itop.operation import Key

if TYPE_CHECKING:
    from itop_bridge.itop.answer import Answer, Object

_COMMENT = "itop_bridge"


class Caller(Protocol):
    """What sends a call: an `ITop`, of this module's kind or of `itop_bridge.blocking`'s."""

    def call(self, operation: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Action(ABC):
    """What all actions have: the connection they use. None is the innermost open one at the time of the call."""

    itop: Caller | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # what was given may be changed later by whoever gave it
        for each in fields(self):
            if each.name != "itop":
                object.__setattr__(self, each.name, _freeze(getattr(self, each.name)))

    async def __call__(self, **overrides: Any) -> "Answer":
        """Send it. `overrides` hold for this call only; the action stays as it is."""
        action = replace(self, **overrides)
        answer: Answer = await (action.itop or current_itop()).call(action.describe())
        return answer

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What is sent: iTop's `json_data`. Raises RequestError for what iTop could not understand."""


@dataclass(frozen=True, kw_only=True)
class ListAction(Action):
    """list_operations: what this iTop offers (`answer.operations`). It is also the cheapest check of a login."""

    def describe(self) -> dict[str, Any]:
        return {"operation": "list_operations"}


@dataclass(frozen=True, kw_only=True)
class GetAction(Action):
    """core/get: the objects that `key` names. None found is no error.

    `key` is an id (int), an OQL query (str), or attributes and their values (dict; a nested one names the object that
    an external key points at). Without a key: all objects of the class.

    `output` lists the attributes; without it iTop gives all of them, which is slow for many (35 s for 3,885 incidents
    on a real iTop). `limit` and `page` (from 1) take a part.
    """

    iclass: str
    output: Sequence[str] = ()
    key: Key | None = None
    limit: int | None = None
    page: int | None = None

    def describe(self) -> dict[str, Any]:
        portion = {name: value for name, value in (("limit", self.limit), ("page", self.page)) if value is not None}
        return {
            "operation": "core/get",
            "class": self.iclass,
            "key": f"SELECT {self.iclass}" if self.key is None else describe_key(self.key),
            "output_fields": _listed(self.output, "*"),
            **portion,
        }

    async def pages(self, *, size: int = 100, **overrides: Any) -> AsyncIterator["Object"]:
        """All objects, `size` a call. One that moves to a later page meanwhile is given once; one that moves to an
        earlier page, because another was deleted, may be missed: iTop has no cursor."""
        pages = Pages(size)
        while pages.has_next:
            for each in pages.take(await self(**overrides, limit=size, page=pages.number)):
                yield each


class Pages:
    """Where a reading in pages stands. Pure."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise RequestError(f"a page has 1 object or more, not {size}")
        self._size = size
        self._seen: set[tuple[str, int]] = set()
        self.number = 1
        self.has_next = True
        self.total = 0
        """How many objects there are, as the last answer told."""

    def take(self, answer: "Answer") -> list["Object"]:
        """Go on to the next page; the objects that were not on an earlier one."""
        new = [each for each in answer.objects if (each.iclass, each.key) not in self._seen]
        self._seen.update((each.iclass, each.key) for each in new)
        self.total = answer.total or 0
        # a page past the end is empty (transcript 240)
        self.has_next = bool(answer.objects) and self.number * self._size < self.total
        self.number += 1
        return new


@dataclass(frozen=True, kw_only=True)
class _WriteAction(Action):
    """What writes have: the answer's attributes, and a comment that iTop keeps in the object's history."""

    iclass: str
    output: Sequence[str] = ("id", "friendlyname")
    comment: str = _COMMENT


@dataclass(frozen=True, kw_only=True)
class CreateAction(_WriteAction):
    """core/create: a new object of the class, with `fields`.

    Never idempotent: the same call makes a second object (transcripts 139, 140). After an UncertainError, look before
    you call again. A description is HTML to iTop: escape what is not.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {
            "operation": "core/create",
            "class": self.iclass,
            "comment": self.comment,
            "fields": _thaw(self.fields),
            "output_fields": _listed(self.output, "id,friendlyname"),
        }


@dataclass(frozen=True, kw_only=True)
class UpdateAction(_WriteAction):
    """core/update: change the one object that `key` names: all the fields or none (transcript 263)."""

    key: Key | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {
            "operation": "core/update",
            "class": self.iclass,
            "comment": self.comment,
            "key": _one_key(self.key),
            "fields": _thaw(self.fields),
            "output_fields": _listed(self.output, "id,friendlyname"),
        }


@dataclass(frozen=True, kw_only=True)
class StimulateAction(_WriteAction):
    """core/apply_stimulus: take one object to its next state (`ev_assign`, `ev_resolve`), together with `fields`.

    Raises StimulusError if its state does not take the stimulus, or a field is missing for it.
    """

    key: Key | None = None
    stimulus: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {
            "operation": "core/apply_stimulus",
            "class": self.iclass,
            "comment": self.comment,
            "key": _one_key(self.key),
            "stimulus": self.stimulus,
            "fields": _thaw(self.fields),
            "output_fields": _listed(self.output, "id,friendlyname"),
        }


@dataclass(frozen=True, kw_only=True)
class DeleteAction(Action):
    """core/delete: the objects that `key` names, and what cannot be without them. Nothing found is no error.

    With `simulate` iTop tells what would go, and removes nothing (transcripts 350-352).
    """

    iclass: str
    key: Key | None = None
    simulate: bool = False
    comment: str = _COMMENT

    def describe(self) -> dict[str, Any]:
        return {
            "operation": "core/delete",
            "class": self.iclass,
            "comment": self.comment,
            "key": _one_key(self.key),
            "simulate": self.simulate,
        }


@dataclass(frozen=True, kw_only=True)
class RelatedAction(Action):
    """core/get_related: what the objects impact, or depend on (`answer.relations`).

    `relation` is `impacts` or `depends on`; iTop takes an unknown one for a relation without members (transcript 360).
    """

    iclass: str
    key: Key | None = None
    relation: str = "impacts"
    depth: int = 4

    def describe(self) -> dict[str, Any]:
        return {
            "operation": "core/get_related",
            "class": self.iclass,
            "key": _one_key(self.key),
            "relation": self.relation,
            "depth": self.depth,
        }


@dataclass(frozen=True, kw_only=True)
class CheckCredentialsAction(Action):
    """core/check_credentials: does iTop know this user by this password (`answer.authorized`)?"""

    user: str
    password: str = field(repr=False)

    def describe(self) -> dict[str, Any]:
        return {"operation": "core/check_credentials", "user": self.user, "password": self.password}


def describe_key(key: Key) -> int | str | dict[str, Any]:
    """The key as iTop takes it. Raises RequestError for what is none: iTop fails with HTTP 500 on an empty text."""
    if isinstance(key, bool) or not isinstance(key, int | str | Mapping):
        raise RequestError(f"a key is an id, an OQL query or a dict of attributes, not {key!r:.80}")
    if isinstance(key, int):
        return key
    if not key:
        raise RequestError("an empty key names nothing")
    return key if isinstance(key, str) else dict(_thaw(key))


def _one_key(key: Key | None) -> int | str | dict[str, Any]:
    if key is None:
        raise RequestError("a key is missing: which object is meant?")
    return describe_key(key)


def _listed(output: Sequence[str], without: str) -> str:
    if isinstance(output, str):
        return output
    return ",".join(output) or without


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _freeze(each) for key, each in value.items()})
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def _thaw(value: Any) -> Any:
    """As JSON can be written from it."""
    if isinstance(value, Mapping):
        return {key: _thaw(each) for key, each in value.items()}
    return list(map(_thaw, value)) if isinstance(value, list | tuple) else value
