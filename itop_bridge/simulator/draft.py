"""A new object, or a copy of one under change: edited, checked, and then stored at once or not at all."""

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from itop_bridge.simulator.caselog import EMPTY, CaseLog
from itop_bridge.simulator.collation import equal
from itop_bridge.simulator.datamodel import Attribute, ClassModel
from itop_bridge.simulator.failure import TOO_LONG, PhpFatalError, RestError, describe_sql, wrap_issue
from itop_bridge.simulator.release import Release
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.store import Row, Store
from itop_bridge.simulator.value import LogChange, make_value

_COLUMN_BYTES = 65_535
_PRIORITY = {
    (impact, urgency): priority
    for impact, priorities in (("1", "1124"), ("2", "1234"), ("3", "2334"))
    for urgency, priority in zip("1234", priorities, strict=True)
}
_GIVEN = frozenset({"text", "enum", "key", "datetime", "date", "ip", "blob"})


class Draft:
    """`row` is what is being written. Whoever changes it holds a copy as it was read: what others store meanwhile in
    the same column is overwritten, as iTop does with its case logs (transcripts 449-453)."""

    def __init__(self, session: Session, live: Row | None, model: ClassModel) -> None:
        if model.abstract:
            raise PhpFatalError
        self._session = session
        self._live = live
        self.row = live.copy() if live else Row(0, model, make_defaults(model))
        self._before = dict(self.row.values) if live else {}
        self._sets: dict[str, list[dict[str, Any]]] = {}
        self._touched = live is None

    def edit(self, fields: Mapping[str, Any]) -> None:
        """Take the fields of a request. Raises RestError; nothing is stored yet."""
        model = self.row.model
        for code, raw in fields.items():
            value = make_value(self._session, model, code, raw)
            attribute = model.attributes[code]
            if isinstance(value, LogChange):
                self._write_log(code, value)
                self._touched = self._touched or raw != ""
            elif attribute.kind == "set" and not attribute.readonly:
                self._sets[code] = value
                self._touched = True
            elif attribute.kind in _GIVEN and not attribute.readonly:
                self.row.values[code] = value
            self._touched = self._touched or code == "last_update"  # its value is ignored, its writing is not

    def assign(self, **values: Any) -> None:
        """What iTop itself writes, as by a transition."""
        self.row.values |= values

    @property
    def is_changed(self) -> bool:
        return self._touched or self.row.values != self._before

    def number(self) -> None:
        """Take the next ticket number, also when a reference is given or the checks then fail (transcript 068)."""
        model = self.row.model
        if model.prefix:
            self._store.ticket_count += 1
            self.row.values["ref"] = self.row.values.get("ref") or f"{model.prefix}-{self._store.ticket_count:06d}"

    def check(self) -> None:
        """Raises RestError that names everything that is wrong with what is new."""
        release, changed = self._session.release, self._changed()
        issues = [
            f"Unexpected value for attribute {_name(attribute, release)}: {issue}"
            for attribute in self.row.model.attributes.values()
            if attribute.code in changed
            for issue in _find_issues(attribute, self.row.values.get(attribute.code), release)
        ]
        issues += self._find_duplicate()
        if issues:
            listed = "; ".join(f"{index}=>{issue}" for index, issue in enumerate(issues))
            where = f"class = {self.row.model.name}, id = {self.row.id or (-1 if release.names_labels else '')}"
            raise RestError(f"{', '.join(issues)}: issues = {{{listed}}}, {where}")

    def store(self) -> bool:
        """Write it. False if nothing was to be written. Raises RestError where the database refuses."""
        if not self.is_changed:
            return False
        self._compute()
        self._check_columns()
        changed = self._changed()
        if self._live is None:
            self._store.insert(self.row)
        else:
            self._live.values |= {code: self.row.values[code] for code in changed}
        for code, links in self._sets.items():
            self._replace_links(self.row.model.attributes[code], links)
        return True

    def describe_statement(self) -> str:
        """An SQL statement such as iTop echoes when it fails."""
        table, values = self.row.model.name, {code: self.row.values[code] for code in sorted(self._changed())}
        quoted = {code: _quote(value) for code, value in values.items()}
        if self._live is None:
            return f"INSERT INTO `{table}` ({','.join(quoted)}) VALUES ({', '.join(quoted.values())})"
        settings = ", ".join(f"`{table}`.`{code}` = {value}" for code, value in quoted.items())
        return f"UPDATE `{table}` SET {settings} WHERE (`{table}`.`id` = '{self.row.id}')"

    def fail(self, errno: int, column: str = "") -> RestError:
        """The database's refusal: a create answers its number, an update 100 (transcripts 184, 433, 436, 500)."""
        text = describe_sql(self.describe_statement(), errno, column)
        if self._live is None:
            return RestError(text, errno)
        return RestError(wrap_issue(text, self.row.model.name, self.row.id))

    @property
    def _store(self) -> Store:
        return self._session.view.store

    def _changed(self) -> set[str]:
        if self._live is None:
            return set(self.row.values)
        return {code for code, value in self.row.values.items() if self._before.get(code) != value}

    def _write_log(self, code: str, change: LogChange) -> None:
        before: CaseLog = EMPTY if change.replace else self.row.values.get(code, EMPTY)
        self.row.values[code] = before + change.entries

    def _compute(self) -> None:
        """What follows from the rest: priority, operational status, dates."""
        values, now = self.row.values, self._session.now()
        if values.keys() >= {"impact", "urgency", "priority"}:
            values["priority"] = _PRIORITY.get((values["impact"], values["urgency"]), values["priority"])
        if state := self.row.model.states.get(values.get("status", "")):
            values["operational_status"] = state.operational_status
        if "last_update" in values:
            values["last_update"] = now
            values["start_date"] = values.get("start_date") or now

    def _check_columns(self) -> None:
        """The columns' own limits, which iTop's checks do not know."""
        for code in self._changed():
            value = self.row.values[code]
            if isinstance(value, CaseLog) and len(value.entries) > self._session.log_limit:
                raise self.fail(TOO_LONG, f"{code}_index")
            if isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) > _COLUMN_BYTES:
                raise self.fail(TOO_LONG, code)

    def _replace_links(self, attribute: Attribute, links: list[dict[str, Any]]) -> None:
        """The given links and no other; the same object twice is one link (transcripts 125, 284-287)."""
        if not attribute.link:
            return
        old = [link for link in self._store.scan(attribute.link) if link.values.get(attribute.back) == self.row.id]
        model = self._session.view.datamodel[attribute.link]
        end = next(code for code, each in model.attributes.items() if each.kind == "key" and code != attribute.back)
        kept = {link.values[end]: link for link in old}
        for values in _distinct([*links, *self._impacted(attribute, links)], end):
            link = kept.pop(values.get(end), None) or self._store.insert(Row(0, model, make_defaults(model)))
            link.values |= {**values, attribute.back: self.row.id}
        for link in kept.values():
            self._store.delete(link)

    def _impacted(self, attribute: Attribute, links: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The machines on a farm are impacted with it (transcript 129)."""
        if attribute.link == "lnkFunctionalCIToTicket":
            hosts = {link.get("functionalci_id") for link in links}
            for machine in self._store.scan("VirtualMachine"):
                if machine.values["virtualhost_id"] in hosts:
                    yield {"functionalci_id": machine.id, "impact_code": "computed"}

    def _find_duplicate(self) -> list[str]:
        """iTop's rules of uniqueness, for new objects (transcripts 289, 763, 764, 768)."""
        model, view = self.row.model, self._session.view
        if self._live is not None or not model.unique:
            return []
        for other in self._store.scan(model.name):
            if all(equal(view.text(other, code), view.text(self.row, code)) for code in model.unique):
                return [self._describe_duplicate(other)]
        return []

    def _describe_duplicate(self, other: Row) -> str:
        model, view = self.row.model, self._session.view
        if len(model.unique) == 1:
            return f"This {model.name.lower()} already exists"
        this, that = (
            f"{model.attributes[code].target}: {view.text(other, f'{code}_friendlyname')}" for code in model.unique
        )
        return f"{this} is already linked to {that}, duplicates are not allowed on this relation."


def _quote(value: Any) -> str:
    text = value.column if isinstance(value, CaseLog) else str(value)
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def make_defaults(model: ClassModel) -> dict[str, Any]:
    empty = {"text": "", "ip": "", "key": 0, "stopwatch": 0, "log": EMPTY}
    return {
        attribute.code: attribute.default if attribute.default is not None else empty.get(attribute.kind)
        for attribute in model.attributes.values()
        if attribute.kind not in ("set", "field", "friendlyname", "finalclass", "flag")
    }


def _distinct(links: list[dict[str, Any]], end: str) -> Iterator[dict[str, Any]]:
    """The first link to each object."""
    seen: set[Any] = set()
    for link in links:
        if link.get(end) not in seen:
            seen.add(link.get(end))
            yield link


def _name(attribute: Attribute, release: Release) -> str:
    return f"'{attribute.label}' ({attribute.code}) " if release.names_labels else f"'{attribute.code}'"


def _find_issues(attribute: Attribute, value: Any, release: Release) -> Iterator[str]:
    """What iTop finds wrong with one value (transcripts 067-101, 176-179, 362)."""
    if value in ("", 0, None):
        if attribute.required:
            yield "Null not allowed"
    elif attribute.kind == "enum" and value not in attribute.values:
        yield f"Value not allowed [{value}]"
    elif attribute.max and (length := _measure(value, release)) > attribute.max:
        yield f"String too long (found {length}, limited to {attribute.max})"
    elif attribute.kind == "ip" and not _is_address(value):
        yield f"Wrong format [{value}]"


def _measure(text: str, release: Release) -> int:
    return len(text.encode("utf-8", "surrogatepass")) if release.counts_bytes else len(text)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
