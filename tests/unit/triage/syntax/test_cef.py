import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.syntax.cef import decode_cef

HEAD = "CEF:0|Example|Shield|4|100|Scan|5|"
FIELDS = ("vendor", "product", "product_version", "signature_id", "name", "severity")


def decode(text):
    """The records; a broken one as its reason."""
    payload = text if isinstance(text, bytes) else text.encode()
    return [value.reason if isinstance(value, ElementError) else value for value in decode_cef(payload)]


def decode_one(text):
    (value,) = decode(text)
    return value


def pairs(text):
    return decode_one(HEAD + text)["extension"]


def test_it_has_a_name_in_the_table():
    assert SYNTAXES["cef"] is decode_cef


def test_a_record():
    assert decode_one(HEAD + "src=192.0.2.1 msg=two words") == {
        "version": "0",
        "vendor": "Example",
        "product": "Shield",
        "product_version": "4",
        "signature_id": "100",
        "name": "Scan",
        "severity": "5",
        "extension": {"src": "192.0.2.1", "msg": "two words"},
    }


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (r"CEF:0|a\|b|c\\d|1|x\y|n|3|", [r"a|b", "c\\d", "1", r"x\y", "n", "3"]),
        ("CEF:1| a |b\n|<Agent version>| 7 |a\nb|High|", ["a", "b", "<Agent version>", "7", "a\nb", "High"]),
        ("CEF:0|a||||n||", ["a", "", "", "", "n", ""]),
        ("CEF:0|a|b|1|7|n|5|x|y=z", ["a", "b", "1", "7", "n", "5"]),
    ],
)
def test_the_header_is_unescaped_and_trimmed(header, fields):
    record = decode_one(header)
    assert [record[name] for name in FIELDS] == fields


@pytest.mark.parametrize("text", ["CEF:0|", "CEF:0|a|b|1|7|n|5", r"CEF:0|a|b|1|7|n|5\|", r"CEF:0|a|b|1|7|n\|5|"])
def test_fewer_than_seven_fields_are_incomplete(text):
    assert decode(text) == ["header_incomplete"]


@pytest.mark.parametrize("text", ["hello", "{}", "CEF:x|", "CEF:|a", "xCEF:0|a|b|1|7|n|5|", "cef:0|a|b|1|7|n|5|"])
def test_what_has_no_header_is_told_so(text):
    assert decode(text) == ["header_missing"]


def test_a_stray_bar_before_the_vendor_is_repaired():
    record = decode_one("CEF:0||Example|Shield|4|100|Scan| Very-High |src=192.0.2.1")
    assert [record[name] for name in FIELDS] == ["Example", "Shield", "4", "100", "Scan", "Very-High"]
    assert (record["extension"], record["@repaired"]) == ({"src": "192.0.2.1"}, {"header": True})


@pytest.mark.parametrize("rest", ["src=1", "3 src=1", "Severe|src=1", "|src=1"])
def test_an_empty_vendor_alone_is_no_stray_bar(rest):
    record = decode_one(f"CEF:0||Shield|4|100|Scan|5|{rest}")
    assert (record["vendor"], record["product"]) == ("", "Shield")
    assert "@repaired" not in record


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        ("", {}),
        ("no pairs at all", {}),
        ("text before a=1", {"a": "1"}),
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ("a= 12  b=x y  z\tc=|", {"a": "12", "b": "x y  z", "c": "|"}),
        ("a=1\nb=two\nlines c=3", {"a": "1", "b": "two\nlines", "c": "3"}),
        ("a= b=1 c=", {"b": "1"}),
        ("a=1 a=2", {"a": "1"}),
        ("a= a=2", {"a": "2"}),
        ('a="x y" b="" c="', {"a": "x y", "b": "", "c": '"'}),
        (r"a=x\=y b=p\\q c=\|", {"a": "x=y", "b": r"p\q", "c": "|"}),
        (r"a=l1\nl2\r b=\"q\" c=C:\temp", {"a": "l1\nl2\r", "b": r"\"q\"", "c": r"C:\temp"}),
        (r"a=CN\=R80,O\=x b=1", {"a": "CN=R80,O=x", "b": "1"}),
        ("a.b-c_d[0]=1 é=2", {"a.b-c_d[0]": "1 é=2"}),
        ("a=http://x/?q=1&r=2", {"a": "http://x/?q=1&r=2"}),
        ("a=['x', None]", {"a": "['x', None]"}),
    ],
)
def test_a_value_runs_to_the_next_key(text, extension):
    assert pairs(text) == extension


