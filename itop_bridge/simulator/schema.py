"""Where a data model comes from: the stock one, the changes of a release and an install, and a site's own.

Changes are a JSON merge patch (RFC 7396): what is named is added or replaced, and `null` takes it away.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from itop_bridge.errors import ConfigurationError
from itop_bridge.simulator.datamodel import KINDS, Attribute, ClassModel, Datamodel

INSTALLS = ("itil", "simple")
"""ITIL incident management, or simple ticket management, which has no class Incident (transcripts 661-711)."""

_FOLDER = Path(__file__).parent
_CLASS_KEYS = frozenset(
    {"parent", "abstract", "obsolescence", "friendlyname", "joint", "newest_first", "prefix", "unique", "states"}
) | {"attributes"}
_STATE_KEYS = frozenset({"mandatory", "transitions", "operational_status"})
_ATTRIBUTE_KEYS = frozenset(Attribute.__slots__) - {"code"}
_CORE = ("Organization", "Person", "Team", "Ticket", "lnkPersonToTeam")
"""The classes that the simulator itself works with."""

Raw = dict[str, Any]


def load_datamodel(version: str = "3.2", install: str = "itil", changes: Path | None = None) -> Datamodel:
    """The model of an iTop, with the changes of a file. Raises ConfigurationError that names all that is wrong."""
    if changes is None:
        return _load_stock(version, install)
    raw = merge_patch(_read_stock(version, install), _read_changes(changes))
    problems = list(_find_problems(raw))
    if not problems:
        model = Datamodel(raw)
        problems = [problem for each in model.classes.values() for problem in _find_dangling(model, each)]
    if problems:
        raise ConfigurationError([f"{changes}: {problem}" for problem in problems])
    return model


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch applied, as RFC 7396 tells."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


@cache
def _load_stock(version: str, install: str) -> Datamodel:
    return Datamodel(_read_stock(version, install))


def _read_stock(version: str, install: str) -> Raw:
    raw: Raw = json.loads((_FOLDER / "datamodel.json").read_text(encoding="utf-8"))
    for change in (version, install, f"{version}-{install}"):
        path = _FOLDER / f"datamodel-{change}.json"
        if path.exists():
            raw = merge_patch(raw, json.loads(path.read_text(encoding="utf-8")))
    return raw


def _read_changes(path: Path) -> Raw:
    try:
        changes = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except json.JSONDecodeError as error:
        raise ConfigurationError([f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}"]) from error
    except ValueError as error:
        raise ConfigurationError([f"{path}: the file is not text in UTF-8"]) from error
    if not isinstance(changes, dict):
        raise ConfigurationError([f"{path}: must be an object of classes by name"])
    return changes


def _find_problems(raw: Raw) -> Iterator[str]:
    """What keeps the model from being built."""
    for name in _CORE:
        if name not in raw:
            yield f"{name}: this class must stay"
    for name, entry in raw.items():
        if not isinstance(entry, dict):
            yield f"{name}: must be an object, or null"
            continue
        yield from _find_unknown(name, entry, _CLASS_KEYS)
        if (parent := _find_lost_parent(name, raw)) is not None:
            yield f"{name}.parent: there is no class {parent!r} that it can come from"
        entry.setdefault("attributes", {})
        for key, find in (("attributes", _find_attribute_problems), ("states", _find_state_problems)):
            nested = entry.get(key, {})
            if not isinstance(nested, dict) or not all(isinstance(each, dict) for each in nested.values()):
                yield f"{name}.{key}: must be an object of objects"
                continue
            for code, each in nested.items():
                yield from find(f"{name}.{key}.{code}", each, raw)


def _find_lost_parent(name: str, raw: Raw) -> str | None:
    """The first ancestor that is not there, or that is its own ancestor."""
    seen = {name}
    while isinstance(raw.get(name), dict) and "parent" in raw[name]:
        name = raw[name]["parent"]
        if name in seen or not isinstance(raw.get(name), dict):
            return name
        seen.add(name)
    return None


def _find_unknown(where: str, entry: Raw, known: frozenset[str]) -> Iterator[str]:
    for key in entry.keys() - known:
        yield f"{where}.{key}: unknown; known are {', '.join(sorted(known))}"


def _find_attribute_problems(where: str, attribute: Raw, raw: Raw) -> Iterator[str]:
    yield from _find_unknown(where, attribute, _ATTRIBUTE_KEYS)
    kind = attribute.get("kind")
    if kind not in KINDS:
        yield f"{where}.kind: must be one of {', '.join(sorted(KINDS))}, not {kind!r}"
    for key, needs in (("target", kind == "key"), ("link", "link" in attribute)):
        if needs and attribute.get(key) not in raw:
            yield f"{where}.{key}: there is no class {attribute.get(key)!r}"
    if kind == "enum" and not isinstance(attribute.get("values"), list):
        yield f"{where}.values: must be a list"


def _find_state_problems(where: str, state: Raw, _raw: Raw) -> Iterator[str]:
    yield from _find_unknown(where, state, _STATE_KEYS)
    if not isinstance(state.setdefault("mandatory", []), list):
        yield f"{where}.mandatory: must be a list"
    if not isinstance(state.setdefault("transitions", {}), dict):
        yield f"{where}.transitions: must be an object of states by stimulus"


def _find_dangling(datamodel: Datamodel, model: ClassModel) -> Iterator[str]:
    """What names an attribute, a value or a state that is not there."""
    for code, attribute in model.attributes.items():
        if attribute.kind == "field" and not _has_field(datamodel, model, attribute):
            yield f"{model.name}.attributes.{code}: there is no {attribute.key}->{attribute.field}"
        if attribute.default and attribute.values and attribute.default not in attribute.values:
            yield f"{model.name}.attributes.{code}.default: {attribute.default!r} is not one of the values"
        if attribute.back and attribute.back not in datamodel[attribute.link].attributes:
            yield f"{model.name}.attributes.{code}.back: {attribute.link} has no attribute {attribute.back!r}"
    for name, state in model.states.items():
        for code in state.mandatory:
            if code not in model.attributes:
                yield f"{model.name}.states.{name}.mandatory: there is no attribute {code!r}"
        for stimulus, target in state.transitions.items():
            if target not in model.states:
                yield f"{model.name}.states.{name}.transitions.{stimulus}: there is no state {target!r}"


def _has_field(datamodel: Datamodel, model: ClassModel, attribute: Attribute) -> bool:
    key = model.attributes.get(attribute.key)
    if key is None or not key.target:
        return False
    known = datamodel[key.target].attributes.keys() | {"id", "finalclass", "obsolescence_flag"}
    return attribute.field in known
