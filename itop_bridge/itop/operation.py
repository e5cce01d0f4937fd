"""iTop's operations, for whatever can make a call: the client itself, or the gate before it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itop_bridge.itop.answer import Answer  # brings aiohttp with it, and this is read for every `--help`

Key = int | str | Mapping[str, Any]
"""Names an object: its id, an OQL query, or attributes that it has."""

CHECK: Mapping[str, Any] = MappingProxyType({"operation": "list_operations"})
"""The cheapest call that passes the web server, the login and the database."""

_READING = frozenset({"core/get", "core/get_related", "core/check_credentials", "list_operations"})


def is_reading(operation: Mapping[str, Any]) -> bool:
    """True for an operation that is known to change nothing; a delete that is only simulated is one."""
    name = operation.get("operation")
    return name in _READING or (name == "core/delete" and operation.get("simulate") is True)


class Operations(ABC):
    """The operations that the bridge uses. Each raises one ITopError if it fails.

    `output_fields` is always named: iTop's default is everything, whole logs included.
    """

    @abstractmethod
    async def call(self, operation: Mapping[str, Any]) -> "Answer":
        """Send one operation, as iTop's `json_data`."""

    async def fetch(
        self, iclass: str, key: Key, output_fields: str, *, limit: int | None = None, page: int | None = None
    ) -> "Answer":
        """The objects that `key` names; none is no error. `page` counts from 1, of `limit` objects each."""
        portion = {name: value for name, value in (("limit", limit), ("page", page)) if value is not None}
        return await self.call(
            {"operation": "core/get", "class": iclass, "key": key, "output_fields": output_fields, **portion}
        )

    async def create(
        self, iclass: str, fields: Mapping[str, Any], *, comment: str, output_fields: str = "id,ref"
    ) -> "Answer":
        """A new object. Not idempotent: the same call makes another one (transcripts 139, 140)."""
        return await self.call(
            {
                "operation": "core/create",
                "class": iclass,
                "comment": comment,
                "fields": fields,
                "output_fields": output_fields,
            }
        )

    async def update(
        self, iclass: str, key: Key, fields: Mapping[str, Any], *, comment: str, output_fields: str = "id"
    ) -> "Answer":
        """Change one object: all the fields or none (transcript 263)."""
        return await self.call(
            {
                "operation": "core/update",
                "class": iclass,
                "comment": comment,
                "key": key,
                "fields": fields,
                "output_fields": output_fields,
            }
        )

    async def apply_stimulus(
        self,
        iclass: str,
        key: Key,
        stimulus: str,
        fields: Mapping[str, Any],
        *,
        comment: str,
        output_fields: str = "id,status",
    ) -> "Answer":
        """Take one object to its next state, together with `fields`, or do nothing (transcripts 373, 394)."""
        return await self.call(
            {
                "operation": "core/apply_stimulus",
                "class": iclass,
                "comment": comment,
                "key": key,
                "stimulus": stimulus,
                "fields": fields,
                "output_fields": output_fields,
            }
        )

    async def check(self) -> "Answer":
        """Can iTop be reached, and does it accept the credentials?"""
        return await self.call(CHECK)
