"""What the operations work on: a journal, and the daemon that runs on it, if one does."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itop_bridge.control.error import ControlError
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.triage.route import Route

Tell = Callable[[int, int], Awaitable[None]]
"""How far an operation has come: of so many, so many are done."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload came to."""

    routes: list[str]
    """The names of the configuration's routes, which are in use now."""
    restart: list[str]
    """The keys that were changed since the start, and that only a restart takes up."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a daemon that runs gives its operators."""

    fetch_status: Callable[[], Awaitable[Mapping[str, Any]]]
    reload: Callable[[], Awaitable[Reloaded]]
    """Raises ConfigurationError or another BridgeError; then the old configuration is still in use."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a replay reads, maps with and lands on."""

    replays: Replays
    triage: TriageJournal
    find_routes: Callable[[], Sequence[Route] | None]
    """Those of now; None where no configuration is known. Raises ConfigurationError."""

    def require_routes(self) -> Sequence[Route]:
        """Raises ControlError if none are known."""
        routes = self.find_routes()
        if routes is None:
            raise ControlError("which routes? The daemon does not run: give --config FILE")
        return routes


@dataclass(frozen=True, slots=True)
class Controls:
    """The journal's sides for operators, and the daemon."""

    inquiry: Inquiry
    operations: Operations
    figures: Figures
    find_routes: Callable[[], Collection[str] | None]
    """The names of the routes that are configured; None where nobody knows."""
    daemon: Hooks | None = None
    """None: it does not run."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    stage: Stage | None = None

    def require_stage(self) -> Stage:
        """Raises ControlError where nothing can be replayed."""
        if self.stage is None:
            raise ControlError("nothing can be replayed here")
        return self.stage

    def require_daemon(self) -> Hooks:
        """Raises ControlError if none runs."""
        if self.daemon is None:
            raise ControlError("the daemon does not run: it reads its configuration when it is started")
        return self.daemon
