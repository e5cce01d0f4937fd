import json

import pytest

from itop_bridge.simulator.rest import HttpRequest, answer_call

LOGIN = {"auth_user": "admin", "auth_pwd": "admin"}
UNKNOWN = '{"operation": "core/foo"}'


@pytest.mark.parametrize(
    ("form", "code", "message"),
    [
        ({}, 1, "Error: Invalid login"),
        (LOGIN, 2, "Error: Missing parameter 'version' (e.g. '1.0')"),
        (LOGIN | {"version": "9"}, 3, "Error: Missing parameter 'json_data'"),
        (LOGIN | {"version": "9", "json_data": "{"}, 4, "Error: Parameter json_data is not a valid JSON structure"),
        (LOGIN | {"version": "9", "json_data": "{}"}, 10, "Error: There is no service available for version '9'"),
        (LOGIN | {"version": "1.4", "json_data": "{}"}, 100, "Error: Missing parameter 'operation'"),
        (LOGIN | {"version": "1.4", "json_data": UNKNOWN}, 11, "Error: Unknown verb 'core/foo' in version '1.4'"),
    ],
)
async def test_checks_come_in_itops_order(simulator, form, code, message):
    answer = await answer_call(simulator, HttpRequest(query={}, form=form))
    assert answer.status == 200
    assert json.loads(answer.body) == {"code": code, "message": message}
    assert simulator.calls[0].code == code


@pytest.mark.parametrize("text", ["null", "[]", "0", '""', "NaN", '"\\ud83d"', "[" * 600 + "]" * 600, "a\udcffb"])
async def test_what_php_takes_for_nothing_is_no_structure(simulator, text):
    form = {**LOGIN, "version": "1.4", "json_data": text}
    assert json.loads((await answer_call(simulator, HttpRequest(query={}, form=form))).body)["code"] == 4


async def test_credentials_in_the_address_are_refused(simulator):
    query = {**LOGIN, "version": "1.4", "json_data": UNKNOWN}
    assert json.loads((await answer_call(simulator, HttpRequest(query=query, form={}))).body)["code"] == 1
