import aiohttp
import pytest

from itop_bridge.console.console import ConsoleError, Status, serve_console


def status(*, ready):
    alarms = {} if ready else {"itop_unreachable": {"since": 1.0, "detail": "refused"}}
    now = Status(ready, "1", {"connected": True}, {"reachable": ready}, {"events": 1}, alarms, {"pending": 2}, {})

    async def fetch_status():
        return now

    return fetch_status


def all_move():
    return {}


async def metrics():
    return b"itop_bridge_ready 1.0\n"


async def fetch(port, path):
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.json()


async def test_a_ready_daemon_is_ready_and_healthy():
    async with serve_console("127.0.0.1", 0, status(ready=True), metrics, all_move) as port:
        assert await fetch(port, "/healthz") == (200, {"status": "ok"})
        code, told = await fetch(port, "/readyz")
        assert (code, told["ready"], told["alarms"], told["journal"]) == (200, True, {}, {"pending": 2})


async def test_a_degraded_daemon_is_healthy_and_says_what_ails_it():
    async with serve_console("127.0.0.1", 0, status(ready=False), metrics, all_move) as port:
        assert (await fetch(port, "/healthz"))[0] == 200
        code, told = await fetch(port, "/readyz")
        assert code == 503
        assert told["alarms"]["itop_unreachable"]["detail"] == "refused"


async def test_an_address_in_use_is_a_clear_error():
    async with serve_console("127.0.0.1", 0, status(ready=True), metrics, all_move) as port:
        with pytest.raises(ConsoleError, match=r"console\.listen"):
            async with serve_console("127.0.0.1", port, status(ready=True), metrics, all_move):
                pass


async def test_metrics_are_text_as_prometheus_wants_it():
    async with (
        serve_console("127.0.0.1", 0, status(ready=True), metrics, all_move) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await answer.text() == "itop_bridge_ready 1.0\n"


async def test_a_part_that_hangs_makes_it_unhealthy_and_is_named_with_how_long_it_did_not_move():
    stalled = {"delivery": 243.5}
    async with serve_console("127.0.0.1", 0, status(ready=False), metrics, lambda: stalled) as port:
        assert await fetch(port, "/healthz") == (503, {"status": "stalled", "stalled": {"delivery": 243.5}})
        stalled.clear()
        assert await fetch(port, "/healthz") == (200, {"status": "ok"})


async def test_its_front_names_the_addresses_and_no_other_is_there():
    async with (
        serve_console("127.0.0.1", 0, status(ready=True), metrics, all_move) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/") as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (200, "text/plain")
        for path in [line.split()[0] for line in text.splitlines()[1:]]:
            async with session.get(path) as answer:
                assert answer.status == 200
        async with session.get("/status") as answer:
            assert answer.status == 404
