"""The socket, spoken to as any program would: aiohttp on one end, what is told on the other."""

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import socket
import stat

import aiohttp
import pytest
import structlog

from itop_bridge.control.address import MOST_BYTES, socket_of
from itop_bridge.control.server import serve_control
from itop_bridge.errors import ConfigurationError
from itop_bridge.journal.inquiry import LetterFilter


@pytest.fixture
def journal(store):
    return store.path


async def post(journal, operation, content=b"", method="POST"):
    """The status and the lines of the answer."""
    connector = aiohttp.UnixConnector(str(socket_of(journal)))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://control/{operation}", data=io.BytesIO(content)) as response,
    ):
        text = await response.text()
        return response.status, [json.loads(line) for line in text.splitlines() if line.startswith("{")]


async def test_an_operation_is_answered_with_its_progress_and_its_result(journal, daemon):
    async with serve_control(journal, daemon.controls):
        status, lines = await post(journal, "drop-letters", b'{"filter": {}}')
    assert status == 200
    assert lines == [{"progress": {"done": 3, "total": 3}}, {"result": {"found": 3, "changed": 3}}]


@pytest.mark.parametrize(
    ("operation", "content", "kind", "told"),
    [
        ("show-letter", b'{"id": 9}', "failed", "there is no dead letter 9"),
        ("show-letter", b'{"id": "x"}', "request", "show-letter: id"),
        ("nonsense", b"", "request", "no operation 'nonsense'"),
        ("pause", b"{", "request", "not JSON"),
    ],
)
async def test_a_failure_is_data(journal, daemon, operation, content, kind, told):
    async with serve_control(journal, daemon.controls):
        status, [line] = await post(journal, operation, content)
    assert (status, line["error"]["kind"]) == (200, kind)
    assert told in line["error"]["message"]


async def test_every_problem_of_a_configuration_is_told(journal, daemon):
    daemon.error = ConfigurationError(["a:1:1: x", "b:2:2: y"])
    async with serve_control(journal, daemon.controls):
        _, [line] = await post(journal, "reload")
    assert line["error"]["problems"] == ["a:1:1: x", "b:2:2: y"]


async def test_a_mistake_of_the_bridges_is_told_and_logged_and_the_daemon_lives(journal, daemon):
    daemon.error = ZeroDivisionError("oops")
    with structlog.testing.capture_logs() as logs:
        async with serve_control(journal, daemon.controls):
            _, [line] = await post(journal, "reload")
            assert (await post(journal, "fetch-status"))[1][0]["result"]["running"]
    assert "ZeroDivisionError: oops" in line["error"]["message"]
    assert [each["operation"] for each in logs if each["event"] == "control.failed"] == ["reload"]


async def test_other_ways_to_ask_are_refused(journal, daemon):
    async with serve_control(journal, daemon.controls):
        assert (await post(journal, "reload", method="GET"))[0] == 405
        assert (await post(journal, "a/b"))[0] == 404
        assert (await post(journal, "list-letters", b" " * (17 * 1024 * 1024)))[0] == 413
    assert daemon.reloads == 0


async def test_what_changes_something_is_logged_with_who_did_it(journal, daemon):
    with structlog.testing.capture_logs() as logs:
        async with serve_control(journal, daemon.controls):
            await post(journal, "pause", b'{"route": "r"}')
            await post(journal, "list-letters")
            await post(journal, "drop-letters", b'{"filter": {}, "dry_run": true}')
            await post(journal, "resume", b'{"route": "nowhere"}')
    [told] = [each for each in logs if each["event"] == "control.performed"]
    assert (told["operation"], told["uid"], told["request"]) == ("pause", os.getuid(), {"route": "r"})


async def test_the_socket_is_its_owners_alone_from_the_first_moment(journal, daemon, monkeypatch):
    path, modes = socket_of(journal), []
    bind = socket.socket.bind

    def watched(self, address):
        bind(self, address)
        modes.append(stat.S_IMODE(path.lstat().st_mode))

    monkeypatch.setattr(socket.socket, "bind", watched)
    before = os.umask(0)
    try:
        async with serve_control(journal, daemon.controls):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert not path.exists()


async def test_a_stale_socket_is_replaced(journal, daemon):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_of(journal)))
    async with serve_control(journal, daemon.controls):
        assert (await post(journal, "fetch-status"))[0] == 200


async def test_a_file_that_is_no_socket_is_left_alone_and_told(journal, daemon):
    socket_of(journal).write_text("precious")
    with structlog.testing.capture_logs() as logs:
        async with serve_control(journal, daemon.controls):
            pass
    assert socket_of(journal).read_text() == "precious"
    assert [each["event"] for each in logs] == ["control.unavailable"]


async def test_a_path_that_is_too_long_is_told_and_all_else_goes_on(tmp_path, daemon):
    entered = False
    with structlog.testing.capture_logs() as logs:
        async with serve_control(tmp_path / ("x" * MOST_BYTES), daemon.controls):
            entered = True
    assert entered
    assert [each["event"] for each in logs] == ["control.unavailable"]
    assert "journal.path" in logs[0]["detail"]


async def test_two_at_once_are_both_answered(journal, daemon):
    async with serve_control(journal, daemon.controls):
        answers = await asyncio.gather(*[post(journal, "drop-letters", b'{"filter": {}}') for _ in range(2)])
    assert sum(lines[-1]["result"]["changed"] for _, lines in answers) == 3


async def test_one_who_goes_away_meanwhile_disturbs_nobody_and_is_logged(journal, daemon):
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds):
        asked.set()
        await go_on.wait()
        await daemon.sleep(0)

    controls = dataclasses.replace(daemon.controls, sleep=sleep)
    with structlog.testing.capture_logs() as logs:
        async with serve_control(journal, controls):
            asking = asyncio.create_task(post(journal, "retry-letters", b'{"filter": {}}'))
            await asked.wait()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            go_on.set()
            assert (await post(journal, "fetch-status"))[0] == 200
    assert await daemon.controls.inquiry.count_letters(LetterFilter()) == 0
    [told] = [each for each in logs if each["event"] == "control.performed"]
    assert (told["operation"], told["result"]) == ("retry-letters", {"broken_off": True})


async def test_what_the_daemons_stop_breaks_off_is_logged(journal, daemon, monkeypatch):
    monkeypatch.setattr("itop_bridge.control.server._STOP_S", 0.01)
    asked = asyncio.Event()

    async def sleep(_seconds):
        asked.set()
        await asyncio.Event().wait()

    with structlog.testing.capture_logs() as logs:
        async with serve_control(journal, dataclasses.replace(daemon.controls, sleep=sleep)):
            asking = asyncio.create_task(post(journal, "retry-letters", b'{"filter": {}}'))
            await asked.wait()
    await asyncio.gather(asking, return_exceptions=True)
    assert [each["result"] for each in logs if each["event"] == "control.performed"] == [{"broken_off": True}]
