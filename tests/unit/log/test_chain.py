import io
import json
import logging

import pytest
import structlog
from breach import find_breaches

from itop_bridge.log import LAYOUTS, ContractError, chain, configure_log, get_logger, hide_secret


def test_facts_of_the_context_are_in_every_event(lines):
    with structlog.contextvars.bound_contextvars(alert_id="7:0"):
        get_logger().info("incident.created")
    assert lines()[0]["alert_id"] == "7:0"


def test_what_is_below_the_level_is_not_logged(lines):
    get_logger().debug("event.journaled")
    assert lines() == []


def test_json_is_chosen_where_the_output_is_no_terminal(terminal):
    for stream in (pipe := io.StringIO(), terminal):
        configure_log("info", stream=stream)
        get_logger().info("incident.created")
    assert pipe.getvalue().startswith("{")
    assert not terminal.getvalue().startswith("{")


def test_what_a_library_warns_of_is_one_event_of_ours(lines):
    logging.getLogger("asyncio").error("it %s", "broke", exc_info=ValueError("x"))
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("aiohttp.client").warning("odd")
    failed, warned = lines()
    assert (failed["event"], failed["logger"], failed["message"]) == ("library.failed", "asyncio", "it broke")
    assert failed["failure"][0]["type"] == "ValueError"
    assert (warned["event"], warned["logger"], warned["message"]) == ("library.warned", "aiohttp.client", "odd")
    assert find_breaches(lines()) == []


def test_a_file_is_written_besides_as_json(tmp_path, terminal):
    path = tmp_path / "x.log"
    configure_log("info", file=path, stream=terminal)
    get_logger().info("incident.created", case="ab")
    assert json.loads(path.read_text())["case"] == "ab"
    assert "incident.created" in terminal.getvalue()


def test_the_file_is_ecs_where_the_output_is(tmp_path):
    configure_log("info", layout="ecs", file=tmp_path / "x.log", stream=io.StringIO())
    get_logger().info("incident.created")
    assert json.loads((tmp_path / "x.log").read_text())["event.action"] == "incident.created"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("library", ["aiohttp.client", "aiomqtt", "mqtt", "paho", "asyncio"])
def test_what_a_library_logs_goes_through_the_same_chain(layout, library):
    stream = io.StringIO()
    hide_secret("hunter2")
    configure_log("info", layout=layout, stream=stream)
    logging.getLogger(library).warning("login of %s\nfailed", "hunter2")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert "********" in line
    assert "hunter2" not in line


def test_the_file_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "_FILE_BYTES", 1000)
    configure_log("info", file=tmp_path / "x.log", stream=io.StringIO())
    for _ in range(100):
        get_logger().info("incident.created", text="x" * 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", *(f"x.log.{number}" for number in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_configuring_again_replaces_and_closes_what_was_before(tmp_path):
    first, second = io.StringIO(), io.StringIO()
    configure_log("info", file=tmp_path / "x.log", stream=first)
    configure_log("error", stream=second)
    get_logger().info("incident.created")
    get_logger().error("daemon.failed")
    assert first.getvalue() == ""
    assert (tmp_path / "x.log").read_text() == ""
    assert json.loads(second.getvalue())["event"] == "daemon.failed"


BREACHES = [
    ("info", "journal.resumd", {}, "journal.resumd"),
    ("error", "journal.resumed", {}, "the catalogue says info, not error"),
    ("info", "journal.resumed", {"color": 1}, "the catalogue does not have color"),
    ("info", "console.started", {}, "address is missing"),
    ("info", "alarm.cleared", {"alarm": "itop_unreachable"}, "lasted_s is missing"),
    ("warning", "alarm.raised", {"alarm": "itop_unreachabel"}, "itop_unreachabel"),
    ("warning", "alarm.raised", {"alarm": "itop_unreachable"}, "reason is missing"),
]


@pytest.mark.parametrize(("level", "event", "facts", "told"), BREACHES)
def test_an_event_that_is_not_as_the_catalogue_says_fails_a_test(level, event, facts, told):
    configure_log("info", stream=io.StringIO(), strict=True)
    with pytest.raises(ContractError, match=told):
        getattr(get_logger(), level)(event, **facts)


@pytest.mark.parametrize(("level", "event", "facts", "told"), BREACHES)
def test_an_event_that_is_not_as_the_catalogue_says_passes_in_production(level, event, facts, told):
    stream = io.StringIO()
    configure_log("info", stream=stream)
    getattr(get_logger(), level)(event, **facts)
    assert json.loads(stream.getvalue())["event"] == event


def test_what_is_as_the_catalogue_says_passes_a_test():
    stream = io.StringIO()
    configure_log("info", stream=stream, strict=True)
    get_logger(command="x", user="y").info("command.started")
    with structlog.contextvars.bound_contextvars(count=2):
        get_logger().warning("itop.read_failed", reason="no_reply", detail="")
    try:
        {}["missing"]
    except KeyError:
        get_logger().exception("control.failed", operation="pause")
    assert len(stream.getvalue().splitlines()) == 3
