"""Cases: listed, shown, and resolved by an operator after a bad rule."""

from typing import Any

from itop_bridge.control.controls import Controls, Tell
from itop_bridge.control.error import ControlError
from itop_bridge.control.request import ListCases, ResolveCases, ShowCase
from itop_bridge.control.route import check_route
from itop_bridge.control.wait import wait_for_rest

_PART = 500


async def list_cases(request: ListCases, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """`cases`."""
    return {"cases": await controls.inquiry.fetch_cases(request.filter)}


async def show_case(request: ShowCase, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """The case and its whole life. Raises ControlError if there is none."""
    case = await controls.inquiry.fetch_case(request.name)
    if case is None:
        raise ControlError(
            f"there is no case {request.name!r}: give its id, the key in its incident's title, or the reference"
        )
    return case


async def resolve_cases(request: ResolveCases, controls: Controls, tell: Tell) -> dict[str, Any]:
    """How many were `found` and `changed`, and how many still owe their resolution: `owed`."""
    await check_route(request.route, controls)
    ids = await controls.operations.find_resolvable(request.route, request.since)
    answer = {"found": len(ids), "changed": 0, "owed": 0, "running": controls.daemon is not None}
    if request.dry_run or not ids:
        return answer
    for start in range(0, len(ids), _PART):
        answer["changed"] += await controls.operations.resolve_cases(ids[start : start + _PART])

    async def count_left() -> int:
        return await controls.operations.count_owed(ids)

    if controls.daemon is None or not request.wait:
        return {**answer, "owed": await count_left()}
    return {**answer, "owed": await wait_for_rest(count_left, len(ids), tell, controls.sleep)}
