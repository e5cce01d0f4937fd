"""A connection that prints the calls and sends none."""

import json
from collections.abc import Mapping
from typing import Any

from itop_bridge.itop.answer import Answer, Object
from itop_bridge.itop.connection import ITop
from itop_bridge.itop.operation import is_reading

_SECRETS = ("password",)


class DryRun(ITop):
    """Each call is a line of JSON. What iTop would answer is not known: nothing is found, and every write succeeds."""

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """Print the operation."""
        shown = {name: "********" if name in _SECRETS else value for name, value in operation.items()}
        print(json.dumps(shown))  # noqa: T201 - what it is for
        if is_reading(operation):
            return Answer(None, (), 0)
        return Answer(None, (Object(str(operation.get("class")), 0, {}, ""),), None)
