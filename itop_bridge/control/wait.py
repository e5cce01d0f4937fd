"""Waiting for what the stages do meanwhile, as long as they get on with it."""

from collections.abc import Awaitable, Callable

from itop_bridge.control.controls import Tell

_POLL_S = 0.5
_PATIENCE = 60
"""So many polls without any progress are enough: iTop may be down, or delivery paused."""


async def wait_for_rest(
    count_left: Callable[[], Awaitable[int]], total: int, tell: Tell, sleep: Callable[[float], Awaitable[None]]
) -> int:
    """Wait until nothing is left, or until it does not get less. Returns what is left."""
    least = left = await count_left()
    idle = 0
    await tell(total - left, total)
    while left and idle < _PATIENCE:
        await sleep(_POLL_S)
        left = await count_left()
        idle = 0 if left < least else idle + 1
        least = min(least, left)
        await tell(total - left, total)
    return left
