"""The daemon's control socket: `POST /<operation>` with JSON, answered by lines of JSON.

Any number of `{"progress": {"done", "total"}}`, then `{"result": …}` or `{"error": …}`. Who may open the socket may
ask for everything: it is readable and writable for the daemon's own user (and root) only.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from itop_bridge.control.address import socket_of
from itop_bridge.control.controls import Controls
from itop_bridge.control.error import SocketError, describe_error
from itop_bridge.control.operation import perform
from itop_bridge.control.request import Request, changes_something, describe_request, read_request
from itop_bridge.errors import BridgeError

log = structlog.get_logger(__name__)

_MOST_BYTES = 16 * 1024 * 1024
_STOP_S = 1.0
"""What an operation under way gets when the daemon stops; each is safe to break off between two commits."""


@contextlib.asynccontextmanager
async def serve_control(journal: Path, controls: Controls) -> AsyncIterator[None]:
    """Serve until the block ends. The journal's lock is held: a socket that is there already is stale.

    Where no socket can be made that is a warning: alerts come before operators.
    """
    try:
        path = socket_of(journal)
        listener = _listen(path)
    except (OSError, SocketError) as error:
        log.warning("control.unavailable", detail=str(error))
        yield
        return
    application = web.Application(client_max_size=_MOST_BYTES)
    application.add_routes([web.post("/{operation}", partial(_answer, controls))])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STOP_S)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        log.info("control.started", path=str(path))
        yield
    finally:
        await runner.cleanup()
        listener.close()
        path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):  # anything else is not ours: it makes `bind` fail
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        os.fchmod(listener.fileno(), 0o600)  # on Linux the file gets it from here: at no moment may others open it
        listener.bind(os.fspath(path))
    except BaseException:
        listener.close()
        raise
    return listener


async def _answer(controls: Controls, http: web.Request) -> web.StreamResponse:
    content = await http.read()
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(http)

    async def write(line: dict[str, Any]) -> None:
        await response.write(json.dumps(line).encode() + b"\n")

    async def tell(done: int, total: int) -> None:
        await write({"progress": {"done": done, "total": total}})

    await write(await _work(controls, http.match_info["operation"], content, tell, _user_of(http)))
    await response.write_eof()
    return response


async def _work(controls: Controls, name: str, content: bytes, tell: Any, uid: int | None) -> dict[str, Any]:
    """The last line of the answer."""
    try:
        request = read_request(name, content)
    except BridgeError as error:
        return {"error": describe_error(error)}
    try:
        result = await perform(request, controls, tell)
    except BridgeError as error:
        return {"error": describe_error(error)}
    except (ConnectionError, asyncio.CancelledError):  # who asked has gone, or the daemon stops: parts of it are done
        _note(name, uid, request, {"broken_off": True})
        raise
    except Exception as error:
        # a mistake in an operator's command is told, to the operator and in the log, and the alerts go on
        log.exception("control.failed", operation=name)
        return {"error": describe_error(error)}
    _note(name, uid, request, result)
    return {"result": result}


def _note(name: str, uid: int | None, request: Request, result: Mapping[str, Any]) -> None:
    if changes_something(request):
        told = {key: value for key, value in result.items() if key != "elements"}
        log.info("control.performed", operation=name, uid=uid, request=describe_request(request), result=told)


def _user_of(http: web.Request) -> int | None:
    """The user id of who asks, by the kernel's word."""
    peer = http.get_extra_info("socket")
    if peer is None:
        return None
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
