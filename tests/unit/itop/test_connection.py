"""ITop: what it is made from, which one is current, and what it refuses and hides."""

import asyncio
import json
import traceback

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.itop.client import Connection
from itop_bridge.itop.connection import ITop, current_itop
from itop_bridge.itop.error import ReadOnlyError, RequestError
from itop_bridge.itop.operation import is_reading

URL = "http://itop.invalid"
SOMEWHERE = Connection(URL, "bridge", "hunter2-s3cret")

WRITES = [
    {"operation": "core/create", "class": "Person"},
    {"operation": "core/update", "class": "Person"},
    {"operation": "core/apply_stimulus", "class": "Incident"},
    {"operation": "core/delete", "class": "Person"},
    {"operation": "core/delete", "class": "Person", "simulate": "yes"},
    {"operation": "some/extension"},
    {},
]
READS = [
    {"operation": "core/get", "class": "Person"},
    {"operation": "core/get_related"},
    {"operation": "core/check_credentials"},
    {"operation": "list_operations"},
    {"operation": "core/delete", "class": "Person", "simulate": True},
]


@pytest.mark.parametrize("suffix", ["json", "conf"])
def test_the_older_tools_file_is_read(tmp_path, suffix):
    path = tmp_path / f"itop.{suffix}"
    path.write_text(json.dumps({"address": URL, "version": "1.3", "user": "u", "password": "p"}))
    assert ITop(config=path).connection == Connection(URL, "u", "p", version="1.3")
    assert ITop(config=str(path)).connection == Connection(URL, "u", "p", version="1.3")


def test_of_the_daemons_file_only_what_is_needed_is_read(tmp_path):
    (tmp_path / "x.yaml").write_text(
        f"mqtt: {{host: broker, username: x, password: {{file: not-for-analysts}}}}\n"
        f"itop: {{address: '{URL}', user: u, password: p, timeout: 5s}}\nroutes: []\n"
    )
    assert ITop(config=tmp_path / "x.yaml").connection == Connection(URL, "u", "p", timeout_s=5.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("itop: {address: x, user: u, password: s3cret}", "itop.address"),
        ("itop: {addres: 'http://x', user: u, password: s3cret}", "did you mean address?"),
        (
            "itp: {}\nitop: {address: 'http://x', user: u, password: s3cret}",
            "x:1:1: itp: unknown key; did you mean itop?",
        ),
        ("mqtt: {}", "itop: missing"),
        ('{"address": "http://x", "user": "u"}', "password: missing"),
        ('{"address": ', "not valid JSON"),
        ("just text", "must be a section"),
    ],
)
def test_a_wrong_file_is_told_without_its_secret(tmp_path, text, told):
    (tmp_path / "x").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        ITop(config=tmp_path / "x")
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        ITop(config=tmp_path / "none.json")


async def test_the_innermost_open_connection_is_current():
    async with ITop(SOMEWHERE) as outer:
        assert current_itop() is outer
        async with ITop(SOMEWHERE) as inner:
            assert current_itop() is inner
        assert current_itop() is outer
    with pytest.raises(RequestError, match="no connection to iTop is open"):
        current_itop()


async def test_connections_may_be_closed_in_any_order():
    first, second = ITop(SOMEWHERE), ITop(SOMEWHERE)
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert current_itop() is second
    await second.__aexit__(None, None, None)


async def test_tasks_do_not_see_each_others_connection():
    async def use():
        async with ITop(SOMEWHERE) as mine:
            await asyncio.sleep(0)
            return current_itop() is mine

    assert await asyncio.gather(*(use() for _ in range(5))) == [True] * 5


async def test_a_task_uses_the_connection_around_it_and_not_after_it_is_closed():
    closed = asyncio.Event()

    async def use():
        seen = current_itop()
        await closed.wait()
        with pytest.raises(RequestError):
            current_itop()
        return seen

    async with ITop(SOMEWHERE) as itop:
        task = asyncio.create_task(use())
        await asyncio.sleep(0)
    closed.set()
    assert await task is itop


async def test_a_connection_is_opened_once_at_a_time_and_may_be_opened_again():
    itop = ITop(SOMEWHERE)
    for _ in range(2):
        async with itop:
            with pytest.raises(RuntimeError, match="open already"):
                await itop.__aenter__()
    assert not itop.is_open


async def test_a_call_without_opening_is_refused():
    with pytest.raises(RuntimeError, match="not open"):
        await ITop(SOMEWHERE).check()


@pytest.mark.parametrize("operation", WRITES)
async def test_a_read_only_connection_sends_no_write(operation):
    """No answer is prepared and the host does not exist: sending would fail otherwise."""
    assert not is_reading(operation)
    async with ITop(SOMEWHERE, read_only=True) as itop:
        with pytest.raises(ReadOnlyError, match="read-only"):
            await itop.call(operation)


@pytest.mark.parametrize("operation", READS)
async def test_a_read_only_connection_sends_what_reads(http, operation):
    http(body='{"code": 0, "message": null}')
    async with ITop(SOMEWHERE, read_only=True) as itop:
        await itop.call(operation)


async def test_a_secret_is_in_no_repr_error_or_traceback(http):
    http(body='{"code": 1, "message": "Error: Invalid login"}')
    itop = ITop(SOMEWHERE)
    assert repr(itop) == f"<ITop {URL} as bridge, not open>"
    try:
        async with itop:
            assert repr(itop) == f"<ITop {URL} as bridge>"
            await itop.check()
    except Exception as error:  # noqa: BLE001 - whatever it is
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(itop.connection) + repr(vars(itop))
    assert "Invalid login" in told
    assert "hunter2" not in told
