import ast
import io
import json
import logging
import re
from pathlib import Path

import pytest
import structlog

import itop_bridge
from itop_bridge import log as log_module
from itop_bridge.bundled import bundled_folder
from itop_bridge.errors import BridgeError
from itop_bridge.log import (
    EVENTS,
    KEYS,
    Alarms,
    UnknownEventError,
    chain_of,
    configure_log,
    escape_text,
    get_logger,
    hide_secret,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(log_module, "_hidden", set())
    root, ours = logging.getLogger(), logging.getLogger("itop_bridge")
    levels = root.level, ours.level
    yield
    log_module._replace_handlers([])
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines():
    """The JSON lines that were logged so far, decoded."""
    stream = io.StringIO()
    configure_log("info", stream=stream, strict=True)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_time_level_and_name_first(lines):
    get_logger(route="wazuh").info("incident.created", zzz=1, incident="I-000001", case="ab")
    (line,) = lines()
    assert list(line) == ["timestamp", "level", "event", "case", "incident", "route", "zzz"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    assert (line["level"], line["event"], line["zzz"]) == ("info", "incident.created", 1)


def test_facts_of_the_context_are_in_every_event(lines):
    with structlog.contextvars.bound_contextvars(alert_id="7:0"):
        get_logger().info("incident.created")
    assert lines()[0]["alert_id"] == "7:0"


def test_what_is_below_the_level_is_not_logged(lines):
    get_logger().debug("event.journaled")
    assert lines() == []


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\rb", "\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\x00", "\ud800", "\x85"]
)
def test_hostile_text_stays_on_its_line_and_is_not_lost(hostile):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    configure_log("info", layout="json", stream=stream)
    get_logger().info("incident.created", title=hostile, nested={hostile: [hostile]})
    stream.flush()
    text = stream.buffer.getvalue().decode()
    assert text.count("\n") == 1
    assert not set(text[:-1]) & set("\n\r\x1b\x9b\u2028\u202e\x00\x85")
    assert json.loads(text)["title"] == hostile
    assert json.loads(text)["nested"] == {hostile: [hostile]}


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\ud800"])
def test_hostile_text_is_escaped_for_people_too(hostile):
    stream = Terminal()
    configure_log("info", layout="console", stream=stream)
    get_logger().info("incident.created", **{"title": hostile, "nested": [hostile], f"key{hostile}": 1})
    text = re.sub(r"\x1b\[\d+m(?=[a-z0-9 .:]|key)|\x1b\[0m", "", stream.getvalue()[:-1])
    assert text.isprintable()


def test_colours_are_for_terminals_only():
    plain, coloured = io.StringIO(), Terminal()
    for stream in (plain, coloured):
        configure_log("info", layout="console", stream=stream)
        get_logger().info("incident.created", case="ab")
    assert "\x1b" not in plain.getvalue()
    assert "incident.created" in plain.getvalue()
    assert "case=ab" in plain.getvalue()
    assert "\x1b[" in coloured.getvalue()


@pytest.mark.parametrize(("stream", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_json_is_chosen_where_the_output_is_no_terminal(stream, is_json):
    configure_log("info", stream=stream)
    get_logger().info("incident.created")
    assert stream.getvalue().startswith("{") is is_json


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


def test_an_error_is_one_field_with_its_causes_oldest_first(lines):
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise BridgeError("the look-up failed\nbadly") from error
    except BridgeError:
        get_logger().exception("factory.failed")
    first, last = lines()[0]["failure"]
    assert (first["type"], last["type"]) == ("KeyError", "BridgeError")
    assert last["message"] == "the look-up failed\nbadly"
    assert last["calls"][-1].startswith("test_log.py:")


def test_an_error_may_be_handed_in(lines):
    get_logger().error("factory.failed", exc_info=ValueError("x"))
    assert lines()[0]["failure"] == [{"type": "ValueError", "message": "x", "calls": []}]


def test_what_a_library_warns_of_is_one_event_of_ours(lines):
    logging.getLogger("asyncio").error("it %s", "broke", exc_info=ValueError("x"))
    logging.getLogger("asyncio").info("chatter")
    (line,) = lines()
    assert (line["event"], line["logger"], line["message"]) == ("library.warned", "asyncio", "it broke")
    assert line["failure"][0]["type"] == "ValueError"
    assert line["level"] == "error"


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


def test_a_file_is_written_besides_as_json(tmp_path):
    stream, path = Terminal(), tmp_path / "x.log"
    configure_log("info", file=path, stream=stream)
    get_logger().info("incident.created", case="ab")
    assert json.loads(path.read_text())["case"] == "ab"
    assert "incident.created" in stream.getvalue()


def test_the_file_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "_FILE_BYTES", 1000)
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


def test_an_event_that_is_not_in_the_catalogue_fails_a_test(lines):
    with pytest.raises(UnknownEventError, match=r"incident\.creatd"):
        get_logger().info("incident.creatd")


def test_an_event_that_is_not_in_the_catalogue_passes_in_production():
    stream = io.StringIO()
    configure_log("info", stream=stream)
    get_logger().info("incident.creatd")
    assert json.loads(stream.getvalue())["event"] == "incident.creatd"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_named_noun_and_participle_and_told_in_a_sentence(name):
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)
    assert EVENTS[name].endswith(".")


def test_the_catalogue_is_in_order_and_the_keys_are_distinct():
    assert list(EVENTS) == sorted(EVENTS)
    assert len(set(KEYS)) == len(KEYS)


def logged_names(source):
    """The event names, as far as they are literals, that a module logs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            target = node.func.value
            logger = getattr(target, "id", getattr(target, "attr", ""))
            if logger in ("log", "_log") and node.func.attr in ("debug", "info", "warning", "error", "exception"):
                choices = (
                    [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
                )
                yield from (choice.value for choice in choices if isinstance(choice, ast.Constant))


def test_every_event_that_the_code_logs_is_in_the_catalogue():
    package = Path(itop_bridge.__file__).parent
    modules = [*package.rglob("*.py"), *bundled_folder("factories").rglob("*.py")]
    names = {name: path.name for path in modules for name in logged_names(path.read_text(encoding="utf-8"))}
    assert {name: module for name, module in names.items() if name not in EVENTS} == {}
    assert "alarm.raised" in names


def test_a_chain_of_causes_ends():
    one, other = ValueError("1"), ValueError("2")
    one.__cause__, other.__cause__ = other, one
    assert chain_of(one) == [other, one]


def test_a_suppressed_context_is_no_cause():
    inner, outer = ValueError("inner"), BridgeError("outer")
    outer.__context__ = inner
    assert chain_of(outer) == [inner, outer]
    outer.__suppress_context__ = True  # what `raise … from None` does
    assert chain_of(outer) == [outer]


def test_printable_text_is_left_as_it_is():
    assert escape_text("é — ok") == "é — ok"
    assert escape_text("a\n\x1b\u2028") == r"a\n\x1b\u2028"


class TestAlarms:
    def test_an_alarm_is_logged_once_when_it_begins_and_once_when_it_ends(self, lines):
        now = [100.0]
        alarms = Alarms(clock=lambda: now[0])
        assert alarms.raise_("itop_unreachable", "refused", address="https://x")
        now[0] = 160.0
        assert not alarms.raise_("itop_unreachable", "timeout")
        assert alarms.clear("itop_unreachable")
        assert not alarms.clear("itop_unreachable")
        raised, cleared = lines()
        assert (raised["event"], raised["level"], raised["alarm"]) == ("alarm.raised", "warning", "itop_unreachable")
        assert (raised["detail"], raised["address"]) == ("refused", "https://x")
        assert (cleared["event"], cleared["lasted_s"]) == ("alarm.cleared", 60.0)

    def test_what_holds_is_shown_with_its_beginning_and_latest_detail(self, lines):
        now = [100.0]
        alarms = Alarms(clock=lambda: now[0])
        alarms.raise_("journal_full", "disk full", reason="x")
        now[0] = 200.0
        alarms.raise_("journal_full", "still full")
        alarms.raise_("itop_unreachable")
        assert list(alarms.active) == ["journal_full", "itop_unreachable"]
        alarm = alarms.active["journal_full"]
        assert (alarm.since, alarm.detail, dict(alarm.facts)) == (100.0, "still full", {})
        alarms.clear("journal_full")
        assert list(alarms.active) == ["itop_unreachable"]

    def test_a_clock_that_goes_back_gives_no_negative_time(self, lines):
        now = [100.0]
        alarms = Alarms(clock=lambda: now[0])
        alarms.raise_("itop_unreachable")
        now[0] = 50.0
        alarms.clear("itop_unreachable")
        assert lines()[-1]["lasted_s"] == 0.0
