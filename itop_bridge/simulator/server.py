"""The simulator on the network: iTop's endpoint, a page for people, and a way to set faults from outside."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from itop_bridge.simulator.answer import NOT_FOUND, TOO_LARGE, Answer, Delivery
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.page import render_page
from itop_bridge.simulator.rest import HttpRequest, answer_call
from itop_bridge.simulator.simulator import Simulator

_BODY_LIMIT = 64 * 1024**2
_COOKIE = "itop-simulator"
_ENDPOINT = "/webservices/rest.php"
_FAULT_KEYS = frozenset({"kind", "times", "operation", "seconds", "retry_after", "stored"})


@asynccontextmanager
async def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the simulator; yields its URL. Leaving closes every connection, also those that are kept waiting."""
    endpoint = _Endpoint(simulator)
    runner = web.AppRunner(endpoint.application(), handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address, bound = runner.addresses[0][:2]
        yield f"http://{f'[{address}]' if ':' in address else address}:{bound}"
    finally:
        await endpoint.close()
        await runner.cleanup()


async def run_forever(simulator: Simulator, host: str, port: int) -> None:
    """Serve until cancelled."""
    async with serve(simulator, host, port):
        await asyncio.Event().wait()


class _Endpoint:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._closing = asyncio.Event()
        self._calls: set[asyncio.Task[Answer]] = set()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY_LIMIT)
        for path in (_ENDPOINT, f"{_ENDPOINT}/"):
            application.router.add_route("*", path, self.rest)
        application.router.add_get("/", self.page)
        application.router.add_get("/simulator/incidents", self.incidents)
        application.router.add_get("/simulator/calls", self.calls)
        application.router.add_post("/simulator/faults", self.add_fault)
        application.router.add_delete("/simulator/faults", self.clear_faults)
        application.router.add_route("*", "/{path:.*}", self.nothing)
        return application

    async def close(self) -> None:
        """End what is kept waiting, and the calls that nobody released."""
        self._closing.set()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        try:
            http = await _read_request(request)
        except web.HTTPRequestEntityTooLarge:
            return _make_response(TOO_LARGE)
        known = _COOKIE in request.cookies
        self._simulator.sessions += not known
        # PHP carries a call out to the end, whether or not the client still waits (transcripts 446, 447)
        call = asyncio.create_task(answer_call(self._simulator, http), name="simulator call")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        response = await self._deliver(request, await asyncio.shield(call))
        if not known and not response.prepared:
            response.set_cookie(_COOKIE, "1", httponly=True)
        return response

    async def page(self, _: web.Request) -> web.StreamResponse:
        return web.Response(
            text=render_page(self._simulator.objects("Ticket")),
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    async def incidents(self, request: web.Request) -> web.StreamResponse:
        """The tickets, or the objects of ?class=…"""
        iclass = request.query.get("class", "Ticket")
        if iclass not in self._simulator.store.datamodel:
            raise web.HTTPNotFound
        return web.json_response(self._simulator.objects(iclass))

    async def calls(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([asdict(call) for call in self._simulator.calls])

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        """Add the fault that the JSON body describes; the keys are those of Fault."""
        if request.content_type != "application/json":  # so that no foreign page can post it
            raise web.HTTPUnsupportedMediaType
        try:
            self._simulator.faults.add(_read_fault(await request.json()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response({"faults": len(list(self._simulator.faults))})

    async def clear_faults(self, _: web.Request) -> web.StreamResponse:
        self._simulator.faults.clear()
        return web.json_response({"faults": 0})

    async def nothing(self, _: web.Request) -> web.StreamResponse:
        return _make_response(NOT_FOUND)

    async def _deliver(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        match answer.delivery:
            case Delivery.HANG:
                await self._closing.wait()
                _close(request, reset=False)
            case Delivery.CLOSE | Delivery.RESET:
                _close(request, reset=answer.delivery is Delivery.RESET)
            case Delivery.TRUNCATE:
                return await _deliver_half(request, answer)
        return _make_response(answer)


async def _read_request(request: web.Request) -> HttpRequest:
    return HttpRequest(
        query=dict(request.query),
        form=await _read_form(request) if request.method == "POST" else {},
        authorization=request.headers.get("Authorization", ""),
    )


async def _read_form(request: web.Request) -> Mapping[str, str]:
    """The form's fields. Bytes that are no UTF-8 are kept as such, so that they can be refused (transcript 158)."""
    if request.content_type == "multipart/form-data":
        fields: dict[str, str] = {}
        for name, value in (await request.post()).items():
            content = value.file.read() if isinstance(value, web.FileField) else value
            fields[name] = content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
        return fields
    body = await request.read()
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    text = body.decode("utf-8", "surrogateescape")
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def _read_fault(raw: Any) -> Fault:
    """Raises ValueError, naming what is wrong."""
    if not isinstance(raw, dict) or not raw.keys() <= _FAULT_KEYS or "kind" not in raw:
        raise ValueError(f"a fault is an object with the keys {', '.join(sorted(_FAULT_KEYS))}")
    return Fault(**raw)


def _make_response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, "Cache-Control": "no-cache", **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _deliver_half(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Announce the whole body, send half of it, and close."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    _close(request, reset=False)
    return response


def _close(request: web.Request, *, reset: bool) -> None:
    """Close the connection under the request: with a FIN, or with an RST that discards what is under way."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if reset and connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
