"""The simulator on the network: iTop's endpoint, a page for people, and the control from outside."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from itop_bridge.simulator.answer import NOT_FOUND, TOO_LARGE, Answer, Delivery
from itop_bridge.simulator.control import add_routes
from itop_bridge.simulator.page import render_page
from itop_bridge.simulator.recording import describe_request, describe_response
from itop_bridge.simulator.rest import HttpRequest, answer_call
from itop_bridge.simulator.simulator import Simulator

_BODY_LIMIT = 64 * 1024**2
_COOKIE = "itop-simulator"
_ENDPOINT = "/webservices/rest.php"


Record = Callable[[Mapping[str, Any]], None]
"""Takes each exchange: what `recording.py` tells of its request and its response, None if no answer left."""


@asynccontextmanager
async def serve(
    simulator: Simulator, host: str = "127.0.0.1", port: int = 0, record: Record | None = None
) -> AsyncIterator[str]:
    """Serve the simulator; yields its URL. Leaving closes every connection, also those that are kept waiting."""
    endpoint = _Endpoint(simulator, record)
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
    def __init__(self, simulator: Simulator, record: Record | None) -> None:
        self._simulator = simulator
        self._record = record
        self._closing = asyncio.Event()
        self._calls: set[asyncio.Task[Answer]] = set()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY_LIMIT)
        for path in (_ENDPOINT, f"{_ENDPOINT}/"):
            application.router.add_route("*", path, self.rest)
        application.router.add_get("/", self.page)
        add_routes(application.router, self._simulator)
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
            http = await _read_request(request, takes_files=self._simulator.release.takes_files)
        except web.HTTPRequestEntityTooLarge:
            return _make_response(TOO_LARGE)
        known = _COOKIE in request.cookies
        self._simulator.sessions += not known
        # PHP carries a call out to the end, whether or not the client still waits (transcripts 446, 447)
        call = asyncio.create_task(answer_call(self._simulator, http), name="simulator call")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        answer = await asyncio.shield(call)
        if self._record:
            self._record(_describe(request, http, answer))
        response = await self._deliver(request, answer)
        if not known and not response.prepared:
            response.set_cookie(_COOKIE, "1", httponly=True)
        return response

    async def page(self, _: web.Request) -> web.StreamResponse:
        return web.Response(
            text=render_page(self._simulator.objects("Ticket"), self._simulator.objects("Attachment")),
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

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


async def _read_request(request: web.Request, *, takes_files: bool) -> HttpRequest:
    return HttpRequest(
        query=dict(request.query),
        form=await _read_form(request, takes_files=takes_files) if request.method == "POST" else {},
        authorization=request.headers.get("Authorization", ""),
    )


async def _read_form(request: web.Request, *, takes_files: bool) -> Mapping[str, str]:
    """The form's fields. Bytes that are no UTF-8 are kept as such, so that they can be refused (transcript 158)."""
    if request.content_type == "multipart/form-data":
        fields: dict[str, str] = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField) and not takes_files:
                continue
            content = value.file.read() if isinstance(value, web.FileField) else value
            fields[name] = content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
        return fields
    body = await request.read()
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    text = body.decode("utf-8", "surrogateescape")
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def _describe(request: web.Request, http: HttpRequest, answer: Answer) -> Mapping[str, Any]:
    asked = describe_request(request.method, request.path, http.query, http.form, http.authorization)
    if answer.delivery not in (Delivery.SEND, Delivery.TRUNCATE):
        return {"request": asked, "response": None}
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return {"request": asked, "response": describe_response(answer.status, headers, answer.body)}


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
