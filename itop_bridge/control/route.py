"""A route that an operator names: a mistake of spelling must not pass for an order."""

from collections.abc import Collection

from itop_bridge.control.controls import Controls
from itop_bridge.control.error import ControlError
from itop_bridge.spelling import suggest_or_list


async def check_route(name: str | None, controls: Controls) -> None:
    """Raises ControlError for a route that is neither configured nor paused; where the configuration is not known, for
    one that no case came from. None is all routes."""
    if name is None:
        return
    configured = controls.find_routes()
    known = {each for each in await controls.operations.fetch_pauses() if each != "*"}
    known.update(await controls.inquiry.fetch_routes() if configured is None else configured)
    if name not in known:
        hint = " (the journal knows only those that cases came from: give --config FILE too)"
        raise ControlError(
            f"there is no route {name!r}{suggest_route(name, known)}{hint if configured is None else ''}"
        )


def suggest_route(name: str, known: Collection[str]) -> str:
    """`; did you mean …?`, or which there are. Pure."""
    return suggest_or_list(name, sorted(known))
