"""The verbs of the REST service, each from the request's JSON to the answer's."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.simulator.account import Account
from itop_bridge.simulator.datamodel import ClassModel
from itop_bridge.simulator.draft import Draft
from itop_bridge.simulator.failure import (
    BAD_READ_ONLY,
    INVALID_PAGE,
    LOCK_WAIT,
    TOO_LONG,
    UNAUTHORIZED,
    PhpFatalError,
    RefusedError,
    RestError,
)
from itop_bridge.simulator.fault import Kind
from itop_bridge.simulator.lifecycle import apply_stimulus
from itop_bridge.simulator.removal import find_dependents, remove_rows
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.store import Row
from itop_bridge.simulator.value import find_one, find_set

Request = Mapping[str, Any]
Reply = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Context:
    """What one call works with."""

    session: Session
    accounts: Mapping[str, Account]
    pause: Callable[[], Awaitable[None]]
    """The time that iTop takes. Writes read before it and store after it, so parallel ones meet in between."""
    trouble: Kind | None = None
    wrote: bool = False

    def authorize(self, verb: str, model: ClassModel) -> None:
        """Raises RefusedError; read-only mode says the same as missing rights (transcripts 422-427)."""
        if self.trouble is Kind.READ_ONLY or not self.session.account.may(verb, model):
            reason = f"The current user does not have enough permissions for {verb} data of class {model.name}"
            raise RefusedError(reason, UNAUTHORIZED)

    def store(self, draft: Draft, fields: Request) -> None:
        """Check and write the draft, or fail as the database would."""
        draft.check()
        if draft.is_changed:
            self._meet_trouble(draft, fields)
            self.wrote = draft.store()

    def _meet_trouble(self, draft: Draft, fields: Request) -> None:
        match self.trouble:
            case Kind.LOCK_WAIT:
                raise draft.fail(LOCK_WAIT)
            case Kind.DATABASE_READ_ONLY:
                raise draft.fail(BAD_READ_ONLY)
            case Kind.LOG_FULL:
                for code in ("public_log", "private_log"):
                    if code in fields:
                        raise draft.fail(TOO_LONG, f"{code}_index")


@dataclass(frozen=True, slots=True)
class Output:
    """What `output_fields` asks for."""

    model: ClassModel
    codes: tuple[str, ...] = ()
    """Empty: all attributes."""
    of_subclass: bool = False
    """All attributes of the object's own class ("*+")."""

    def show(self, session: Session, row: Row) -> dict[str, Any]:
        view = session.view
        if self.model.name not in row.model.lineage:  # the class asked for is not enforced (transcripts 205, 914)
            return {code: view.render(row, code) for code in ("id", "friendlyname")}
        if self.codes:
            return {code: view.render(row, code) for code in self.codes}
        return view.render_all(row, row.model if self.of_subclass else self.model)


async def get_objects(context: Context, request: Request) -> Reply:
    """core/get (transcripts 185-254)."""
    session = context.session
    model = _read_class(session, request)
    key = _need(request, "key")
    output = _read_output(model, request)
    limit, page = _read_number(request, "limit", 0), _read_number(request, "page", 1)
    await context.pause()
    found = find_set(session, model.name, key)
    if page < 1:
        reason = "The request page number is not valid. It must be an integer greater than 0"
        raise RefusedError(reason, INVALID_PAGE)
    for code in output.codes:
        if code != "id" and code not in found.model.attributes:
            raise RestError(f"Unknown attribute {code} from class {found.model.name}")
    rows = found.rows[(page - 1) * limit : page * limit] if limit > 0 else found.rows
    return _reply(f"Found: {len(found.rows)}", [_describe(row, "", output.show(session, row)) for row in rows])


async def create_object(context: Context, request: Request) -> Reply:
    """core/create (transcripts 056-184)."""
    session = context.session
    _need(request, "comment")
    model = _read_class(session, request)
    fields = _read_fields(request)
    output = _read_output(model, request)
    context.authorize("creating", model)
    await context.pause()
    draft = Draft(session, None, model)
    draft.edit(fields)
    draft.number()
    context.store(draft, fields)
    return _reply(None, [_describe(draft.row, "created", _show_new(session, draft.row, output))])


async def update_object(context: Context, request: Request) -> Reply:
    """core/update (transcripts 255-290, 504-563)."""
    draft, fields, output = _open_draft(context, request)
    await context.pause()
    draft.edit(fields)
    context.store(draft, fields)
    return _reply(None, [_describe(draft.row, "updated", output.show(context.session, draft.row))])


async def stimulate_object(context: Context, request: Request) -> Reply:
    """core/apply_stimulus (transcripts 291-395)."""
    _need(request, "fields")
    stimulus = str(_need(request, "stimulus"))
    draft, fields, output = _open_draft(context, request)
    await context.pause()
    draft.edit(fields)
    apply_stimulus(context.session, draft, stimulus)
    context.store(draft, fields)
    return _reply(None, [_describe(draft.row, "updated", output.show(context.session, draft.row))])


async def delete_objects(context: Context, request: Request) -> Reply:
    """core/delete: what is not there is "Deleted: 0" (transcripts 350-355)."""
    session = context.session
    _need(request, "comment")
    model = _read_class(session, request)
    key = _need(request, "key")
    simulate = bool(request.get("simulate", False))
    context.authorize("deleting", find_set(session, model.name, key).model)
    await context.pause()
    rows = find_set(session, model.name, key).rows
    dependents = find_dependents(session.view, rows)
    shown = [_name(session, row) for row in [*rows, *dependents]]
    if not simulate and rows:
        remove_rows(session.view.store, [*rows, *dependents])
        context.wrote = True
    more = f" plus (for DB integrity) {len(dependents)}" if dependents else ""
    return _reply(f"{'SIMULATING: ' if simulate else ''}Deleted: {len(rows)}{more}", shown)


