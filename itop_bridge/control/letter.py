"""Dead letters: tried again or given up, many in parts."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from itop_bridge.control.controls import Controls, Tell
from itop_bridge.control.error import ControlError
from itop_bridge.control.request import DropLetters, ListLetters, RetryLetters, ShowLetter
from itop_bridge.control.wait import wait_for_rest
from itop_bridge.journal.inquiry import LetterFilter

_PART = 500
"""In one commit, so that intake's find their turn."""


async def list_letters(request: ListLetters, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """`letters`, and of how many in all: `total`."""
    letters = await controls.inquiry.fetch_letters(request.filter)
    whole = dataclasses.replace(request.filter, after=0, limit=None)
    return {"letters": letters, "total": await controls.inquiry.count_letters(whole)}


async def show_letter(request: ShowLetter, controls: Controls, _tell: Tell) -> dict[str, Any]:
    """The letter. Raises ControlError if there is none."""
    letter = await controls.inquiry.fetch_letter(request.id)
    if letter is None:
        raise ControlError(f"there is no dead letter {request.id}")
    return letter


async def retry_letters(request: RetryLetters, controls: Controls, tell: Tell) -> dict[str, Any]:
    """How many were `found` and `changed`; where the daemon runs, what became of them (Figures.fetch_outcomes)."""
    ids = await _find(request.filter, controls)
    changed = 0 if request.dry_run else await _change(ids, controls.operations.retry_letters, tell)
    answer = {"found": len(ids), "changed": changed, "running": controls.daemon is not None}
    if controls.daemon is None or not changed:
        return answer

    async def count_left() -> int:
        return (await controls.figures.fetch_outcomes(ids))["retrying"]

    await wait_for_rest(count_left, len(ids), tell, controls.sleep)
    return {**answer, **await controls.figures.fetch_outcomes(ids)}


async def drop_letters(request: DropLetters, controls: Controls, tell: Tell) -> dict[str, Any]:
    """How many were `found` and `changed`."""
    ids = await _find(request.filter, controls)
    changed = 0 if request.dry_run else await _change(ids, controls.operations.drop_letters, tell)
    return {"found": len(ids), "changed": changed}


async def _find(wanted: LetterFilter, controls: Controls) -> list[int]:
    """The open ones of those that are wanted. Raises ControlError, and names them, if some are not there at all."""
    if wanted.ids:
        known = set(await controls.inquiry.find_letters(LetterFilter(ids=wanted.ids, state="all", limit=None)))
        if missing := [each for each in wanted.ids if each not in known]:
            raise ControlError(f"there is no dead letter {', '.join(map(str, missing))}; nothing was done")
    return await controls.inquiry.find_letters(dataclasses.replace(wanted, state="open"))


async def _change(ids: Sequence[int], change: Callable[[list[int]], Awaitable[int]], tell: Tell) -> int:
    """Part by part. An operator who breaks off leaves whole parts done, and the rest as it was."""
    changed = 0
    for start in range(0, len(ids), _PART):
        part = list(ids[start : start + _PART])
        changed += await change(part)
        await tell(start + len(part), len(ids))
    return changed
