"""The other end of the control socket."""

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from itop_bridge.control.controls import Tell
from itop_bridge.control.error import SocketError, restore_error
from itop_bridge.control.request import Request, name_of, write_request

_SILENCE_S = 120.0
"""A daemon that works on something tells its progress more often."""


def is_answered(path: Path) -> bool:
    """Whether a daemon listens there. Raises SocketError if we may not ask it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise SocketError(
                f"{path}: {error.strerror or error}: the commands for operators are for root, or for the user that the"
                " daemon runs as"
            ) from error
    return True


async def ask(path: Path, request: Request, tell: Tell) -> dict[str, Any]:
    """Let the daemon carry out a request.

    Raises what it tells of its failure, as ControlError or ConfigurationError, or SocketError if it does not answer.
    """
    patience = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_S)
    connector = aiohttp.UnixConnector(str(path))
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=patience) as session,
            session.post(f"http://control/{name_of(type(request))}", data=write_request(request)) as response,
        ):
            return await _read_answer(response, tell)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SocketError(
            f"the daemon broke off before it answered ({type(error).__name__}): what it had begun is in the journal;"
            " look, and ask again"
        ) from error


async def _read_answer(response: aiohttp.ClientResponse, tell: Tell) -> dict[str, Any]:
    if response.status != 200:
        raise SocketError(f"the daemon answers {response.status} {response.reason}: {await response.text()}")
    async for line in _split_lines(response.content):
        told = json.loads(line)
        if "progress" in told:
            await tell(told["progress"]["done"], told["progress"]["total"])
        elif "error" in told:
            raise restore_error(told["error"])
        else:
            result: dict[str, Any] = told["result"]
            return result
    raise SocketError("the daemon ended before it answered: what it had begun is in the journal; look, and ask again")


async def _split_lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, of any length: aiohttp's own reading by lines has a limit."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
