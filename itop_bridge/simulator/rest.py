"""One call to webservices/rest.php, from the HTTP request to the answer: its faults, and iTop's order of checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from itop_bridge.simulator.account import log_in
from itop_bridge.simulator.answer import PHP_FATAL, Answer, Delivery, make_json, make_page, spoil
from itop_bridge.simulator.call import Call
from itop_bridge.simulator.failure import (
    INVALID_JSON,
    MISSING_JSON,
    MISSING_VERSION,
    UNKNOWN_OPERATION,
    UNSUPPORTED_VERSION,
    PhpFatalError,
    RefusedError,
    RestError,
)
from itop_bridge.simulator.fault import DELAYS, TROUBLES, Fault, Kind
from itop_bridge.simulator.operation import VERBS, Context, Reply
from itop_bridge.simulator.simulator import Simulator

_VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")
_DEPTH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What of an HTTP request iTop looks at."""

    query: Mapping[str, str]
    form: Mapping[str, str]
    """Empty unless the method is POST and the body a form."""
    authorization: str = ""

    def parameter(self, name: str) -> str:
        return self.form.get(name) or self.query.get(name, "")


async def answer_call(simulator: Simulator, http: HttpRequest) -> Answer:
    """Carry out one call, with the faults that are in place for it."""
    request = _peek(http)
    shown = {name: value for name, value in request.items() if name != "password"}
    call = Call(str(request.get("operation", "")), str(request.get("class", "")), simulator.clock(), request=shown)
    simulator.calls.append(call)
    faults = simulator.faults.take(call.operation, request)
    for fault in faults:
        if fault.kind in DELAYS:
            await simulator.sleep(fault.draw_delay_s(simulator.random))
    for fault in faults:
        if fault.kind not in DELAYS:
            return await _answer_under(simulator, http, call, fault)
    return await _carry_out(simulator, http, call, None)


async def _answer_under(simulator: Simulator, http: HttpRequest, call: Call, fault: Fault) -> Answer:
    """Refuse the call, or carry it out at the fault's time and spoil its answer."""
    if fault.kind in (Kind.REFUSE, Kind.RESET_BEFORE):
        return Answer(delivery=Delivery.CLOSE if fault.kind is Kind.REFUSE else Delivery.RESET)
    if (page := make_page(fault, simulator.release)) and not fault.stored:
        return page
    if fault.kind in TROUBLES:
        return await _carry_out(simulator, http, call, Kind(fault.kind))
    if fault.kind is not Kind.LATE:
        answer = await _carry_out(simulator, http, call, None)
    else:
        await fault.hold(simulator.sleep)
        try:
            answer = await _carry_out(simulator, http, call, None)
        finally:
            fault.settle()
    call.code = None
    return spoil(answer, fault, simulator.release)


async def _carry_out(simulator: Simulator, http: HttpRequest, call: Call, trouble: Kind | None) -> Answer:
    context: list[Context] = []
    try:
        reply = await _answer(simulator, http, trouble, context)
    except RestError as error:
        reply = {"code": error.code, "message": f"Error: {error.message}"}
    except RefusedError as error:
        reply = {"code": error.code, "message": error.message, "objects": None}
    except PhpFatalError:
        return PHP_FATAL
    finally:
        call.wrote = any(each.wrote for each in context)
    call.code = reply["code"]
    return make_json(reply, http.parameter("callback"))


async def _answer(simulator: Simulator, http: HttpRequest, trouble: Kind | None, opened: list[Context]) -> Reply:
    """iTop's order of checks: login, version, json_data, version supported, operation."""
    account = log_in(simulator.accounts, http.form, http.authorization)
    version = http.parameter("version")
    if not version:
        raise RestError("Missing parameter 'version' (e.g. '1.0')", MISSING_VERSION)
    request = _parse_json(http.parameter("json_data"))
    if version not in _VERSIONS:
        raise RestError(f"There is no service available for version '{version}'", UNSUPPORTED_VERSION)
    if "operation" not in request:
        raise RestError("Missing parameter 'operation'")
    operation = str(request["operation"])
    if operation == "list_operations":
        return _list_operations(version)
    if operation not in VERBS:
        raise RestError(f"Unknown verb '{operation}' in version '{version}'", UNKNOWN_OPERATION)
    session = simulator.open_session(account)
    context = Context(session=session, accounts=simulator.accounts, pause=simulator.pause, trouble=trouble)
    opened.append(context)
    return await VERBS[operation][1](context, request)


def _list_operations(version: str) -> Reply:
    verbs = [{"verb": verb, "description": told, "extension": "CoreServices"} for verb, (told, _) in VERBS.items()]
    return {"code": 0, "message": f"Operations: {len(verbs)}", "version": version, "operations": verbs}


def _parse_json(text: str) -> Mapping[str, Any]:
    """The request. What PHP takes for false is no structure either; a number is one without an operation."""
    if not text:
        raise RestError("Missing parameter 'json_data'", MISSING_JSON)
    try:
        value = orjson.loads(text.encode("utf-8", "surrogateescape"))
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        value = None
    if value in (None, [], False, 0, "") or _depth(value) > _DEPTH:
        raise RestError("Parameter json_data is not a valid JSON structure", INVALID_JSON)
    return value if isinstance(value, Mapping) else {}


def _depth(value: Any) -> int:
    """How deep arrays and objects lie in each other."""
    depth, level = 0, [value]
    while level:
        nested = [each for each in level if isinstance(each, dict | list)]
        depth += bool(nested)
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _peek(http: HttpRequest) -> Mapping[str, Any]:
    """The request for the records and for the choice of faults; empty if it cannot be read."""
    try:
        return _parse_json(http.parameter("json_data"))
    except RestError:
        return {}
