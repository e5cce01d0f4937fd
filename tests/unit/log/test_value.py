import json
import logging
from pathlib import Path

import pytest

from itop_bridge.errors import BridgeError
from itop_bridge.log import get_logger, hide_secret


@pytest.mark.parametrize(
    "key", ["password", "auth_pwd", "token", "Authorization", "api_key", "cookie", "client-secret"]
)
def test_values_of_secret_keys_are_masked_at_any_depth(lines, key):
    get_logger().info("incident.created", **{key: "hunter2", "nested": [{"deep": {key: "hunter2"}}]})
    assert "hunter2" not in json.dumps(lines())
    assert lines()[0][key] == "********"


def test_a_registered_secret_is_masked_wherever_it_stands(lines):
    hide_secret("hunter 2&")
    error = BridgeError("login with hunter 2& failed")
    url = "https://x/?p=hunter%202%26&q=hunter+2%26"
    get_logger().error("itop.unreachable", exc_info=error, url=url, body=b"hunter 2&")
    logging.getLogger("aiohttp").warning("hunter 2&")
    text = json.dumps(lines())
    assert "hunter" not in text
    assert len(lines()) == 2


def test_a_secret_of_a_few_characters_does_not_tear_the_log_apart(lines):
    hide_secret("a")
    get_logger().info("incident.created", case="abab")
    assert lines()[0]["case"] == "abab"


def test_values_are_bounded(lines):
    deep = []
    for _ in range(100):
        deep = [deep]
    get_logger().info(
        "incident.created", text="x" * 100_000, many=list(range(10_000)), deep=deep, raw=b"\xff" * 100_000
    )
    (line,) = lines()
    assert line["text"].endswith("… (98000 more characters)")
    assert len(line["many"]) == 50
    assert len(json.dumps(line)) < 20_000


def test_values_that_json_does_not_know_are_text(lines):
    get_logger().info("incident.created", path=Path("/x"), number=float("nan"), some={1}, pair=(1, None))
    assert {**lines()[0], "timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "incident.created",
        "path": "/x",
        "number": "nan",
        "some": [1],
        "pair": [1, None],
    }


@pytest.mark.parametrize("order", [("hunter", "hunter2-long"), ("hunter2-long", "hunter")])
def test_a_secret_that_begins_with_another_is_masked_whole(lines, order):
    for secret in order:
        hide_secret(secret)
    get_logger().info("incident.created", text="x hunter2-long x hunter")
    assert lines()[0]["text"] == "x ******** x ********"
