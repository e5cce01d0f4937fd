import re

import pytest

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.text import add_marks, decode_text, find_records, parse_syslog, split_header

START = re.compile(r"REC:\d\|")


@pytest.mark.parametrize(
    ("payload", "text", "repaired"),
    [
        (b"a b", "a b", False),
        (b"\xef\xbb\xbf \r\n\0a\0\r\n", "a", False),
        ("é".encode(), "é", False),
        (b"\xe9t\xe9", "�t�", True),
    ],
)
def test_bytes_that_are_not_utf_8_are_replaced_and_told(payload, text, repaired):
    assert decode_text(payload) == (text, repaired)


@pytest.mark.parametrize("payload", [b"", b" \r\n\0", b"\xef\xbb\xbf"])
def test_nothing_is_an_empty_payload(payload):
    with pytest.raises(ElementError, match="empty_payload"):
        decode_text(payload)


@pytest.mark.parametrize(
    ("prefix", "time", "host"),
    [
        ("<134>Jan 31 12:00:00 fw-1 ", "Jan 31 12:00:00", "fw-1"),
        ("Jan  2 12:00:00 192.0.2.1 app[12]: ", "Jan  2 12:00:00", "192.0.2.1"),
        ("Jan 31 12:00:00 2001:db8::1 ", "Jan 31 12:00:00", "2001:db8::1"),
        ("Jan 31 12:00:00 app: ", "Jan 31 12:00:00", None),
        ("Jan 31 12:00:00 ", "Jan 31 12:00:00", None),
        ("<13>1 2026-01-31T12:00:00.5Z edge-1 - - - - ", "2026-01-31T12:00:00.5Z", "edge-1"),
        ("<13>1 - - app 12 id [a b=c] ", None, None),
        ("2026-01-31T12:00:00Z fw-1 ", None, None),
        ("Foo 31 12:00:00 fw-1 ", None, None),
        ("anything at all: ", None, None),
        ("", None, None),
    ],
)
def test_only_the_time_and_the_host_of_a_syslog_header_are_read(prefix, time, host):
    assert parse_syslog(prefix) == {key: value for key, value in (("time", time), ("host", host)) if value}


def test_what_there_is_not_is_not_marked():
    assert add_marks({"a": 1}, {}, {"header": False}) == {"a": 1}
    assert add_marks({}, {"host": "h"}, {"header": True, "quote": False}) == {
        "@syslog": {"host": "h"},
        "@repaired": {"header": True},
    }


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("REC:1|a", [(1, "", "REC:1|a")]),
        ("REC:1|a\nREC:2|b\r\nREC:3|c", [(1, "", "REC:1|a"), (2, "", "REC:2|b"), (3, "", "REC:3|c")]),
        ("REC:1|a\n\nmore\nREC:2|b", [(1, "", "REC:1|a\n\nmore"), (4, "", "REC:2|b")]),
        ("header: REC:1|a", [(1, "header: ", "REC:1|a")]),
        ("header:REC:1|a\nx\ty\tREC:2|b", [(1, "header:", "REC:1|a"), (2, "x\ty\t", "REC:2|b")]),
        ('"REC:1|a"\n"REC:2|b"', [(1, '"', 'REC:1|a"'), (2, '"', 'REC:2|b"')]),
        ("junk\nREC:1|a", [(1, "junk\n", ""), (2, "", "REC:1|a")]),
        ("junk", [(1, "junk", "")]),
        ("REC:1|a REC:2|b", [(1, "", "REC:1|a REC:2|b")]),
        ("xREC:1|a", [(1, "xREC:1|a", "")]),
        ('x"REC:1|a', [(1, 'x"REC:1|a', "")]),
        ("xREC:1| REC:2|b", [(1, "xREC:1| ", "REC:2|b")]),
    ],
)
def test_a_record_begins_where_its_mark_stands_first_in_a_line_or_after_a_header(text, records):
    assert find_records(text, START) == records


@pytest.mark.parametrize(
    ("record", "split"),
    [
        ("a|b|c", (["a", "b"], "c")),
        ("a | \n b |", (["a", "b"], "")),
        ("||", (["", ""], "")),
        (r"a\|b|c\\|d|e", ([r"a|b", "c\\"], "d|e")),
        (r"a\x|b|c", ([r"a\x", "b"], "c")),
        (r"a|b\|c", None),
        ("a|b", None),
        ("", None),
        ("a|b\\", None),
    ],
)
def test_fields_end_at_bars_without_a_backslash(record, split):
    assert split_header(record, 2) == split
