"""The classes that the simulator knows: their attributes, states and transitions. Pure; `schema.py` loads them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

KINDS = frozenset(
    "blob computed date datetime duration enum field ip key log set stopwatch text".split()  # noqa: SIM905 - shorter so
)
"""The kinds of attribute that a class may declare."""

_STOPWATCH = ("started", "laststart", "stopped")
_THRESHOLD = ("deadline", "passed", "triggered", "overrun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute. `kind` is one of KINDS, or of those every class has: friendlyname, finalclass, flag."""

    code: str
    kind: str
    label: str = ""
    max: int | None = None
    """The most characters that a text may have."""
    html: bool = False
    required: bool = False
    readonly: bool = False
    """Computed by iTop: a given value is ignored."""
    default: str | None = None
    values: tuple[str, ...] = ()
    target: str = ""
    """The class that a key points at."""
    key: str = ""
    field: str = ""
    """A field shows the attribute `field` of the object that the attribute `key` points at."""
    link: str = ""
    back: str = ""
    """A set lists the objects of the class `link` whose key `back` points here."""


@dataclass(frozen=True, slots=True)
class LifeState:
    """One state of a ticket's life: what must be filled in there, and where each stimulus leads."""

    mandatory: tuple[str, ...]
    transitions: Mapping[str, str]
    operational_status: str = "ongoing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassModel:
    """One class. `attributes` holds all it has, inherited ones too, in iTop's order."""

    name: str
    root: str
    """The topmost ancestor: ids are unique within it."""
    lineage: frozenset[str]
    """The class itself and its ancestors."""
    abstract: bool
    obsolescence: bool
    friendlyname: tuple[str, ...]
    joint: str
    newest_first: str
    """The attribute by which a query is ordered, descending; empty: by friendly name."""
    prefix: str
    """The letter of a ticket's reference."""
    unique: tuple[str, ...]
    """No two objects may agree in all of these."""
    states: Mapping[str, LifeState] = field(repr=False)
    attributes: Mapping[str, Attribute] = field(repr=False)

    def filter_codes(self) -> list[str]:
        """What OQL may name, in the order in which iTop lists it (transcript 217)."""
        codes = ["finalclass", "friendlyname"] if "finalclass" in self.attributes else ["friendlyname"]
        for attribute in self.attributes.values():
            if attribute.kind in ("set", "blob") or attribute.code in _derived(self) or attribute.code in codes:
                continue
            codes.append(attribute.code)
            codes += [code for code, owner in _derived(self).items() if owner == attribute.code]
            codes += _sub_items(attribute)
        return [*codes, "id"]


def _sub_items(attribute: Attribute) -> Iterator[str]:
    if attribute.kind != "stopwatch":
        return
    yield from (f"{attribute.code}_{part}" for part in _STOPWATCH)
    if attribute.code in ("tto", "ttr"):
        yield from (f"{attribute.code}_{percent}_{part}" for percent in (75, 100) for part in _THRESHOLD)


def _derived(model: ClassModel) -> dict[str, str]:
    """Each attribute that comes with a key, and its key."""
    return {
        code: attribute.key
        for code, attribute in model.attributes.items()
        if attribute.kind == "field" and code.startswith(f"{attribute.key}_") and attribute.field in _COMPANIONS
    }


_COMPANIONS = ("friendlyname", "finalclass", "obsolescence_flag")


class Datamodel:
    """All classes by name, from the JSON that `docs/simulator.md` describes."""

    def __init__(self, raw: Mapping[str, dict[str, object]]) -> None:
        self._raw = raw
        self._parents = {str(entry["parent"]) for entry in raw.values() if "parent" in entry}
        self.classes: dict[str, ClassModel] = {name: self._build(name) for name in raw}

    def __contains__(self, name: object) -> bool:
        return name in self.classes

    def __getitem__(self, name: str) -> ClassModel:
        return self.classes[name]

    def is_a(self, name: str, ancestor: str) -> bool:
        return ancestor in self.classes[name].lineage

    def _lineage(self, name: str) -> list[str]:
        """From the class up to its root."""
        parent = self._raw[name].get("parent")
        return [name, *(self._lineage(str(parent)) if parent else [])]

    def _build(self, name: str) -> ClassModel:
        lineage = self._lineage(name)
        own: dict[str, Attribute] = {}
        for ancestor in reversed(lineage):
            own |= _parse_attributes(self._raw[ancestor]["attributes"])
        states = _parse_states(self._inherit(lineage, "states", {}))
        if states and "status" in own:
            own["status"] = replace(own["status"], values=tuple(dict.fromkeys((*own["status"].values, *states))))
        return ClassModel(
            name=name,
            root=lineage[-1],
            lineage=frozenset(lineage),
            abstract=bool(self._raw[name].get("abstract")),
            obsolescence=bool(self._raw[name].get("obsolescence")),
            friendlyname=_texts(self._inherit(lineage, "friendlyname", ["name"])),
            joint=str(self._inherit(lineage, "joint", " ")),
            newest_first=str(self._inherit(lineage, "newest_first", "")),
            prefix=str(self._inherit(lineage, "prefix", "")),
            unique=_texts(self._inherit(lineage, "unique", [])),
            states=states,
            attributes=own | self._general(name, lineage, own),
        )

    def _inherit(self, lineage: list[str], key: str, default: object) -> object:
        """The class's own, or that of the nearest ancestor that has one."""
        return next((self._raw[name][key] for name in lineage if key in self._raw[name]), default)

    def _general(self, name: str, lineage: list[str], own: Mapping[str, Attribute]) -> dict[str, Attribute]:
        """What every class has, and what comes with its keys."""
        general: list[Attribute] = []
        if len(lineage) > 1 or name in self._parents:
            general.append(Attribute(code="finalclass", kind="finalclass"))
        general.append(Attribute(code="friendlyname", kind="friendlyname"))
        if self._raw[name].get("obsolescence"):
            general.append(Attribute(code="obsolescence_flag", kind="flag"))
            general.append(Attribute(code="obsolescence_date", kind="datetime", readonly=True))
        for attribute in own.values():
            if attribute.target:
                general += self._companions(attribute.code, attribute.target)
        return {attribute.code: attribute for attribute in general}

    def _companions(self, code: str, target: str) -> Iterator[Attribute]:
        yield Attribute(code=f"{code}_friendlyname", kind="field", key=code, field="friendlyname")
        if self._raw[target].get("abstract"):
            yield Attribute(code=f"{code}_finalclass_recall", kind="field", key=code, field="finalclass")
        if self._raw[target].get("obsolescence"):
            yield Attribute(code=f"{code}_obsolescence_flag", kind="field", key=code, field="obsolescence_flag")


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise TypeError(f"a list of texts is expected, not {raw!r}")
    return tuple(str(text) for text in raw)


def _parse_attributes(raw: object) -> dict[str, Attribute]:
    if not isinstance(raw, dict):
        raise TypeError("attributes: an object is expected")
    return {
        code: Attribute(code=code, **{**entry, "values": tuple(entry.get("values", ()))}) for code, entry in raw.items()
    }


def _parse_states(raw: object) -> dict[str, LifeState]:
    if not isinstance(raw, dict):
        raise TypeError("states: an object is expected")
    return {
        name: LifeState(tuple(entry["mandatory"]), entry["transitions"], entry.get("operational_status", "ongoing"))
        for name, entry in raw.items()
    }
