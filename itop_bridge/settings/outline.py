"""What commands for operators need of a configuration: where the journal is, and what the routes are called."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.document import Document, parse_document
from itop_bridge.settings.model import Journal
from itop_bridge.settings.own_incident import OWN_ROUTE
from itop_bridge.settings.place import Place
from itop_bridge.settings.problem import Problem, describe_errors


@dataclass(frozen=True, slots=True)
class Outline:
    """A configuration at a glance."""

    journal: Path
    routes: tuple[str, ...]


def load_outline(path: Path, *, place: Place | None = None) -> Outline:
    """Read the section `journal` and the routes' names; nothing else is looked into, so that no secret is read and a
    mistake elsewhere does not hinder. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    document = parse_document(content, str(path))
    sections = document.data if isinstance(document.data, dict) else {}
    try:
        journal = Journal.model_validate(sections.get("journal") or {}, context=place or Place(path.parent.absolute()))
    except ValidationError as error:
        raise ConfigurationError([_tell(document, each) for each in describe_errors(error, Journal)]) from None
    own = [OWN_ROUTE] if isinstance(sections.get("own_incidents"), dict) else []
    return Outline(journal.path, (*_names_of(sections.get("routes")), *own))


def _tell(document: Document, problem: Problem) -> str:
    path = f"journal.{problem.path}" if problem.path else "journal"
    return f"{document.locate(path, key=problem.at_key)}: {path}: {problem.text}"


def _names_of(routes: Any) -> list[str]:
    each = routes if isinstance(routes, list) else []
    return [str(route["name"]) for route in each if isinstance(route, dict) and "name" in route]
