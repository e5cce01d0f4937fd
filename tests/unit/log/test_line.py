import io
import json
import re

import pytest

from itop_bridge.log import LAYOUTS, configure_log, escape_text, get_logger
from itop_bridge.log.line import make_renderer


def test_an_event_is_one_json_line_with_time_level_and_name_first(lines):
    get_logger(route="wazuh").info("incident.created", zzz=1, incident="I-000001", case="ab")
    (line,) = lines()
    assert list(line) == ["timestamp", "level", "event", "case", "incident", "route", "zzz"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    assert (line["level"], line["event"], line["zzz"]) == ("info", "incident.created", 1)


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
def test_hostile_text_is_escaped_for_people_too(hostile, terminal):
    configure_log("info", layout="console", stream=terminal)
    get_logger().info("incident.created", **{"title": hostile, "nested": [hostile], f"key{hostile}": 1})
    text = re.sub(r"\x1b\[\d+m(?=[a-z0-9 .:]|key)|\x1b\[0m", "", terminal.getvalue()[:-1])
    assert text.isprintable()


def test_colours_are_for_terminals_only(terminal):
    plain = io.StringIO()
    for stream in (plain, terminal):
        configure_log("info", layout="console", stream=stream)
        get_logger().info("incident.created", case="ab")
    assert "\x1b" not in plain.getvalue()
    assert "incident.created" in plain.getvalue()
    assert "case=ab" in plain.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_for_people_what_is_not_known_is_left_out():
    stream = io.StringIO()
    configure_log("info", layout="console", stream=stream)
    get_logger().info("incident.created", case="ab", incident=None)
    assert stream.getvalue().endswith("case=ab\n")


def test_printable_text_is_left_as_it_is():
    assert escape_text("é — ok") == "é — ok"
    assert escape_text("a\n\x1b\u2028") == r"a\n\x1b\u2028"


EVENT = {"timestamp": "2026-11-24T10:00:00.5Z", "level": "info", "event": "incident.created"}


def write(layout, **facts):
    return make_renderer(layout)(None, "info", {**EVENT, **facts})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\ud800", '" level=error x="'])
def test_hostile_text_stays_in_its_line_in_every_layout(layout, hostile):
    line = write(layout, title=hostile, nested={hostile: [hostile]}, **{f"key{hostile}": 1})
    assert line.isprintable()


def test_logfmt_quotes_what_is_no_plain_word():
    line = write("logfmt", case="ab", title='say "x" = y\n', count=3, empty="", none=None, many=["a b"], **{"a b=": 1})
    facts = line.removeprefix("timestamp=2026-11-24T10:00:00.5Z level=info event=incident.created ")
    assert facts == (r'case=ab title="say \"x\" = y\n" count=3 empty="" none=null many="[\"a b\"]" a_b_=1')


def test_ecs_has_the_names_of_the_schema_and_ours_below_itop_bridge():
    line = json.loads(write("ecs", case="ab", reason="fresh", outcome="x", duration_ms=12.5, reasons={"repeat": 2}))
    assert line == {
        "@timestamp": "2026-11-24T10:00:00.5Z",
        "log.level": "info",
        "message": "incident.created: fresh",
        "ecs.version": "8.11.0",
        "service.name": "itop-bridge",
        "event.dataset": "itop-bridge.log",
        "event.action": "incident.created",
        "event.duration": 12_500_000,
        "event.reason": "fresh",
        "itop_bridge.case": "ab",
        "itop_bridge.outcome": "x",
        "itop_bridge.reasons": {"repeat": 2},
    }


def test_ecs_tells_the_last_error_and_the_trace_of_all():
    failure = [{"type": "KeyError", "message": "k", "calls": ["a.py:1 f"]}, {"type": "X", "message": "m", "calls": []}]
    line = json.loads(write("ecs", failure=failure))
    assert (line["error.type"], line["error.message"]) == ("X", "m")
    assert line["error.stack_trace"] == "KeyError: k\na.py:1 f\nX: m"


def test_ecs_gives_the_detail_as_the_message_where_there_is_no_reason():
    line = json.loads(write("ecs", event="journal.paused", detail="disk full"))
    assert (line["message"], line["itop_bridge.detail"]) == ("journal.paused: disk full", "disk full")


def test_ecs_gives_the_words_of_a_library_as_the_message():
    line = json.loads(write("ecs", event="library.warned", logger="aiohttp", message="it broke"))
    assert (line["message"], line["log.logger"]) == ("it broke", "aiohttp")
    assert "itop_bridge.message" not in line


def test_a_layout_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        make_renderer("xml")
