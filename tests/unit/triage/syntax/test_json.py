import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax import SYNTAXES, decode_json


def decode(payload):
    """The values; an error as its reason."""
    return [value.reason if isinstance(value, ElementError) else value for value in decode_json(payload)]


def test_it_has_a_name_in_the_table():
    assert SYNTAXES["json"] is decode_json


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b"[1, 2]", [[1, 2]]),
        (b"5", [5]),
        (b"\xef\xbb\xbf{}", [{}]),
        (b" \r\n\x00{}\x00 \n", [{}]),
        (b"\n\xef\xbb\xbf \x00{}", [{}]),
        (b'{"a": 1, "a": 2, "A": 3}', [{"a": 2, "A": 3}]),
        (b'{"n": 99999999999999999999}', [{"n": 1e20}]),
    ],
)
def test_one_value(payload, values):
    assert decode(payload) == values


@pytest.mark.parametrize("payload", [b"", b" \r\n\t", b"\0\0", b"\xef\xbb\xbf", b"\xef\xbb\xbf \0"])
def test_nothing_is_an_empty_payload(payload):
    assert decode(payload) == ["empty_payload"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": 1',
        b"NaN",
        b"[NaN]",
        b"[1e400]",
        b"[Infinity]",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1 /* comment */}',
        b'"\\ud800"',
        b"text",
        b"1 2",
        b'"a" "b"',
        b'{"a": "\x01"}',
    ],
)
def test_what_is_not_strict_json_is_invalid(payload):
    assert decode(payload) == ["invalid_json"]


@pytest.mark.parametrize(
    "payload", [b'{"a": "\xff"}', b'"\xed\xa0\x80"', "{'é'}".encode("latin-1"), '{"a":1}'.encode("utf-16")]
)
def test_what_is_not_utf_8_is_told_apart(payload):
    assert decode(payload) == ["invalid_encoding"]


def test_depth_is_bounded_at_1024_levels():
    assert isinstance(decode(b"[" * 1024 + b"]" * 1024)[0], list)
    assert decode(b"[" * 1025 + b"]" * 1025) == ["too_deep"]
    assert decode(b'{"a":' * 2000 + b"1" + b"}" * 2000) == ["too_deep"]
    assert decode(b"[" * 1_000_000) == ["too_deep"]


def test_an_error_tells_the_place_and_nothing_of_the_payload():
    (error,) = decode_json(b'{"password": secret}')
    assert "column" in error.detail
    assert "secret" not in error.detail


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        (b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a":1}\r\n\r\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
        (b'{"a":1}\n{"a":\n{"a":3}', [{"a": 1}, "invalid_json", {"a": 3}]),
        (b'{"a"\n{"a":2}\n{"a":3}', ["invalid_json", {"a": 2}, {"a": 3}]),
        (b'{"a":1}\n{"a":"\xff"}\n{"a":3}', [{"a": 1}, "invalid_encoding", {"a": 3}]),
        (b'{"a":1}\n' + b"[" * 1025 + b"]" * 1025 + b'\n{"a":3}', [{"a": 1}, "too_deep", {"a": 3}]),
        (b'{"a":1}\n17\n[2]', [{"a": 1}, 17, [2]]),
    ],
)
def test_a_bad_line_of_ndjson_is_one_error_and_the_others_go_on(payload, values):
    assert decode(payload) == values


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        (b'{"a":1}{"a":2} [3]', [{"a": 1}, {"a": 2}, [3]]),
        (b'{\n "a": 1\n}\n{\n "a": "}{"\n}\n', [{"a": 1}, {"a": "}{"}]),
        (b'{\n "a": "\\""\n}\n\x00{\n "b": {}\n}', [{"a": '"'}, {"b": {}}]),
        (b'{\n "a": 1\n}\n{\n "a": 2\n', [{"a": 1}, "invalid_json"]),
        (b'{\n "a": 1\n}\n{\n "a": }\n}\n{\n "a": 3\n}', [{"a": 1}, "invalid_json"]),
        (b'{\n "a": 1\n}\ntrailing {}', [{"a": 1}, "invalid_json"]),
        (b'[\n{"a":1},\n{"a":2}\n', ["invalid_json"]),
    ],
)
def test_otherwise_what_follows_a_syntax_error_is_one_error(payload, values):
    assert decode(payload) == values


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"1", b"\n", b"{}"])).map(b"".join)
)
def test_any_bytes_give_at_least_one_value_or_error(payload):
    assert len(decode_json(payload)) >= 1