def test_custom_fields_have_the_names_of_their_labels():
    record = decode_one(HEAD + "cs1=one cs1Label=Rule Name cs2Label=Empty cn1Label=Count cn1=3 cs3=x cs3Label=Count")
    assert record["custom"] == {"Rule Name": "one", "Count": "3"}


def test_records_stand_alone():
    text = f"before\nCEF:0|cut\n<134>Jan 31 12:00:00 fw-1 {HEAD}msg=a\nb\r\n\n{HEAD}"
    missing, cut, first, second = decode(text)
    assert (missing, cut) == ("header_missing", "header_incomplete")
    assert (first["extension"], first["@syslog"]) == ({"msg": "a\nb"}, {"time": "Jan 31 12:00:00", "host": "fw-1"})
    assert second["extension"] == {}


def test_the_line_of_what_is_broken_is_told():
    errors = [value for value in decode_cef(f"x\n{HEAD}\n\nCEF:0|".encode()) if isinstance(value, ElementError)]
    assert [error.detail.partition(":")[0] for error in errors] == ["line 1", "line 4"]


def test_a_record_in_quotes_loses_both():
    assert decode_one(f'"{HEAD}msg=a b"')["extension"] == {"msg": "a b"}
    assert decode_one(f'{HEAD}msg=a b"')["extension"] == {"msg": 'a b"'}


def test_only_the_record_with_bytes_that_are_not_utf_8_is_marked():
    good, bad = decode(HEAD.encode() + b"\n" + HEAD.encode() + b"msg=caf\xe9")
    assert "@repaired" not in good
    assert (bad["extension"], bad["@repaired"]) == ({"msg": "caf�"}, {"encoding": True})


def test_nothing_is_an_empty_payload():
    assert decode(b" \n\0") == ["empty_payload"]


# properties

FIELD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r\0\x1c\x1d\x1e\x85\u2028\u2029"))
KEYS = st.text("abcXYZ019_.-[]", min_size=1)
VALUES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(
    lambda text: text == text.strip() and not re.search(r"[\0\ufeff]", text) and text[0] != '"'
)


def escape_field(text):
    return text.replace("\\", "\\\\").replace("|", "\\|")


def escape_value(text):
    return text.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r")


@given(st.lists(FIELD.map(str.strip), min_size=6, max_size=6), st.dictionaries(KEYS, VALUES))
def test_what_is_escaped_is_parsed_back(fields, extension):
    header = "|".join(["CEF:0", *map(escape_field, fields), ""])
    text = header + " ".join(f"{key}={escape_value(value)}" for key, value in extension.items())
    record = decode_one(text)
    if "@repaired" not in record:  # an empty vendor and a severity behind the header: the same text means both
        assert [record[name] for name in FIELDS] == fields
        assert record["extension"] == extension


@given(st.binary())
def test_any_bytes_give_at_least_one_record_and_never_raise(payload):
    for body in (payload, HEAD.encode() + payload):
        values = decode_cef(body)
        assert values
        assert all(isinstance(value, dict | ElementError) for value in values)


@pytest.mark.parametrize(
    "text",
    [
        "CEF:0|" * 50_000,
        ("x" * 100 + "CEF:0|") * 5_000,
        "CEF:0|" + "\\" * 400_000,
        HEAD + "a" * 400_000,
        HEAD + "a= " * 100_000,
        HEAD + "\\=" * 200_000,
        ("CEF:0|\n") * 50_000,
    ],
)
def test_hostile_texts_take_linear_time(text):
    assert len(decode(text)) <= 50_000  # what is not linear would take minutes