async def check_credentials(context: Context, request: Request) -> Reply:
    """core/check_credentials (transcripts 050-053)."""
    login, password = str(_need(request, "user")), str(_need(request, "password"))
    await context.pause()
    account = context.accounts.get(login)
    return {"code": 0, "message": None, "authorized": account is not None and account.password == password}


async def get_related(context: Context, request: Request) -> Reply:
    """core/get_related: farms and their machines are all that is related here (transcripts 356-360)."""
    session = context.session
    model = _read_class(session, request)
    key, relation = _need(request, "key"), str(_need(request, "relation"))
    await context.pause()
    scope = find_set(session, model.name, key).rows
    if not scope:
        return {"code": 0, "message": "Nothing found", "objects": None, "relations": []}
    downwards = relation == "impacts" and request.get("direction", "down") == "down"
    upwards = relation == "depends on" or (relation == "impacts" and not downwards)
    arrows = _relate(session, scope, downwards=downwards, upwards=upwards)
    rows = {row.name: row for row in [*scope, *(row for reached in arrows.values() for row in reached)]}
    counts: dict[str, int] = {}
    for row in rows.values():
        counts[row.model.name] = counts.get(row.model.name, 0) + 1
    listed = ", ".join(f"{name}= {count}" for name, count in counts.items())
    reply = _reply(
        f"Scope: {len(scope)}; Related objects: {listed}",
        [_name(session, row) for row in rows.values()],
    )
    told = {} if relation == "impacts" and upwards else arrows
    relations = {name: [{"key": row.name} for row in reached] for name, reached in told.items() if reached}
    return {**reply, "relations": relations or []}


def _relate(session: Session, scope: list[Row], *, downwards: bool, upwards: bool) -> dict[str, list[Row]]:
    reached: dict[str, list[Row]] = {}
    for row in scope:
        if downwards and row.model.name == "Farm":
            machines = session.view.scan("VirtualMachine")
            reached[row.name] = [each for each in machines if each.values["virtualhost_id"] == row.id]
        if upwards and row.model.name == "VirtualMachine":
            host = session.view.get("VirtualHost", row.values["virtualhost_id"])
            reached[row.name] = [host] if host else []
    return reached


def _open_draft(context: Context, request: Request) -> tuple[Draft, Request, Output]:
    """The object that a write names, as it is now; what is stored until the write is overwritten."""
    session = context.session
    _need(request, "comment")
    model = _read_class(session, request)
    key = _need(request, "key")
    fields = _read_fields(request)
    output = _read_output(model, request)
    # the class of the query counts, not that of the request (transcripts 914, 915)
    context.authorize("modifying", find_set(session, model.name, key).model)
    live = find_one(session, model.name, key)
    if live is None:  # cannot be: only an attribute may be empty
        raise PhpFatalError
    return Draft(session, live, live.model), fields, output


def _show_new(session: Session, row: Row, output: Output) -> dict[str, Any]:
    """A new object, not yet read back, names the class that an empty key could point at (transcript 056)."""
    shown = output.show(session, row)
    for code in shown:
        attribute = row.model.attributes.get(code)
        if attribute and attribute.field == "finalclass" and not shown[code]:
            shown[code] = row.model.attributes[attribute.key].target
    return shown


def _need(request: Request, name: str) -> Any:
    value = request.get(name)
    if value is None:
        raise RestError(f"Missing parameter '{name}'")
    return value


def _read_class(session: Session, request: Request) -> ClassModel:
    name = _need(request, "class")
    if name not in session.view.datamodel:
        raise RestError(f"class: '{name}' is not a valid class'")  # the stray quote is iTop's
    return session.view.datamodel[name]


def _read_fields(request: Request) -> Request:
    fields = _need(request, "fields")
    return fields if isinstance(fields, Mapping) else {}  # PHP's empty object is a list (transcript 379)


def _read_output(model: ClassModel, request: Request) -> Output:
    wanted = request.get("output_fields", "*")
    if not isinstance(wanted, str):
        raise PhpFatalError
    if wanted in ("*", "*+"):
        return Output(model, of_subclass=wanted == "*+")
    codes = tuple(code.strip() for code in wanted.split(","))
    for code in codes:
        if code != "id" and code not in model.attributes:
            raise RestError(f"output_fields: invalid attribute code '{code}'")
    return Output(model, codes)


def _read_number(request: Request, name: str, default: int) -> int:
    try:
        return int(request.get(name, default))
    except (TypeError, ValueError):
        return 0


def _describe(row: Row, message: str, fields: dict[str, Any]) -> Reply:
    return {"code": 0, "message": message, "class": row.model.name, "key": str(row.id), "fields": fields}


def _name(session: Session, row: Row) -> Reply:
    return _describe(row, "", {code: session.view.render(row, code) for code in ("id", "friendlyname")})


def _reply(message: str | None, objects: list[Reply]) -> Reply:
    named = {f"{each['class']}::{each['key']}": each for each in objects}
    return {"code": 0, "message": message, "objects": named or None}


VERBS: Mapping[str, tuple[str, Callable[[Context, Request], Awaitable[Reply]]]] = {
    "core/create": ("Create an object", create_object),
    "core/update": ("Update an object", update_object),
    "core/apply_stimulus": ("Apply a stimulus to change the state of an object", stimulate_object),
    "core/get": ("Search for objects", get_objects),
    "core/delete": ("Delete objects", delete_objects),
    "core/get_related": ("Get related objects through the specified relation", get_related),
    "core/check_credentials": ("Check user credentials", check_credentials),
}
