import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.triage.value import (
    hash_content,
    read_host,
    read_id,
    read_line,
    read_link,
    read_scalar,
    read_text,
    read_title,
    read_word,
    shorten,
)


@pytest.mark.parametrize(
    "value", [None, "", " \n", "-", "N/A", "(null)", [], [None, "none"], {}, {"a": 1}, True, False, "\0\0", [["a"]]]
)
def test_absent_values_and_other_types_are_no_text(value):
    assert read_scalar(value) is None
    assert read_line(value) is None
    assert read_title(value) is None
    assert read_text(value) is None
    assert read_id(value) == (None, ())


@pytest.mark.parametrize(
    ("value", "text"), [(" a ", "a"), (5, "5"), (0, "0"), (1.5, "1.5"), ([None, "-", "b", "c"], "b"), ([7], "7")]
)
def test_numbers_are_their_digits_and_an_array_its_first_member(value, text):
    assert read_scalar(value) == text


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("<violet>", "<violet>"),
        ("{{ 7*7 }} $token$ \\n", "{{ 7*7 }} $token$ \\n"),
        ("ad\0m\x1bin", "admin"),
        ("a\r\n  b\tc", "a b c"),
        ("\x07none", None),
        ("日本 \u3000 x", "日本 x"),
    ],
)
def test_a_line_has_no_breaks_and_no_control_characters(value, line):
    assert read_line(value) == line


def test_a_text_keeps_its_line_breaks():
    assert read_text(" a\r\nb\x00\x1b[31m\tc\n") == "a\nb[31m\tc"
    assert len(read_text("x" * 1_000_000)) == 30_000


@pytest.mark.parametrize(
    ("value", "title"), [("a\x00\r\n\tb", "a b"), ("x" * 300, "x" * 255), ("x" * 254 + " y", "x" * 254), ("\x01", None)]
)
def test_a_title_is_one_line_of_at_most_255_characters(value, title):
    assert read_title(value) == title


@pytest.mark.parametrize(
    ("value", "identity", "notes"),
    [
        ("1588002171.9681338", "1588002171.9681338", ()),
        (18446744073709551615, "18446744073709551615", ()),
        (1588002171.9681338, None, ("id_not_exact",)),
        (1e20, None, ("id_not_exact",)),
        (True, None, ()),
        (" a\x00b ", "ab", ()),
    ],
)
def test_a_float_is_never_an_id(value, identity, notes):
    assert read_id(value) == (identity, notes)


def test_long_ids_stay_different():
    one, other = (read_id("x" * 5000 + end)[0] for end in "ab")
    assert len(one) == len(other) == 1000
    assert one != other


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("web-1", "web-1"),
        ("web-1:9100", "web-1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("::1", "::1"),
        ("[2001:db8::7]:9100", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("https://user:pw@web-1.example:8443/path?q", "web-1.example"),
        ("http://[2001:db8::7]:80/", "2001:db8::7"),
        ("http:///x", None),
        ("web-1:", "web-1:"),
        ("a:b", "a:b"),
    ],
)
def test_a_host_has_no_port_and_a_url_gives_its_host(value, host):
    assert read_host(value) == host


@pytest.mark.parametrize(
    "value", ["https://a.example", "http://a:9093/x?y=%20#z", "HTTPS://[2001:db8::7]:1/", "http://192.0.2.1/a'b\"<c>"]
)
def test_absolute_links_are_links(value):
    assert read_link(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example/",
        "//a.example",
        "/metrics",
        "?orgId=1",
        "http://:9093",
        "http://",
        "https://good.example@evil.example/",
        "https://a.example/ b",
        "https://a.ex\x04ample/",
        "https://a.example/\u202egpj.exe",
        "https://a.example\nhttps://b",
        "https://a.example/" + "x" * 3000,
        5,
    ],
)
def test_what_is_not_to_be_clicked_on_is_no_link(value):
    assert read_link(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [(True, "true"), (False, "false"), (0, "0"), (" Alert ", "alert"), (None, None), ("-", None), ({}, "{}")],
)
def test_words_are_compared_without_case(value, word):
    assert read_word(value) == word


def test_a_shortened_text_ends_with_its_hash():
    assert shorten("short", 10) == "short"
    assert len(shorten("x" * 99, 50)) == 50
    assert shorten("x" * 99, 50) != shorten("x" * 98, 50)


def test_the_hash_of_content_does_not_depend_on_the_order_of_keys():
    assert hash_content({"a": 1, "b": [2]}) == hash_content({"b": [2], "a": 1})
    assert hash_content({"a": 1}) != hash_content({"a": 2})
    assert len(hash_content({})) == 16


def test_content_of_any_depth_has_a_hash():
    deep = 1
    for _ in range(1023):
        deep = {"a": deep}
    assert len(hash_content(deep)) == 16


@given(st.text())
def test_no_control_character_comes_through(text):
    for read in (read_line, read_title, read_host):
        line = read(text)
        assert line is None or (
            line == line.strip() and not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in line)
        )
