"""A way to iTop by which nothing can be changed."""

from collections.abc import Mapping
from typing import Any

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import ReadOnlyError
from itop_bridge.itop.operation import Operations, is_reading


class ReadOnly(Operations):
    """Lets reads through, and nothing else."""

    def __init__(self, way: Operations) -> None:
        self._way = way

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """Send one operation that reads. Raises ReadOnlyError for any other, and what the way raises."""
        if not is_reading(operation):
            raise ReadOnlyError(f"nothing is written here: {operation.get('operation')} was not sent")
        return await self._way.call(operation)
