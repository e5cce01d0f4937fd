import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.syntax.key_value import decode_key_value


def decode(text):
    """The lines; a broken one as its reason."""
    payload = text if isinstance(text, bytes) else text.encode()
    return [value.reason if isinstance(value, ElementError) else value for value in decode_key_value(payload)]


def decode_one(text):
    (value,) = decode(text)
    return value


def test_it_has_a_name_in_the_table():
    assert SYNTAXES["key_value"] is decode_key_value


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ('a="x y, z=1" b=2', {"a": "x y, z=1", "b": "2"}),
        (r'a="q \" and \\ and \n" b=2', {"a": r'q " and \ and \n', "b": "2"}),
        ("a=x=y b=2", {"a": "x=y", "b": "2"}),
        ("a=1 a=2", {"a": "1"}),
        ('a= b="" c=3', {"c": "3"}),
        ("a= a=2", {"a": "2"}),
        ("A.b-c_1=x 1a=2 _z=3", {"A.b-c_1": "x", "_z": "3"}),
        ("a=1,2 b=3", {"a": "1,2", "b": "3"}),
        ("a=1 junk b=2", {"a": "1", "b": "2"}),
        ('a="x"b=1 c=2', {"a": "x", "c": "2"}),
        ("a=0x92\tb=2", {"a": "0x92", "b": "2"}),
        ("a=1,b=two words,c=3", {"a": "1", "b": "two words", "c": "3"}),
        ('a="1", b=x y , c="p,q",d=4', {"a": "1", "b": "x y", "c": "p,q", "d": "4"}),
        ("a=1,", {"a": "1,"}),
        ("a=http://x/?q=1", {"a": "http://x/?q=1"}),
    ],
)
def test_a_line_is_its_pairs(line, pairs):
    assert decode_one(line) == pairs


@pytest.mark.parametrize(
    ("line", "pairs"),
    [('a=1 b="x y', {"a": "1", "b": "x y"}), ('a=1 b="', {"a": "1"}), ('a="x\\" y=2', {"a": 'x" y=2'})],
)
def test_a_quote_that_is_not_closed_runs_to_the_end_of_the_line_and_is_marked(line, pairs):
    first, second = decode(f"{line}\nz=1")
    assert first == {**pairs, "@repaired": {"quote": True}}
    assert second == {"z": "1"}


@pytest.mark.parametrize(
    ("prefix", "syslog"),
    [
        ("<189>", {}),
        ("<189>Jan 31 12:00:00 fw-1 ", {"time": "Jan 31 12:00:00", "host": "fw-1"}),
        ("<189>1 2026-01-31T12:00:00Z fw-1 - - - - ", {"time": "2026-01-31T12:00:00Z", "host": "fw-1"}),
        ("something else ", {}),
    ],
)
def test_a_header_may_stand_before_the_pairs(prefix, syslog):
    assert decode_one(f"{prefix}a=1 b=2") == {"a": "1", "b": "2", **({"@syslog": syslog} if syslog else {})}


def test_lines_stand_alone():
    assert decode("\na=1\r\n\nnothing here\nb=2\n") == [{"a": "1"}, "no_pairs", {"b": "2"}]


def test_the_line_of_what_is_broken_is_told():
    assert [value.detail for value in decode_key_value(b"a=1\n\nx") if isinstance(value, ElementError)] == [
        "line 3: no key=value"
    ]


def test_only_the_line_with_bytes_that_are_not_utf_8_is_marked():
    assert decode(b"a=1\nb=\xe9") == [{"a": "1"}, {"b": "�", "@repaired": {"encoding": True}}]


def test_nothing_is_an_empty_payload():
    assert decode(b"\0 \n") == ["empty_payload"]


# properties

PLAIN = st.characters(blacklist_categories=["Cs"], blacklist_characters="\n")
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]*", fullmatch=True)
VALUES = st.text(PLAIN, min_size=1)


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(KEYS, VALUES, min_size=1), st.sampled_from([" ", "\t", ",", ", "]))
def test_what_is_quoted_is_parsed_back(pairs, separator):
    assert decode_one(separator.join(f"{key}={quote(value)}" for key, value in pairs.items())) == pairs


@given(
    st.dictionaries(KEYS, st.text("abcXYZ019./:=_-", min_size=1), min_size=1), st.sampled_from([" ", "\t", ",", ", "])
)
def test_bare_values_are_parsed_back(pairs, separator):
    assert decode_one(separator.join(f"{key}={value}" for key, value in pairs.items())) == pairs


@given(st.binary())
def test_any_bytes_give_at_least_one_line_and_never_raise(payload):
    values = decode_key_value(payload)
    assert values
    assert all(isinstance(value, dict | ElementError) for value in values)


@pytest.mark.parametrize(
    "text",
    ["a" * 400_000, "a=" * 200_000, 'a="' * 100_000, 'a="' + "\\" * 400_000, "a=1" + ", " * 200_000, "," * 400_000],
)
def test_hostile_texts_take_linear_time(text):
    assert len(decode(text)) == 1  # what is not linear would take minutes
