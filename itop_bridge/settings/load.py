"""Loading the configuration: every problem in one run, each with its place in the file."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.conflict import find_conflicts, find_doubts
from itop_bridge.settings.document import Document, parse_document
from itop_bridge.settings.model import CommandSettings, Itop, Settings
from itop_bridge.settings.place import Place, is_readable_by_others
from itop_bridge.settings.problem import Problem, describe_errors, unknown_key
from itop_bridge.settings.secret import find_secrets

_OF_ROUTES = ("factories", "formats", "defaults", "silences", "inhibit", "own_incidents", "routes")
_STAND_INS = {"mqtt": {"host": "localhost"}, "itop": {"address": "https://itop.example", "auth": "token", "token": "t"}}


@dataclass(frozen=True)
class Loaded:
    """The settings, what is doubtful about them (one line each), and where everything stands."""

    settings: Settings
    warnings: list[str]
    document: Document

    def locate(self, path: str) -> str:
        """`file:line:column` of a dotted path such as `routes[0].when`, or of the nearest section around it."""
        return self.document.locate(path)


def load_settings(
    path: Path | str,
    *,
    environ: Mapping[str, str] = os.environ,
    offline: bool = False,
    content: bytes | None = None,
    clock: Callable[[], float] = time.time,
) -> Loaded:
    """Load a YAML file. Raises ConfigurationError with all its problems, `file:line:column: path: what is wrong`.

    `offline` is for what reaches nothing: files of secrets and certificates need not be there, and are not read.
    `content` is taken for what the file holds.
    """
    path = Path(path)
    document = parse_document(_read(path) if content is None else content, str(path))
    conflicts = list(find_conflicts(document.data))
    try:
        settings = Settings.model_validate(document.data, context=Place(path.parent.absolute(), environ, offline))
    except ValidationError as error:
        raise ConfigurationError(_report(document, [*describe_errors(error, Settings), *conflicts])) from None
    if conflicts:
        raise ConfigurationError(_report(document, conflicts))
    weaknesses = [] if offline else _weaknesses(settings)
    return Loaded(settings, _report(document, [*weaknesses, *find_doubts(settings, clock())]), document)


def load_routes_alone(path: Path | str, *, environ: Mapping[str, str] = os.environ) -> Loaded | None:
    """The routes and what they rest on, with stand-ins for the other sections: so that they can be checked further
    where something else in the file is wrong. None where they are wrong themselves, without a warning in any case.

    Raises ConfigurationError if the file cannot be read.
    """
    path = Path(path)
    document = parse_document(_read(path), str(path))
    if not isinstance(document.data, dict) or any(find_conflicts(document.data)):
        return None
    data = {name: value for name, value in document.data.items() if name in _OF_ROUTES} | _STAND_INS
    try:
        settings = Settings.model_validate(data, context=Place(path.parent.absolute(), environ))
    except ValidationError:
        return None  # load_settings tells of it
    return Loaded(settings, [], document)


def load_command_settings(path: Path | str, *, environ: Mapping[str, str] = os.environ) -> CommandSettings:
    """What commands and the library need: of the daemon's YAML its sections `itop`, `commands` and `factories`, or the
    older tool's JSON. Raises ConfigurationError."""
    path = Path(path)
    content = _read(path)
    if content.lstrip().startswith(b"{") and b'"itop"' not in content:
        return CommandSettings.model_construct(itop=load_legacy_json(path, environ=environ))
    document = parse_document(content, str(path))
    known = document.data if isinstance(document.data, dict) else {}
    unknown = [
        Problem(key, unknown_key(key, Settings), at_key=True) for key in known if key not in Settings.model_fields
    ]
    try:
        settings = CommandSettings.model_validate(document.data, context=Place(path.parent.absolute(), environ))
    except ValidationError as error:
        raise ConfigurationError(_report(document, [*describe_errors(error, CommandSettings), *unknown])) from None
    if unknown:
        raise ConfigurationError(_report(document, unknown))
    return settings


def load_legacy_json(path: Path | str, *, environ: Mapping[str, str] = os.environ) -> Itop:
    """The older tool's file, `{"address", "version", "user", "password"}`. Raises ConfigurationError."""
    path = Path(path)
    try:
        data = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise ConfigurationError([f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}"]) from None
    except ValueError:
        raise ConfigurationError([f"{path}: the file is not text in UTF-8"]) from None
    try:
        return Itop.model_validate(data, context=Place(path.parent.absolute(), environ))
    except ValidationError as error:
        problems = describe_errors(error, Itop)
    raise ConfigurationError([f"{path}: {_sentence(problem)}" for problem in problems])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error


def _report(document: Document, problems: Iterable[Problem]) -> list[str]:
    """One line per problem, in the order of the file."""
    ordered = sorted(problems, key=lambda problem: document.position_of(problem.path, key=problem.at_key))
    lines = [f"{document.locate(problem.path, key=problem.at_key)}: {_sentence(problem)}" for problem in ordered]
    return list(dict.fromkeys(lines))


def _sentence(problem: Problem) -> str:
    return f"{problem.path}: {problem.text}" if problem.path else problem.text


def _weaknesses(settings: Settings) -> Iterable[Problem]:
    for path, secret in find_secrets(settings):
        if secret.weakness:
            yield Problem(path, secret.weakness)
    tls = settings.mqtt.tls
    for path, key in (("itop.key_file", settings.itop.key_file), ("mqtt.tls.key_file", tls.key_file if tls else None)):
        if key and is_readable_by_others(key):
            yield Problem(path, f"{key} can be read by every user: chmod o-r it")


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors: draft 2020-12, defaults as they are written."""
    schema = Settings.model_json_schema(mode="serialization")  # so that a default is `5m`, not 300
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
