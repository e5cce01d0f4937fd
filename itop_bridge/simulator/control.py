"""The control from outside, over HTTP and JSON: faults, people and latency; and what can be seen of the simulator."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from itop_bridge.simulator.failure import RefusedError, RestError
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.simulator import Simulator

_FAULT_KEYS = frozenset({"kind", "times", "operation", "seconds", "p95_s", "retry_after", "stored"})
_ACT_KEYS = frozenset({"person", "act", "ticket"})
_LATENCY_KEYS = frozenset({"seconds", "p95_s"})

Command = Callable[[Simulator, Any], Any]


def add_routes(router: web.UrlDispatcher, simulator: Simulator) -> None:
    """The addresses under /simulator/."""
    router.add_get("/simulator/incidents", functools.partial(_show_objects, simulator))
    router.add_get("/simulator/calls", functools.partial(_show_calls, simulator))
    router.add_post("/simulator/faults", _command(simulator, add_fault))
    router.add_delete("/simulator/faults", functools.partial(_clear_faults, simulator))
    router.add_post("/simulator/people", _command(simulator, let_act))
    router.add_post("/simulator/latency", _command(simulator, set_latency))


def add_fault(simulator: Simulator, raw: Any) -> Any:
    """Add the fault that the keys describe: those of Fault."""
    _check_keys("fault", raw, _FAULT_KEYS, needed={"kind"})
    simulator.faults.add(Fault(**raw))
    return {"faults": len(list(simulator.faults))}


def let_act(simulator: Simulator, raw: Any) -> Any:
    """Let a person act: `{"person": "Alice Agent", "act": "resolve", "ticket": 1, "solution": "…"}`."""
    _check_keys("act", raw, None, needed=_ACT_KEYS)
    arguments = {name: value for name, value in raw.items() if name not in _ACT_KEYS}
    simulator.person(raw["person"]).act(raw["act"], raw["ticket"], **arguments)
    return {"done": True}


def set_latency(simulator: Simulator, raw: Any) -> Any:
    """Let every call take `seconds`; with `p95_s`, by that distribution."""
    _check_keys("latency", raw, _LATENCY_KEYS, needed={"seconds"})
    if not all(isinstance(value, int | float) and value >= 0 for value in raw.values()):
        raise ValueError("a latency is in seconds, and not negative")
    simulator.set_latency(raw["seconds"], raw.get("p95_s"))
    return raw


def _check_keys(what: str, raw: Any, known: frozenset[str] | None, needed: frozenset[str] | set[str]) -> None:
    if not isinstance(raw, dict) or not needed <= raw.keys() or (known and not raw.keys() <= known):
        raise ValueError(f"{what}: must be an object with the keys {', '.join(sorted(known or needed))}")


def _command(simulator: Simulator, command: Command) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of a command; what is wrong with it is told with 400."""

    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":  # so that no foreign page can post it
            raise web.HTTPUnsupportedMediaType
        try:
            return web.json_response(command(simulator, await request.json()))
        except (LookupError, TypeError, ValueError, RestError, RefusedError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    return handle


async def _show_objects(simulator: Simulator, request: web.Request) -> web.Response:
    """The tickets, or the objects of ?class=…"""
    iclass = request.query.get("class", "Ticket")
    if iclass not in simulator.store.datamodel:
        raise web.HTTPNotFound
    return web.json_response(simulator.objects(iclass))


async def _show_calls(simulator: Simulator, _: web.Request) -> web.Response:
    return web.json_response([asdict(call) for call in simulator.calls])


async def _clear_faults(simulator: Simulator, _: web.Request) -> web.Response:
    simulator.faults.clear()
    return web.json_response({"faults": 0})
