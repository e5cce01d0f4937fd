"""The operations, by what is asked; both doors lead here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from itop_bridge.control.case import list_cases, resolve_cases, show_case
from itop_bridge.control.controls import Controls, Tell
from itop_bridge.control.error import ControlError
from itop_bridge.control.letter import drop_letters, list_letters, retry_letters, show_letter
from itop_bridge.control.replay import replay_events, replay_recorded
from itop_bridge.control.request import (
    DropLetters,
    FetchStatus,
    FindEvents,
    ListCases,
    ListLetters,
    Pause,
    Reload,
    ReplayEvents,
    ReplayRecorded,
    Request,
    ResolveCases,
    Resume,
    RetryLetters,
    ShowCase,
    ShowEvent,
    ShowLetter,
)
from itop_bridge.control.route import check_route


async def perform(request: Request, controls: Controls, tell: Tell) -> dict[str, Any]:
    """Carry out what is asked; the answer is JSON-able. Raises BridgeError."""
    return await _OPERATIONS[type(request)](request, controls, tell)


async def show_event(request: ShowEvent, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """The event, and what became of its elements. Raises ControlError if there is none."""
    event = await controls.inquiry.fetch_event(request.id)
    if event is None:
        raise ControlError(f"there is no event {request.id}")
    return event


async def find_events(request: FindEvents, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """`events`: ids, newest first."""
    return {"events": await controls.inquiry.find_events(request.alert_id)}


async def pause(request: Pause, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """Whether that `changed` anything, and all `pauses` that hold now, with since when."""
    await check_route(request.route, controls)
    changed = await controls.operations.pause(request.route)
    return {"changed": changed, "pauses": await controls.operations.fetch_pauses()}


async def resume(request: Resume, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """The same."""
    await check_route(request.route, controls)
    changed = await controls.operations.resume(request.route)
    return {"changed": changed, "pauses": await controls.operations.fetch_pauses()}


async def fetch_status(_request: FetchStatus, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """What `/readyz` tells, and `running`; without a daemon what the journal holds."""
    if controls.daemon is not None:
        return {"running": True, **await controls.daemon.fetch_status()}
    return {
        "running": False,
        "ready": False,
        "journal": await controls.figures.fetch_backlog(),
        "pauses": await controls.operations.fetch_pauses(),
    }


async def reload(_request: Reload, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """The names of the `routes` that are in use now, and the keys that only a `restart` takes up. Raises
    ConfigurationError with every problem."""
    reloaded = await controls.require_daemon().reload()
    return {"routes": sorted(reloaded.routes), "restart": reloaded.restart}


_OPERATIONS: Mapping[type[Request], Callable[[Any, Controls, Tell], Awaitable[dict[str, Any]]]] = {
    ListLetters: list_letters,
    ShowLetter: show_letter,
    RetryLetters: retry_letters,
    DropLetters: drop_letters,
    ListCases: list_cases,
    ShowCase: show_case,
    ResolveCases: resolve_cases,
    ShowEvent: show_event,
    FindEvents: find_events,
    Pause: pause,
    Resume: resume,
    FetchStatus: fetch_status,
    Reload: reload,
    ReplayEvents: replay_events,
    ReplayRecorded: replay_recorded,
}
