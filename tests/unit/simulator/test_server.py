"""The wire: how answers and faults reach a client, and the simulator's own pages."""

import asyncio
import socket

import aiohttp
import pytest

from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.server import run_forever, serve

CREATE = {
    "operation": "core/create",
    "class": "Incident",
    "comment": "c",
    "fields": {"org_id": 2, "title": "t", "description": "d"},
    "output_fields": "id,ref",
}


async def until(condition):
    """Let the server run until something holds; bounded by turns, not by time."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it never came")


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.RESET_BEFORE, Kind.RESET_AFTER])
async def test_a_closed_connection_is_an_error_at_the_client(simulator, client, kind):
    simulator.faults.add(Fault(kind))
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post(CREATE)
    assert len(simulator.objects("Incident")) == (kind is Kind.RESET_AFTER)
    assert [(call.code, call.wrote) for call in simulator.calls] == [(None, kind is Kind.RESET_AFTER)]


async def test_a_fault_is_over_after_its_times(simulator, client):
    simulator.faults.add(Fault("refuse", times=2))
    for _ in range(2):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create()
    assert await client.create() == 1


async def test_a_fault_hits_only_its_operation(simulator, client):
    simulator.faults.add(Fault("http_500", times=None, operation="core/create"))
    assert (await client("get", key="SELECT Incident"))["code"] == 0
    async with client.post(CREATE) as response:
        assert response.status == 500


async def test_a_fault_hits_only_requests_that_fulfil_its_condition(simulator, client):
    simulator.faults.add(Fault("http_500", when=lambda request: request["key"] == 2))
    assert (await client("get", key=1))["code"] == 0
    async with client.post({"operation": "core/get", "class": "Incident", "key": 2}) as response:
        assert response.status == 500


async def test_a_client_that_gives_up_finds_its_write_stored(simulator, client):
    fault = simulator.faults.add(Fault("timeout_after"))
    with pytest.raises(asyncio.TimeoutError):
        await client.post(CREATE, timeout=aiohttp.ClientTimeout(total=0.05))
    assert fault.hits == 1
    assert len(simulator.objects("Incident")) == 1


async def test_a_client_that_hangs_up_does_not_stop_its_call(simulator, client):
    go_on = asyncio.Event()
    simulator.sleep = lambda _: go_on.wait()
    with pytest.raises(asyncio.TimeoutError):
        await client.post(CREATE, timeout=aiohttp.ClientTimeout(total=0.05))
    assert simulator.objects("Incident") == []
    go_on.set()
    await until(lambda: simulator.objects("Incident"))


async def test_a_late_write_is_carried_out_when_it_is_released(simulator, client):
    fault = simulator.faults.add(Fault("late", operation="core/create"))
    with pytest.raises(asyncio.TimeoutError):
        await client.post(CREATE, timeout=aiohttp.ClientTimeout(total=0.05))
    assert simulator.objects("Incident") == []
    assert not simulator.calls[0].wrote
    await fault.release()
    assert len(simulator.objects("Incident")) == 1
    assert simulator.calls[0].wrote


async def test_a_late_write_under_a_condition_is_judged_when_it_lands(simulator, client):
    incident = await client.create()
    fault = simulator.faults.add(Fault("late", operation="core/update"))
    key = f"SELECT Incident WHERE id = {incident} AND status = 'new'"
    late = asyncio.create_task(client.append(key, "late"))
    await until(lambda: fault.hits)
    simulator.person("Alice Agent").assign(incident)
    await fault.release()
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    assert simulator.objects("Incident")[0]["public_log"] == []


async def test_a_late_write_lands_after_its_seconds(simulator, client):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    simulator.sleep = sleep
    simulator.faults.add(Fault("late", seconds=30.0))
    with pytest.raises(asyncio.TimeoutError):
        await client.post(CREATE, timeout=aiohttp.ClientTimeout(total=0.05))
    assert slept[0] == 30.0
    assert len(simulator.objects("Incident")) == 1


async def test_half_an_answer_is_an_error_at_the_client(simulator, client):
    simulator.faults.add(Fault("truncate"))
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.post(CREATE) as response:
            await response.read()
    assert len(simulator.objects("Incident")) == 1


async def test_broken_gzip_is_an_error_at_the_client(simulator, client):
    simulator.faults.add(Fault("bad_gzip"))
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.post(CREATE) as response:
            await response.read()
    assert len(simulator.objects("Incident")) == 1


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("http_500", 500, "<p>iTop: An error occurred, check server error log for more information.</p>\n"),
        ("http_502", 502, "502 Bad Gateway"),
        ("http_503", 503, "503 Service Temporarily Unavailable"),
        ("html_200", 200, "<form>"),
        ("maintenance", 503, '{"data":[{"code":100,'),
        ("maintenance_27", 503, '{"code":100,"message":"This application is currently under maintenance."}'),
    ],
)
async def test_a_page_stands_before_itop_and_nothing_is_done(simulator, client, kind, status, text):
    simulator.faults.add(Fault(kind))
    async with client.post(CREATE) as response:
        assert response.status == status
        assert text in await response.text()
    assert simulator.objects("Incident") == []


async def test_an_error_page_may_hide_a_write_that_was_stored(simulator, client):
    simulator.faults.add(Fault("http_502", stored=True))
    async with client.post(CREATE) as response:
        assert response.status == 502
    assert len(simulator.objects("Incident")) == 1
    assert simulator.calls[0].code is None


@pytest.mark.parametrize("retry_after", ["7", "Tue, 24 Nov 2026 04:00:00 GMT"])
async def test_too_many_requests_tells_when_to_come_back(simulator, client, retry_after):
    simulator.faults.add(Fault("rate_limit", retry_after=retry_after))
    async with client.post(CREATE) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, retry_after)


async def test_what_is_no_json_structure_is_refused(client):
    for text in ("{", "null", "[]", '{"a": NaN}', '"\\ud83d"'):
        async with client.post(text) as response:
            assert (await response.json())["code"] == 4


async def test_basic_authentication_works(simulator, client):
    auth = aiohttp.encode_basic_auth("admin", "admin")
    request = {"version": "1.4", "json_data": '{"operation": "list_operations"}'}
    async with client.session.post(
        f"{client.url}/webservices/rest.php", data=request, headers={"Authorization": auth}
    ) as response:
        assert (await response.json())["message"] == "Operations: 7"


async def test_each_call_without_a_cookie_leaves_a_session(simulator, client):
    await client.create()
    await client.create()
    assert simulator.sessions == 1
    client.session.cookie_jar.clear()
    await client.create()
    assert simulator.sessions == 2


async def test_faults_can_be_set_from_outside(simulator, client):
    fault = {"kind": "maintenance", "times": None, "operation": "core/create"}
    async with client.session.post(f"{client.url}/simulator/faults", json=fault) as response:
        assert await response.json() == {"faults": 1}
    async with client.post(CREATE) as response:
        assert response.status == 503
    async with client.session.delete(f"{client.url}/simulator/faults") as response:
        assert await response.json() == {"faults": 0}
    assert await client.create() == 1


@pytest.mark.parametrize("body", [{"kind": "nonsense"}, {"when": "x"}, [], {"kind": "late", "colour": "red"}])
async def test_a_fault_that_is_none_is_refused(simulator, client, body):
    async with client.session.post(f"{client.url}/simulator/faults", json=body) as response:
        assert response.status == 400
    assert list(simulator.faults) == []


async def test_a_foreign_page_cannot_set_a_fault(simulator, client):
    async with client.session.post(f"{client.url}/simulator/faults", data='{"kind": "refuse"}') as response:
        assert response.status == 415
    assert list(simulator.faults) == []


async def test_incidents_and_calls_can_be_seen_from_outside(client):
    await client.create(title="seen")
    async with client.session.get(f"{client.url}/simulator/incidents") as response:
        assert [each["title"] for each in await response.json()] == ["seen"]
    async with client.session.get(f"{client.url}/simulator/calls") as response:
        (call,) = await response.json()
    assert (call["operation"], call["iclass"], call["code"], call["wrote"]) == ("core/create", "Incident", 0, True)


async def test_passwords_are_not_in_what_can_be_seen(simulator, client):
    assert (await client("check_credentials", user="admin", password="admin"))["authorized"]
    async with client.session.get(f"{client.url}/simulator/calls") as response:
        shown = await response.text()
    assert "auth_pwd" not in shown
    assert "password" not in shown
    assert "password" not in repr(simulator.accounts["admin"])


async def test_the_page_shows_hostile_text_as_text(client):
    await client.create(title="<script>alert(1)</script>", public_log="<b>x</b>")
    async with client.session.get(f"{client.url}/") as response:
        page = await response.text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_leaving_ends_calls_that_are_kept_waiting(simulator):
    simulator.faults.add(Fault("late"))
    async with serve(simulator) as url, aiohttp.ClientSession() as session:
        form = {"auth_user": "admin", "auth_pwd": "admin", "version": "1.4", "json_data": "{}"}
        call = asyncio.create_task(session.post(f"{url}/webservices/rest.php", data=form))
        await until(lambda: simulator.calls)
    with pytest.raises(aiohttp.ClientError):
        await call


async def test_run_forever_serves_until_it_is_cancelled(simulator):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = asyncio.create_task(run_forever(simulator, "127.0.0.1", port))
    async with aiohttp.ClientSession() as session:
        for _ in range(1000):
            try:
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    assert response.status == 200
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
