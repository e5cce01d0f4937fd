import base64
import json

import aiohttp
import pytest

from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.recording import describe_request, describe_response
from itop_bridge.simulator.server import serve

GET = {"operation": "core/get", "class": "Incident", "key": 1}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("query", "form", "authorization", "auth", "user"),
    [
        ({}, {"auth_user": "u", "auth_pwd": "S3cret"}, "", "form", "u"),
        ({}, {}, basic("u:S3cret"), "basic", "u"),
        ({"auth_user": "u", "auth_pwd": "S3cret"}, {}, "", "url", "u"),
        ({}, {"auth_token": "S3cret"}, "", "none", ""),
        ({}, {}, "Bearer S3cret", "bearer", ""),
        ({}, {}, "Basic %%S3cret", "basic", ""),
        ({}, {"json_data": '{"operation": "core/check_credentials", "password": "S3cret"}'}, "", "none", ""),
        ({}, {"json_data": '{"password": "S3cret"'}, "", "none", ""),
    ],
)
def test_the_login_is_told_and_the_password_left_out(query, form, authorization, auth, user):
    shown = describe_request("POST", "/webservices/rest.php", query, form, authorization)
    assert (shown["auth"], shown["user"]) == (auth, user)
    assert "S3cret" not in json.dumps(shown)


def test_json_is_shown_as_what_it_holds_and_anything_else_as_text():
    shown = describe_request("POST", "/x", {"version": "1.3"}, {"json_data": json.dumps(GET)})
    assert shown["form"] == {"json_data": GET}
    assert describe_request("POST", "/x", {}, {"json_data": "{"})["form"] == {"json_data": "{"}
    headers = {"Content-Type": "application/json", "Set-Cookie": "session"}
    assert describe_response(200, headers, b'{"code": 0}') == {
        "status": 200,
        "headers": {"Content-Type": "application/json"},
        "body": {"code": 0},
    }
    assert describe_response(500, {}, b"<p>\xff</p>")["body"] == "<p>\\xff</p>"


async def test_a_server_records_every_exchange_also_one_without_an_answer(simulator, client):
    exchanges = []
    async with serve(simulator, record=exchanges.append) as client.url:
        await client.create()
        simulator.faults.add(Fault("refuse"))
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.create()
    first, second = exchanges
    assert first["request"]["form"]["auth_pwd"] == "***"
    assert first["response"]["body"]["objects"]["Incident::1"]["message"] == "created"
    assert second["response"] is None
