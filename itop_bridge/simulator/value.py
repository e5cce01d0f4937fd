"""What a request's keys and values mean: finding objects, and turning JSON into what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.simulator.caselog import Entry
from itop_bridge.simulator.collation import equal
from itop_bridge.simulator.datamodel import Attribute, ClassModel
from itop_bridge.simulator.failure import UNAUTHORIZED, PhpFatalError, RestError
from itop_bridge.simulator.markup import sanitize, sanitize_entry
from itop_bridge.simulator.moment import is_moment
from itop_bridge.simulator.oql.evaluation import Found, answer_query
from itop_bridge.simulator.oql.parser import OqlError, parse_query
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.store import Row


@dataclass(frozen=True, slots=True)
class LogChange:
    """What a value does to a case log: append, or replace it whole."""

    entries: tuple[Entry, ...]
    replace: bool


def find_set(session: Session, iclass: str, key: Any) -> Found:
    """The objects that a `key` names: an id, a query, or criteria. Raises RestError for a key that is none."""
    model = session.view.datamodel[iclass]
    if isinstance(key, Mapping):
        return _find_by_criteria(session, iclass, key)[0]
    object_id = _read_id(key)
    if object_id is None:
        try:
            return _run_query(session, key)
        except OqlError as error:
            reason = f"exception_class = {error.kind}, exception_message = {error}"
            raise RestError(f"Query failed to execute: query = {key}, {reason}") from error
    row = session.view.get(iclass, int(object_id)) if object_id == int(object_id) else None
    return Found(model, [row] if row else [])


def find_one(session: Session, iclass: str, key: Any, *, of_attribute: bool = False) -> Row | None:
    """The one object that a `key` names, else RestError; None for 0 where an attribute may be empty.

    Transcripts 100-111 and 271-275.
    """
    if isinstance(key, Mapping):
        found, report = _find_by_criteria(session, iclass, key)
        return _only(found, f"with criteria: {report}")
    object_id = _read_id(key)
    if object_id is not None:
        if object_id == 0 and of_attribute:
            return None
        if row := session.view.get(iclass, int(object_id)):
            return row
        raise RestError(f"Invalid object {iclass}::{key}")
    if not of_attribute:
        return _only(find_set(session, iclass, key), f"for query: {key}")
    try:
        return _only(_run_query(session, key), f"for query: {key}")
    except OqlError as error:  # inside a value, iTop shows the parser's own words (transcripts 107-109)
        raise RestError(str(error)) from error


def make_value(session: Session, model: ClassModel, code: str, raw: Any) -> Any:
    """The value to store. Raises RestError whose text begins with the attribute's code."""
    if (attribute := model.attributes.get(code)) is None:
        raise RestError(f"{code}: Unknown attribute")
    try:
        return _make_value(session, attribute, raw)
    except RestError as error:
        raise RestError(f"{code}: {error.message}", error.code) from error


def _make_value(session: Session, attribute: Attribute, raw: Any) -> Any:
    match attribute.kind:
        case "key":
            row = find_one(session, attribute.target, raw, of_attribute=True)
            return row.id if row else 0
        case "set":
            return _make_links(session, attribute, raw)
        case "log":
            return _make_log_change(session, raw)
        case "datetime":
            return _make_moment(attribute.code, raw)
        case "blob":
            return raw
        case "enum":
            return _php_text(raw) or None
        case "text" if attribute.html:
            return sanitize(_php_text(raw))
    return _php_text(raw)


