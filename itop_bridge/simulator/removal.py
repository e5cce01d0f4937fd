"""Deleting: what must go with an object because it cannot be without it. Transcripts 350-355."""

from collections.abc import Iterable

from itop_bridge.simulator.store import Row, Store
from itop_bridge.simulator.view import View


def find_dependents(view: View, rows: Iterable[Row]) -> list[Row]:
    """The objects whose required keys point at one of `rows`, and theirs in turn."""
    gone = {row.name: row for row in rows}
    waiting = list(gone.values())
    dependents: list[Row] = []
    while waiting:
        target = waiting.pop(0)
        for row in _pointing_at(view, target):
            if row.name not in gone:
                gone[row.name] = row
                dependents.append(row)
                waiting.append(row)
    return dependents


def remove_rows(store: Store, rows: Iterable[Row]) -> None:
    for row in rows:
        store.delete(row)


def _pointing_at(view: View, target: Row) -> list[Row]:
    found = []
    for model in view.datamodel.classes.values():
        codes = [
            attribute.code
            for attribute in model.attributes.values()
            if attribute.kind == "key" and attribute.required and attribute.target in target.model.lineage
        ]
        if codes and not model.abstract:
            found += [
                row
                for row in view.store.scan(model.name)
                if row.model is model and any(row.values.get(code) == target.id for code in codes)
            ]
    return found
