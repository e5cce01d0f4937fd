"""A site's own sample data from a file: objects as core/create would take them, and users."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from itop_bridge.errors import ConfigurationError
from itop_bridge.simulator.account import Account
from itop_bridge.simulator.draft import Draft
from itop_bridge.simulator.failure import PhpFatalError, RestError
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.simulator.value import find_one

_USERS = "users"
_USER_KEYS = frozenset({"login", "password", "profiles", "contact", "organizations", "enabled"})
_SEEDER = "admin"


def load_seed(simulator: Simulator, path: Path) -> None:
    """Put the objects and users of a YAML or JSON file in, in its order. Raises ConfigurationError with all problems.

    The file is an object: lists of fields by class, and `users`. Keys may be ids, criteria or queries, as over REST.
    """
    seed = _read(path)
    session = simulator.open_session(simulator.accounts[_SEEDER])
    problems: list[str] = []
    for name, entries in seed.items():
        for index, entry in enumerate(entries):
            try:
                if name == _USERS:
                    account = _make_account(session, entry, len(simulator.accounts) + 1)
                    simulator.accounts[account.login] = account
                else:
                    _create(session, str(name), entry)
            except RestError as error:
                problems.append(f"{path}: {name}[{index}]: {error.message}")
            except PhpFatalError:
                problems.append(f"{path}: {name}[{index}]: iTop itself would fail here")
    if problems:
        raise ConfigurationError(problems)


def _read(path: Path) -> Mapping[str, list[Mapping[str, Any]]]:
    try:
        seed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from error
    if problems := list(_find_problems(seed)):
        raise ConfigurationError([f"{path}: {problem}" for problem in problems])
    return seed or {}


def _find_problems(seed: Any) -> Iterator[str]:
    if not isinstance(seed, dict | None):
        yield "must be an object: lists of objects by class, and users"
        return
    for name, entries in (seed or {}).items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            yield f"{name}: must be a list of objects"


def _create(session: Session, iclass: str, fields: Mapping[str, Any]) -> None:
    datamodel = session.view.datamodel
    if iclass not in datamodel:
        raise RestError("there is no such class in this data model")
    draft = Draft(session, None, datamodel[iclass])
    draft.edit(fields)
    draft.number()
    draft.check()
    draft.store()


def _make_account(session: Session, entry: Mapping[str, Any], number: int) -> Account:
    if unknown := entry.keys() - _USER_KEYS:
        raise RestError(f"{min(unknown)}: unknown; known are {', '.join(sorted(_USER_KEYS))}")
    login, profiles = entry.get("login"), entry.get("profiles", [])
    if not isinstance(login, str) or not isinstance(entry.get("password"), str):
        raise RestError("login and password must be texts")
    if not isinstance(profiles, list):
        raise RestError("profiles: must be a list of texts")
    contact = find_one(session, "Person", entry["contact"]) if "contact" in entry else None
    return Account(
        id=number,
        login=login,
        password=entry["password"],
        profiles=frozenset(str(profile) for profile in profiles),
        contact=contact.id if contact else 0,
        organizations=_find_organizations(session, entry.get("organizations")),
        enabled=bool(entry.get("enabled", True)),
    )


def _find_organizations(session: Session, keys: Any) -> frozenset[int] | None:
    if keys is None:
        return None
    if not isinstance(keys, list):
        raise RestError("organizations: must be a list of keys")
    found = (find_one(session, "Organization", key) for key in keys)
    return frozenset(row.id for row in found if row)
