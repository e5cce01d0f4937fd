import asyncio
import contextlib
import json
import os
import socket

import pytest
from aiohttp import web

from itop_bridge.control.client import ask, is_answered
from itop_bridge.control.error import ControlError, RequestError, SocketError
from itop_bridge.control.request import FetchStatus, Pause
from itop_bridge.errors import ConfigurationError


@contextlib.asynccontextmanager
async def answering(path, *chunks, status=200):
    """A daemon that gives this answer, and keeps what it was asked."""
    asked = []

    async def answer(http):
        asked.append((http.path, await http.json()))
        response = web.StreamResponse(status=status)
        await response.prepare(http)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    application = web.Application()
    application.add_routes([web.post("/{operation}", answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.fixture
def told():
    return []


@pytest.fixture
def tell(told):
    async def tell(done, total):
        told.append((done, total))

    return tell


async def test_progress_is_told_and_the_result_is_given(path, tell, told):
    lines = [
        b'{"progress": {"done": 1, "total": 2}}\n{"pro',
        b'gress": {"done": 2, "total": 2}}\n{"result": {"a": 1}}\n',
    ]
    async with answering(path, *lines) as asked:
        assert await ask(path, Pause("r"), tell) == {"a": 1}
    assert told == [(1, 2), (2, 2)]
    assert asked == [("/pause", {"route": "r"})]


async def test_an_answer_may_be_large(path, tell):
    large = {"text": "x" * 3_000_000}
    async with answering(path, json.dumps({"result": large}).encode() + b"\n"):
        assert await ask(path, FetchStatus(), tell) == large


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"kind": "failed", "message": "m"}, ControlError),
        ({"kind": "request", "message": "m"}, RequestError),
        ({"kind": "configuration", "problems": ["p"]}, ConfigurationError),
        ({}, ControlError),
    ],
)
async def test_an_error_is_raised(path, tell, error, kind):
    async with answering(path, json.dumps({"error": error}).encode() + b"\n"):
        with pytest.raises(kind) as caught:
            await ask(path, FetchStatus(), tell)
    assert type(caught.value) is kind


@pytest.mark.parametrize("lines", [[], [b'{"progress": {"done": 1, "total": 2}}\n'], [b'{"resu']])
async def test_an_answer_that_breaks_off_is_told(path, tell, lines):
    async with answering(path, *lines):
        with pytest.raises(SocketError, match="before it answered"):
            await ask(path, FetchStatus(), tell)


async def test_another_status_is_told(path, tell):
    async with answering(path, b"no", status=413):
        with pytest.raises(SocketError, match="413"):
            await ask(path, FetchStatus(), tell)


async def test_nobody_is_told(path, tell):
    with pytest.raises(SocketError):
        await ask(path, FetchStatus(), tell)


async def test_whether_somebody_answers_is_known_beforehand(path):
    assert not is_answered(path)
    async with answering(path):
        assert is_answered(path)


def test_a_stale_socket_is_nobody(path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert not is_answered(path)


def test_one_that_may_not_be_opened_says_who_may(path, monkeypatch):
    def refuse(_self, _address):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(SocketError, match=r"Permission denied.*for root, or for the user"):
        is_answered(path)
