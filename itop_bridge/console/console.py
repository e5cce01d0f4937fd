"""Over HTTP: `/healthz` while all parts move, `/readyz` with what it does and what ails it, as JSON; `/metrics`.

An iTop or a broker that is down makes the daemon degraded, not dead: `/readyz` says 503, `/healthz` goes on saying 200.
A part that hangs makes it dead: `/healthz` says 503, and which part does not move, since how many seconds.
"""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from itop_bridge.errors import BridgeError
from itop_bridge.metric.meter import CONTENT_TYPE

_FRONT = """\
itop-bridge
/healthz  whether all parts move
/readyz   what the daemon does, and what ails it
/metrics  for Prometheus
"""


class ConsoleError(BridgeError):
    """The console cannot listen."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the daemon is doing now."""

    ready: bool
    """Connected to the broker and subscribed, iTop can be reached, and nothing hangs."""
    version: str
    broker: Mapping[str, Any]
    itop: Mapping[str, Any]
    triage: Mapping[str, Any]
    alarms: Mapping[str, Any]
    """By name: since when (seconds since the epoch) and what about."""
    journal: Mapping[str, Any]
    """What waits in it, as numbers."""
    pauses: Mapping[str, float]
    """Routes whose delivery is held back, and since when; `*` is every route."""


@contextlib.asynccontextmanager
async def serve_console(
    host: str,
    port: int,
    fetch_status: Callable[[], Awaitable[Status]],
    fetch_metrics: Callable[[], Awaitable[bytes]],
    find_stalled: Callable[[], Mapping[str, float]],
) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port. Raises ConsoleError."""

    async def health(_: web.Request) -> web.Response:
        stalled = find_stalled()
        if stalled:
            return web.json_response({"status": "stalled", "stalled": dict(stalled)}, status=503)
        return web.json_response({"status": "ok"})

    async def readiness(_: web.Request) -> web.Response:
        now = await fetch_status()
        return web.json_response(dataclasses.asdict(now), status=200 if now.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await fetch_metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def front(_: web.Request) -> web.Response:
        return web.Response(text=_FRONT)

    application = web.Application()
    application.add_routes(
        [
            web.get("/", front),
            web.get("/healthz", health),
            web.get("/readyz", readiness),
            web.get("/metrics", metrics),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConsoleError(f"console.listen: cannot listen on {host}:{port}: {error.strerror}") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
