"""The objects, as a database would hold them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from itop_bridge.simulator.datamodel import ClassModel, Datamodel


@dataclass(slots=True)
class Row:
    """One object. `values` holds what is stored: texts, key ids, CaseLog; None is an SQL NULL."""

    id: int
    model: ClassModel
    values: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> "Row":
        return Row(self.id, self.model, dict(self.values))

    @property
    def name(self) -> str:
        """`Incident::12`, as answers call it."""
        return f"{self.model.name}::{self.id}"


class Store:
    """Rows by the root of their class and their id; ids and ticket references from sequences."""

    def __init__(self, datamodel: Datamodel) -> None:
        self.datamodel = datamodel
        self.ticket_count = 0
        """The last number of a ticket reference: one counter for all ticket classes; failures burn numbers."""
        self._tables: dict[str, dict[int, Row]] = {}
        self._last_id: dict[str, int] = {}

    def scan(self, iclass: str) -> Iterator[Row]:
        """All objects of the class and its subclasses; none of a class that this data model has not."""
        if iclass not in self.datamodel:
            return
        for row in self._table(iclass).values():
            if iclass in row.model.lineage:
                yield row

    def get(self, iclass: str, object_id: int) -> Row | None:
        row = self._table(iclass).get(object_id)
        return row if row and iclass in row.model.lineage else None

    def insert(self, row: Row) -> Row:
        """Store the row under the next id, or under its own if it has one."""
        root = row.model.root
        row.id = row.id or self._last_id.get(root, 0) + 1
        self._last_id[root] = max(row.id, self._last_id.get(root, 0))
        self._table(root)[row.id] = row
        return row

    def delete(self, row: Row) -> None:
        self._table(row.model.root).pop(row.id, None)

    def skip_ids(self, iclass: str, below: int) -> None:
        """The next object of the class gets an id of at least `below`."""
        root = self.datamodel[iclass].root
        self._last_id[root] = max(self._last_id.get(root, 0), below - 1)

    def _table(self, iclass: str) -> dict[int, Row]:
        return self._tables.setdefault(self.datamodel[iclass].root, {})
