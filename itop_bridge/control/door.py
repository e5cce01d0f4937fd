"""The two doors to a journal: through the daemon that runs on it, or, where none does, straight into its file."""

import asyncio
import contextlib
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from itop_bridge.control.address import socket_of
from itop_bridge.control.client import ask, is_answered
from itop_bridge.control.controls import Controls, Stage, Tell
from itop_bridge.control.error import ControlError, SocketError
from itop_bridge.control.operation import perform
from itop_bridge.control.request import Request, name_of, read_request, write_request
from itop_bridge.errors import JournalLockedError
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.triage.route import Route

_PATIENCE_S = 10.0
_POLL_S = 0.1


async def tell_nobody(_done: int, _total: int) -> None:
    """For who does not watch."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests are handed in."""

    is_running: bool
    """Whether a daemon carries them out."""
    _ask: Callable[[Request, Tell], Awaitable[dict[str, Any]]]

    async def ask(self, request: Request, tell: Tell = tell_nobody) -> dict[str, Any]:
        """The operation's result. Raises ControlError, ConfigurationError or another BridgeError."""
        return await self._ask(request, tell)


@contextlib.asynccontextmanager
async def open_door(
    journal: Path,
    routes: Collection[str] | None = None,
    *,
    load_routes: Callable[[], Sequence[Route] | None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    patience_s: float = _PATIENCE_S,
) -> AsyncIterator[Door]:
    """The door to a journal. `routes` are those of the configuration, if it is known; `load_routes` compiles them.

    A journal that is in use, and whose daemon does not answer, is tried again for `patience_s` seconds: a daemon that
    starts or stops, or another command. Raises ControlError, JournalFormatError or another JournalError.
    """
    check_there(journal)
    store = await _open_unless_answered(journal, sleep, int(patience_s / _POLL_S))
    if store is None:
        yield Door(True, lambda request, tell: ask(socket_of(journal), request, tell))
        return
    try:
        yield Door(False, _within(store, routes, load_routes))
    finally:
        await store.close()


def check_there(journal: Path) -> None:
    """A command that looks for a journal in the wrong place must not make one there. Raises ControlError."""
    try:
        found = stat.S_ISREG(journal.stat().st_mode)
    except FileNotFoundError:
        found = False
    except OSError as error:
        raise ControlError(f"the journal {journal} cannot be reached: {error.strerror}") from error
    if not found:
        raise ControlError(
            f"there is no journal {journal}: give --journal FILE (a relative journal.path of the configuration is below"
            " $STATE_DIRECTORY, which for the service is /var/lib/itop-bridge)"
        )


async def _open_unless_answered(journal: Path, sleep: Callable[[float], Awaitable[None]], polls: int) -> Store | None:
    """The journal under its lock; None if a daemon has it, and answers."""
    while not _is_answered(journal):
        try:
            return await Store.open(journal)
        except JournalLockedError as error:
            if polls <= 0:
                raise SocketError(
                    f"the journal {journal} is in use, and nobody answers at its control socket: a daemon that is"
                    " starting or stopping, one that could make no socket (its log says control.unavailable), or"
                    " another command"
                ) from error
        polls -= 1
        await sleep(_POLL_S)
    return None


def _is_answered(journal: Path) -> bool:
    try:
        path = socket_of(journal)
    except SocketError:
        return False  # no daemon can have made it
    return is_answered(path)


def _within(
    store: Store, routes: Collection[str] | None, load_routes: Callable[[], Sequence[Route] | None]
) -> Callable[[Request, Tell], Awaitable[dict[str, Any]]]:
    controls = Controls(
        Inquiry(store, time.time),
        Operations(store, time.time),
        Figures(store),
        lambda: routes,
        stage=Stage(Replays(store), TriageJournal(store, time.time), cache(load_routes)),
    )

    async def ask_here(request: Request, tell: Tell) -> dict[str, Any]:
        # written and read, so that both doors refuse the same
        same = read_request(name_of(type(request)), write_request(request))
        return await perform(same, controls, tell)

    return ask_here
