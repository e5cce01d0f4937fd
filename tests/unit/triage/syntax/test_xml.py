from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.syntax.xml import decode_xml


def decode(payload):
    """The document; an error as its reason."""
    (value,) = decode_xml(payload)
    return value.reason if isinstance(value, ElementError) else value


def test_it_has_a_name_in_the_table():
    assert SYNTAXES["xml"] is decode_xml


@pytest.mark.parametrize(
    ("payload", "document"),
    [
        (b"<a/>", {"a": ""}),
        (b"<a> x </a>", {"a": "x"}),
        (b'<a id="1"> x </a>', {"a": {"@id": "1", "#text": "x"}}),
        (b"<a><b>1</b><c/><b>2</b><b k='v'/></a>", {"a": {"b": ["1", "2", {"@k": "v"}], "c": ""}}),
        (b"<a>one<b/>two</a>", {"a": {"b": "", "#text": "onetwo"}}),
        (b"<a>&lt;&amp;&#233;<![CDATA[<b>]]></a>", {"a": "<&\u00e9<b>"}),
        (b"<?xml version='1.0'?><!-- note --><a><?do it?><!-- x --></a>\n", {"a": ""}),
        (b"\xef\xbb\xbf<a/>", {"a": ""}),
        (b"\0\r\n <?xml version='1.0'?><a/>\0\0", {"a": ""}),
        ("<é:a>ü</é:a>".encode(), {"é:a": "ü"}),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xc3\xa9</a>", {"a": "\u00e9"}),
    ],
)
def test_elements_are_objects(payload, document):
    assert decode(payload) == document


@pytest.mark.parametrize("payload", [b"", b" \r\n\0", b"\xef\xbb\xbf \0"])
def test_nothing_is_an_empty_payload(payload):
    assert decode(payload) == "empty_payload"


@pytest.mark.parametrize(
    "payload", [b"<a>\xe9</a>", b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>", "<a/>".encode("utf-16")]
)
def test_what_is_not_utf8_is_an_invalid_encoding(payload):
    assert decode(payload) == "invalid_encoding"


@pytest.mark.parametrize(
    "payload",
    [
        b"text",
        b'{"a": 1}',
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a b=c/>",
        b"<a b='1' b='2'/>",
        b"<a>&nbsp;</a>",
        b"<a>\x01</a>",
        b"<!DOCTYPE a><a/>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    ],
)
def test_what_is_not_strict_xml_is_invalid(payload):
    assert decode(payload) == "invalid_xml"


def test_depth_is_limited():
    assert decode(b"<a>" * 1_024 + b"</a>" * 1_024) != "too_deep"
    assert decode(b"<a>" * 1_025 + b"</a>" * 1_025) == "too_deep"


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))


@given(_TEXT, _TEXT)
def test_what_is_escaped_comes_back(attribute, text):
    document = f"<a k={quoteattr(attribute)}>{escape(text)}</a>".encode()
    expected = {"@k": attribute, "#text": text.strip()} if text.strip() else {"@k": attribute}
    assert decode(document) == {"a": expected}


@given(st.binary(max_size=200))
def test_no_payload_raises(payload):
    assert decode_xml(payload)
