"""Factories, loaded into records with a status: one that does not load is reported and takes no other down."""

import dataclasses
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from itop_bridge.alert import Alert
from itop_bridge.bundled import bundled_folder
from itop_bridge.errors import BridgeError
from itop_bridge.intent import Case, Intent, Writing
from itop_bridge.spelling import suggest

ENTRY_POINTS = "itop_bridge.factories"
_WANTED = ("NAME", "Settings", "handle", "describe_writing")


class FactoryLoadError(BridgeError):
    """The module is no factory."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A loaded factory."""

    name: str
    settings_class: type
    handle: Callable[[Alert, Case, Any], Iterable[Intent]]
    describe_writing: Callable[[Any], Writing]


@dataclass(frozen=True, slots=True)
class Record:
    """A factory that was found. `status` is loaded, failed or overridden; `detail` says why it failed."""

    name: str
    origin: str
    status: str
    detail: str = ""
    factory: Factory | None = None
    """None if it failed, or has commands only."""
    add_parser: Callable[[Any], None] | None = None
    """Adds its commands to argparse's subparsers, if it has any."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What was found, in the order in which it was looked for: bundled, the configuration's folders, entry points."""

    records: tuple[Record, ...]

    @property
    def factories(self) -> Mapping[str, Factory]:
        return {r.name: r.factory for r in self.records if r.status == "loaded" and r.factory}

    @property
    def failed(self) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.status == "failed")


def load_registry(folders: Iterable[Path]) -> Registry:
    """Load every factory of the bundled folder, of `folders` and of the entry points; a later one of a name wins."""
    records: list[Record] = []
    bundled = bundled_folder("factories")
    for folder in (bundled, *folders):
        paths = (path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_"))
        loader = SourceFileLoader if folder == bundled else _FreshLoader
        records += [_load(path.stem, str(path), partial(_import_file, path, loader)) for path in paths]
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    records += [_load(point.name, point.value, point.load) for point in points]
    return Registry(tuple(_override(records)))


def _load(name: str, origin: str, load: Callable[[], ModuleType]) -> Record:
    try:
        module = load()
        add_parser = getattr(module, "add_parser", None)
        factory = None if add_parser and not hasattr(module, "handle") else _check(module)
        name = str(getattr(module, "NAME", name))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: whatever it raises is its record's status
        return Record(name, origin, "failed", f"{type(error).__name__}: {error}")
    return Record(name, origin, "loaded", factory=factory, add_parser=add_parser)


def _import_file(path: Path, loader: type[SourceFileLoader] = SourceFileLoader) -> ModuleType:
    name = f"itop_bridge_factory_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=loader(name, str(path)))
    if spec is None or spec.loader is None:
        raise FactoryLoadError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _FreshLoader(SourceFileLoader):
    """Compiles what the file holds now: a cached file of Python's is taken for new within a second of a change."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the import system's signature
        return self.source_to_code(self.get_data(self.path), self.path)


def _check(module: ModuleType) -> Factory:
    missing = [name for name in _WANTED if not hasattr(module, name)]
    if missing:
        raise FactoryLoadError(f"the module has no {', no '.join(missing)} (see itop_bridge.factory)")
    if not dataclasses.is_dataclass(module.Settings) or not isinstance(module.Settings, type):
        raise FactoryLoadError("Settings is no dataclass")
    return Factory(str(module.NAME), module.Settings, module.handle, module.describe_writing)


def _override(records: list[Record]) -> Iterable[Record]:
    last = {record.name: index for index, record in enumerate(records) if record.status == "loaded"}
    for index, record in enumerate(records):
        if record.status == "loaded" and last[record.name] != index:
            yield dataclasses.replace(record, status="overridden", factory=None, add_parser=None)
        else:
            yield record


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """A factory's setting that is wrong: where (below the route's `settings`), and what."""

    path: tuple[str | int, ...]
    message: str


def list_keys(factory: Factory) -> tuple[str, ...]:
    """The settings that a factory knows, as they are written."""
    return tuple(_keys_of(factory.settings_class))


def _keys_of(settings_class: type) -> dict[str, str]:
    return {field.metadata.get("key", field.name): field.name for field in dataclasses.fields(settings_class)}


def read_settings(factory: Factory, values: Mapping[str, Any]) -> tuple[Any, list[SettingsProblem]]:
    """A route's `settings` as the factory's own class, or every problem of them."""
    return read_dataclass(factory.settings_class, factory.name, values)


def read_dataclass(settings_class: type, owner: str, values: Mapping[str, Any]) -> tuple[Any, list[SettingsProblem]]:
    """`values` as a dataclass of `owner`, or every problem of them."""
    # pydantic is loaded here only: `--help` reads this module without it
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    keys = _keys_of(settings_class)
    problems = [
        SettingsProblem((key,), f"unknown setting of {owner}{suggest(key, keys)}") for key in values if key not in keys
    ]
    known = {keys[key]: value for key, value in values.items() if key in keys}
    names = {name: key for key, name in keys.items()}
    try:
        settings: Any = TypeAdapter(settings_class).validate_python(known)
    except ValidationError as error:
        problems += [
            SettingsProblem(
                tuple(names.get(str(part), part) for part in each["loc"]),
                "unknown setting" if each["type"] == "unexpected_keyword_argument" else each["msg"],
            )
            for each in error.errors()
        ]
        return None, problems
    return settings, problems
