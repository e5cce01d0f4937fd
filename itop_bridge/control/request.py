"""What can be asked: a frozen value per operation, and how it is written and read as JSON. Pure."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from itop_bridge.control.error import RequestError
from itop_bridge.journal.inquiry import CaseFilter, LetterFilter
from itop_bridge.spelling import suggest


@dataclass(frozen=True, slots=True)
class ListLetters:
    """Dead letters, by ascending id."""

    filter: LetterFilter = field(default_factory=LetterFilter)


@dataclass(frozen=True, slots=True)
class ShowLetter:
    """One dead letter, with the head of its payload."""

    id: int


@dataclass(frozen=True, slots=True)
class RetryLetters:
    """Try open dead letters again. With `dry_run` they are only counted."""

    filter: LetterFilter
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DropLetters:
    """Give up open dead letters. With `dry_run` they are only counted."""

    filter: LetterFilter
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ListCases:
    """Cases, by ascending id."""

    filter: CaseFilter = field(default_factory=CaseFilter)


@dataclass(frozen=True, slots=True)
class ShowCase:
    """One case, by its id, its key in the title, or its incident's reference."""

    name: str


@dataclass(frozen=True, slots=True)
class ResolveCases:
    """Resolve a route's open cases whose incident is not older than `since` (seconds since the epoch)."""

    route: str
    since: float
    dry_run: bool = False
    wait: bool = True
    """Until they are done, where the daemon runs."""


@dataclass(frozen=True, slots=True)
class ShowEvent:
    """One event, and what became of it."""

    id: int


@dataclass(frozen=True, slots=True)
class FindEvents:
    """The ids of the events that brought an alert, newest first."""

    alert_id: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold delivery back: of one route, or of all."""

    route: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Let delivery go on: of one route, or where all was held back."""

    route: str | None = None


@dataclass(frozen=True, slots=True)
class FetchStatus:
    """What the daemon does, or, where none runs, what its journal holds."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration again."""


@dataclass(frozen=True, slots=True)
class ReplayEvents:
    """Map journaled events again that were received between two moments (seconds since the epoch; no end: until now).

    With `route` only what goes to it now. With `dry_run` nothing is stored; with `verbose` each element is told.
    """

    since: float
    until: float | None = None
    route: str | None = None
    dry_run: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded alert."""

    payload: str
    """In base64."""
    n: int = 0
    """How many with the same payload go before it in its recording."""


@dataclass(frozen=True, slots=True)
class ReplayRecorded:
    """Take recorded alerts in, as if they came by the topic now; those that were before are left out."""

    topic: str
    alerts: tuple[Recorded, ...]
    dry_run: bool = False
    verbose: bool = False


Request: TypeAlias = (
    ListLetters
    | ShowLetter
    | RetryLetters
    | DropLetters
    | ListCases
    | ShowCase
    | ResolveCases
    | ShowEvent
    | FindEvents
    | Pause
    | Resume
    | FetchStatus
    | Reload
    | ReplayEvents
    | ReplayRecorded
)

_KINDS: tuple[type[Request], ...] = Request.__args__


def name_of(kind: type[Request]) -> str:
    """The operation's name: of ListLetters, `list-letters`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


REQUESTS: Mapping[str, type[Request]] = {name_of(kind): kind for kind in _KINDS}
"""By name."""


def changes_something(request: Request) -> bool:
    """True for what is more than a question."""
    changing = RetryLetters | DropLetters | ResolveCases | Pause | Resume | Reload | ReplayEvents | ReplayRecorded
    return isinstance(request, changing) and not getattr(request, "dry_run", False)


def describe_request(request: Request) -> dict[str, Any]:
    """The request for the log, without what it does not say: of recorded alerts only how many."""
    if isinstance(request, ReplayRecorded):
        return {"topic": request.topic, "alerts": len(request.alerts)}
    return dataclasses.asdict(request, dict_factory=_keep_said)


def _keep_said(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def write_request(request: Request) -> bytes:
    """The request as JSON."""
    return json.dumps(dataclasses.asdict(request)).encode()


def read_request(name: str, content: bytes) -> Request:
    """The request that JSON describes; an empty content is `{}`. Raises RequestError, which names every mistake."""
    kind = REQUESTS.get(name)
    if kind is None:
        raise RequestError(f"there is no operation {name!r}{suggest(name, REQUESTS)}")
    adapter: TypeAdapter[Request] = TypeAdapter(kind)
    try:
        values = json.loads(content or b"{}")
        unknown = list(_find_unknown(values, kind))
        if unknown:
            raise RequestError(f"{name}: {'; '.join(unknown)}")
        return adapter.validate_json(content or b"{}", strict=True)
    except ValidationError as error:
        raise RequestError(f"{name}: {'; '.join(map(_describe, error.errors()))}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{name}: the request is not JSON: {error}") from None


def _find_unknown(values: Any, kind: Any) -> Iterator[str]:
    """Keys that a mistake of spelling would make silently without effect."""
    if not isinstance(values, dict) or not dataclasses.is_dataclass(kind):
        return
    known = {each.name: each.type for each in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in known:
            yield f"unknown key {key!r}{suggest(key, known)}"
        else:
            yield from _find_unknown(value, known[key])


def _describe(mistake: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in mistake["loc"])
    return f"{where}: {mistake['msg']}" if where else str(mistake["msg"])
