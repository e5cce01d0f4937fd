"""The objects as one user sees them: what is visible, what an attribute reads, in which order. Reads only."""

from collections.abc import Iterable, Iterator
from typing import Any

from itop_bridge.simulator.caselog import EMPTY, CaseLog
from itop_bridge.simulator.collation import fold_text
from itop_bridge.simulator.datamodel import Attribute, ClassModel
from itop_bridge.simulator.release import RELEASES, Release
from itop_bridge.simulator.store import Row, Store


class View:
    """`organizations` limits what is visible; None is everything (transcripts 650-796). `release` tells how it is
    shown; 3.2 shows what is stored."""

    def __init__(
        self, store: Store, organizations: frozenset[int] | None = None, release: Release = RELEASES["3.2"]
    ) -> None:
        self.store = store
        self.datamodel = store.datamodel
        self._organizations = organizations
        self._release = release

    def scan(self, iclass: str) -> Iterator[Row]:
        return (row for row in self.store.scan(iclass) if self._is_visible(row))

    def get(self, iclass: str, object_id: int) -> Row | None:
        row = self.store.get(iclass, object_id)
        return row if row and self._is_visible(row) else None

    def order(self, rows: Iterable[Row], model: ClassModel) -> list[Row]:
        """As iTop orders a query: by reference, descending as text, or by friendly name (transcripts 043, 235, 916)."""
        ordered = sorted(rows, key=lambda row: row.id)
        code = model.newest_first or "friendlyname"
        return sorted(ordered, key=lambda row: fold_text(self.text(row, code)), reverse=bool(model.newest_first))

    def value(self, row: Row, code: str) -> Any:
        """What the database would yield: text, int, CaseLog, or None for NULL."""
        if code == "id":
            return row.id
        attribute = row.model.attributes.get(code)
        if attribute is None:
            return None
        match attribute.kind:
            case "friendlyname":
                return row.model.joint.join(self.text(row, part) for part in row.model.friendlyname)
            case "finalclass":
                return row.model.name
            case "flag":
                return 0
            case "field":
                return self._follow(row, attribute)
            case "key" | "stopwatch":
                return row.values.get(code, 0)
            case "log":
                return row.values.get(code, EMPTY)
        return row.values.get(code)

    def text(self, row: Row, code: str) -> str:
        """The value as text; NULL is empty."""
        value = self.value(row, code)
        return "" if value is None else str(value)

    def render(self, row: Row, code: str) -> Any:
        """The value as an answer shows it: nearly everything is a string (transcript 056)."""
        if code == "id":
            return str(row.id)
        attribute = row.model.attributes[code]
        value = self.value(row, code)
        match attribute.kind:
            case "log":
                log = value if isinstance(value, CaseLog) else EMPTY
                return log.render(named_entities=self._release.names_entities)
            case "set":
                return [self._render_link(link, attribute) for link in self._links(row, attribute)]
            case "flag":
                return False
            case "field" if attribute.field == "obsolescence_flag":
                return ""
            case "text" if attribute.html and self._release.doubles_ampersands:
                return (value or "").replace("&", "&amp;")
            case "stopwatch" | "blob":
                return value
            case "enum" | "computed" if value is None:
                return None
        return "" if value is None else str(value)

    def render_all(self, row: Row, model: ClassModel) -> dict[str, Any]:
        """All attributes of the class: output_fields "*" (no id)."""
        return {code: self.render(row, code) for code in model.attributes}

    def _is_visible(self, row: Row) -> bool:
        if self._organizations is None:
            return True
        if row.model.name == "Organization":
            return row.id in self._organizations
        code = "service_org_id" if "service_org_id" in row.model.attributes else "org_id"
        return code not in row.model.attributes or self.value(row, code) in self._organizations

    def _follow(self, row: Row, attribute: Attribute) -> Any:
        key = row.model.attributes[attribute.key]
        pointed_at = self.store.get(key.target, self.value(row, key.code) or 0)
        return self.value(pointed_at, attribute.field) if pointed_at else None

    def _links(self, row: Row, attribute: Attribute) -> list[Row]:
        if not attribute.link:
            return []
        links = [link for link in self.store.scan(attribute.link) if link.values.get(attribute.back) == row.id]
        return sorted(links, key=lambda link: fold_text(self.text(link, "friendlyname")))

    def _render_link(self, link: Row, attribute: Attribute) -> dict[str, Any]:
        """All of the link but what tells of the object that the set belongs to."""
        return {
            code: self.render(link, code)
            for code, each in self.datamodel[attribute.link].attributes.items()
            if attribute.back not in (code, each.key)
        }
