import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.syntax.leef import decode_leef

ONE = "LEEF:1.0|Example|Vault|9|Logon|"
TWO = "LEEF:2.0|Example|Vault|9|Logon|"
FIELDS = ("vendor", "product", "product_version", "event_id")


def decode(text):
    """The records; a broken one as its reason."""
    payload = text if isinstance(text, bytes) else text.encode()
    return [value.reason if isinstance(value, ElementError) else value for value in decode_leef(payload)]


def decode_one(text):
    (value,) = decode(text)
    return value


def test_it_has_a_name_in_the_table():
    assert SYNTAXES["leef"] is decode_leef


def test_a_record():
    assert decode_one(ONE + "src=192.0.2.1\tmsg=two words") == {
        "version": "1.0",
        "vendor": "Example",
        "product": "Vault",
        "product_version": "9",
        "event_id": "Logon",
        "extension": {"src": "192.0.2.1", "msg": "two words"},
    }


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        (ONE, {}),
        (ONE + "a=1\t b = x \tc=", {"a": "1", "b": "x"}),
        (ONE + "a=1\tno pair\tb=2", {"a": "1\tno pair", "b": "2"}),
        (ONE + "no pair\ta=1", {"a": "1"}),
        (ONE + "a=x\t=y\tb=2", {"a": "x\t=y", "b": "2"}),
        (ONE + "a=1\ta=2", {"a": "1"}),
        (ONE + "a=\ta=2", {"a": "2"}),
        (ONE + "a=b=c\td=1", {"a": "b=c", "d": "1"}),
        (ONE + "a=x\\=y\\\\z\\n\tb\\=c=1", {"a": "x=y\\z\\n", "b\\=c": "1"}),
        (ONE + 'a=""x""\tb="y"', {"a": '""x""', "b": '"y"'}),
        (ONE + "a=1 b=two words c=3", {"a": "1", "b": "two words", "c": "3"}),
        (ONE + "a=C:\\new\\=x b=1", {"a": "C:\\new=x", "b": "1"}),
        (ONE + "^|a=1\tb=2", {"^|a": "1", "b": "2"}),
        (TWO + "a=1\tb=2", {"a": "1", "b": "2"}),
        (TWO + "^|a=1^b=x y\tz^c=|", {"a": "1", "b": "x y\tz", "c": "|"}),
        (TWO + "^|a=1^^b=x^^y^ ^", {"a": "1", "b": "x^^y"}),
        (TWO + "|a=1\tb=2", {"a": "1", "b": "2"}),
        (TWO + " |a=1 b=2", {"a": "1", "b": "2"}),
        (TWO + "x7E|a=1~b=2", {"a": "1", "b": "2"}),
        (TWO + "0x7C|a=1|b=2", {"a": "1", "b": "2"}),
        (TWO + " X09 |a=1\tb=2", {"a": "1", "b": "2"}),
        (TWO + "x2265|a=1≥b=2", {"a": "1", "b": "2"}),
        (TWO + "xD800|a=1 b=2", {"a": "1", "b": "2"}),
        (TWO + "tab|a=1\tb=2", {"tab|a": "1", "b": "2"}),
    ],
)
def test_pairs_are_split_at_the_delimiter(text, extension):
    assert decode_one(text)["extension"] == extension


@pytest.mark.parametrize("text", ["LEEF:1.0|a|b|c", "LEEF:2.0|a|b|c|d", r"LEEF:1.0|a|b|c|d\|"])
def test_fewer_than_five_bars_are_incomplete(text):
    assert decode(text) == ["header_incomplete"]


@pytest.mark.parametrize("text", ["hello", "LEEF:|a|b|c|d|", "xLEEF:1.0|a|b|c|d|", "LEEF:1.0"])
def test_what_has_no_header_is_told_so(text):
    assert decode(text) == ["header_missing"]


def test_records_stand_alone():
    text = f"before\nLEEF:1.0|cut\n<13>Jan 31 12:00:00 mx-1 {ONE}a=1\tb=2\nmore\r\n{TWO}^|a=1"
    missing, cut, first, second = decode(text)
    assert (missing, cut) == ("header_missing", "header_incomplete")
    assert first["extension"] == {"a": "1", "b": "2\nmore"}
    assert first["@syslog"] == {"time": "Jan 31 12:00:00", "host": "mx-1"}
    assert (second["version"], second["extension"]) == ("2.0", {"a": "1"})


def test_only_the_record_with_bytes_that_are_not_utf_8_is_marked():
    good, bad = decode(ONE.encode() + b"\n" + ONE.encode() + b"a=\xe9\tb=1")
    assert "@repaired" not in good
    assert (bad["extension"], bad["@repaired"]) == ({"a": "�", "b": "1"}, {"encoding": True})


def test_nothing_is_an_empty_payload():
    assert decode(b"\0 \n") == ["empty_payload"]


# properties

PLAIN = st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\ufeff")
FIELD = st.text(PLAIN).map(str.strip)
KEYS = st.text("abcXYZ019_.-", min_size=1)
VALUES = st.text(PLAIN, min_size=1).map(str.strip).filter(bool)
DELIMITERS = st.one_of(
    st.sampled_from("\t^~;#"), PLAIN.filter(lambda char: char not in "\\=|" and not re.match(r"[\sA-Za-z0-9_.-]", char))
)


def escape_field(text):
    return text.replace("\\", "\\\\").replace("|", "\\|")


def escape_value(text):
    return text.replace("\\", "\\\\").replace("=", "\\=")


def write_delimiter(delimiter, style):
    code = f"{ord(delimiter):x}"
    return delimiter if style == "char" or len(code) > 4 else style + code


@given(
    st.lists(FIELD, min_size=4, max_size=4),
    st.dictionaries(KEYS, VALUES, min_size=2),
    DELIMITERS,
    st.sampled_from(["char", "x", "0x", "0X"]),
    st.booleans(),
)
def test_what_is_escaped_is_parsed_back(fields, extension, delimiter, style, is_first):
    delimiter = "\t" if is_first else delimiter
    extension = {
        key: stripped for key, value in extension.items() if (stripped := value.replace(delimiter, "").strip())
    }
    header = "|".join(["LEEF:1.0" if is_first else "LEEF:2.0", *map(escape_field, fields), ""])
    if not is_first:
        header += write_delimiter(delimiter, style) + "|"
    pairs = [f"{key}={escape_value(value)}" for key, value in extension.items()]
    record = decode_one(header + delimiter.join([*pairs, ""]))
    assert [record[name] for name in FIELDS] == fields
    assert record["extension"] == extension


@given(st.binary())
def test_any_bytes_give_at_least_one_record_and_never_raise(payload):
    for body in (payload, ONE.encode() + payload, TWO.encode() + payload):
        values = decode_leef(body)
        assert values
        assert all(isinstance(value, dict | ElementError) for value in values)


@pytest.mark.parametrize(
    "text",
    [
        "LEEF:1.0|" * 50_000,
        ONE + "a=\t" * 100_000,
        ONE + "x\t" * 200_000,
        ONE + "a=\t" + "\\" * 400_000,
        TWO + "^|" + "\\=^" * 100_000,
        TWO + "x" * 400_000,
    ],
)
def test_hostile_texts_take_linear_time(text):
    assert len(decode(text)) == 1  # what is not linear would take minutes