def _make_links(session: Session, attribute: Attribute, raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        raise RestError("A link set must be defined by an array of objects")
    if not attribute.link:
        return []
    model = session.view.datamodel[attribute.link]
    links = [each for each in raw if isinstance(each, Mapping)]  # anything else is passed over (transcript 127)
    return [{code: make_value(session, model, code, value) for code, value in each.items()} for each in links]


def _make_log_change(session: Session, raw: Any) -> LogChange:
    """A text is an HTML entry; add_item appends; items replaces the log (transcripts 159-174, 259-262)."""
    if isinstance(raw, str):
        return LogChange((_make_entry(session, {"message": raw}),) if raw else (), replace=False)
    if isinstance(raw, Mapping) and isinstance(raw.get("add_item"), Mapping):
        entry = _make_entry(session, raw["add_item"])
        return LogChange((entry,) if raw["add_item"]["message"] != "" else (), replace=False)
    if isinstance(raw, Mapping) and isinstance(raw.get("items"), list):
        return LogChange(tuple(_make_entry(session, item) for item in raw["items"]), replace=True)
    raise RestError("Missing 'items' elements")


def _make_entry(session: Session, raw: Mapping[str, Any]) -> Entry:
    if "message" not in raw:
        raise RestError("Missing mandatory entry: 'message'")
    kind = str(raw.get("format", "html"))
    message = _php_text(raw["message"])
    text = sanitize_entry(message) if kind == "html" else message
    user_login, user_id = _read_author(session, raw)
    return Entry(_read_entry_date(session, raw), user_login, user_id, text, kind)


def _read_author(session: Session, raw: Mapping[str, Any]) -> tuple[str, str | int]:
    if "user_id" not in raw:
        return session.user_login, str(session.account.id)
    if not session.account.is_administrator:
        raise RestError("Only administrators can set the user id", UNAUTHORIZED)
    user_id = int(raw["user_id"])
    # only the id 0 lets a name stand that is nobody's (transcripts 170, 172)
    return (session.user_login, str(user_id)) if user_id else (str(raw.get("user_login", "")), 0)


def _read_entry_date(session: Session, raw: Mapping[str, Any]) -> str:
    given = str(raw.get("date", ""))
    if not given:
        return session.now()
    if not is_moment(given):
        reason = "The timezone could not be found in the database"
        raise RestError(f"Failed to parse time string ({given}) at position 0 ({given[0]}): {reason}")
    return given


def _make_moment(code: str, raw: Any) -> str | None:
    if raw is None or raw == "":
        return None
    if not is_moment(str(raw)):
        raise RestError(f'Wrong format for date attribute {code}, expecting "Y-m-d H:i:s" and got "{raw}"')
    return str(raw)


def _php_text(raw: Any) -> str:
    """A JSON value as PHP makes a text of it (transcripts 097-099)."""
    if isinstance(raw, Mapping):
        raise PhpFatalError
    if isinstance(raw, list):
        return "Array"
    if isinstance(raw, bool):
        return "1" if raw else ""
    return "" if raw is None else str(raw)


def _read_id(key: Any) -> float | None:
    """The number that a key is; None if it is a query. Raises RestError for what can be neither."""
    if isinstance(key, bool) or key is None or isinstance(key, list):
        raise RestError("Wrong format for key")
    if isinstance(key, int | float):
        return key
    text = str(key)
    if not text.strip():
        raise PhpFatalError
    return int(text) if text.strip().isdecimal() else None


def _run_query(session: Session, text: str) -> Found:
    return answer_query(parse_query(text), session.view, session.database_now())


def _find_by_criteria(session: Session, iclass: str, criteria: Mapping[str, Any]) -> tuple[Found, str]:
    """The objects whose attributes equal the criteria, and the criteria as iTop reports them."""
    if "finalclass" in criteria and criteria["finalclass"] in session.view.datamodel:
        iclass = str(criteria["finalclass"])
    view = session.view
    model = view.datamodel[iclass]
    wanted = {code: make_value(session, model, code, raw) for code, raw in criteria.items()}
    rows = [row for row in view.scan(iclass) if all(_matches(view.value(row, code), v) for code, v in wanted.items())]
    report = ", ".join(f"{code}: {raw} ({wanted[code]})" for code, raw in criteria.items())
    return Found(model, view.order(rows, model)), report


def _matches(value: Any, wanted: Any) -> bool:
    return value is not None and equal(str(value), str(wanted))


def _only(found: Found, how: str) -> Row:
    if not found.rows:
        raise RestError(f"No item found {how}")
    if len(found.rows) > 1:
        raise RestError(f"Several items found ({len(found.rows)}) {how}")
    return found.rows[0]
