"""Text in queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.itop import oql

_UNWRITABLE = "".join(chr(code) for code in [*range(9), 11, 12, *range(14, 32), 127])
_writable = st.text(st.characters(exclude_characters=_UNWRITABLE, exclude_categories=["Cs"]))


def _read_literal(query):
    """iTop's rule: up to the next quote that no backslash precedes; returns the text and what follows the literal."""
    assert query[0] == "'"
    text, at = "", 1
    while query[at] != "'":
        if query[at] == "\\":
            at += 1
            assert query[at] in "\\'\"", "a lexer error in iTop"
        text += query[at]
        at += 1
    return text, query[at + 1 :]


@given(_writable, _writable)
def test_a_literal_gives_the_text_back_and_nothing_leaks_behind_it(text, rest):
    assert _read_literal(oql.quote(text) + rest) == (text, rest)


@given(_writable.filter(lambda text: text and "%" not in text and "_" not in text))
def test_a_pattern_finds_the_text_itself(text):
    head, literal = oql.contains("public_log", text).split(" LIKE ", 1)
    assert head == "public_log"
    assert _read_literal(literal) == (f"%{text}%", "")
    assert _read_literal(oql.starts_with("title", text).split(" LIKE ", 1)[1]) == (f"{text}%", "")
    assert oql.lacks("public_log", text) == f"public_log NOT LIKE {literal}"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("it's", r"'it\'s'"),
        ("' OR 1=1", r"'\' OR 1=1'"),
        ("C:\\", r"'C:\\'"),
        ("\\'", r"'\\\''"),
        ("line1\nline2\tTab", "'line1\nline2\tTab'"),
        ("🔥 ünï", "'🔥 ünï'"),
        (":foo", "':foo'"),
    ],
)
def test_hostile_texts_stay_in_their_literal(text, literal):
    assert oql.quote(text) == literal


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\x7f", "\ud800"])
def test_control_characters_are_refused(text):
    with pytest.raises(ValueError, match="control"):
        oql.quote(text)


@pytest.mark.parametrize("pattern", [oql.contains, oql.lacks, oql.starts_with])
@pytest.mark.parametrize("text", ["100%", "a_b", ""])
def test_wildcards_and_nothing_are_refused_in_patterns(pattern, text):
    with pytest.raises(ValueError, match=r"wildcards|empty"):
        pattern("title", text)


@pytest.mark.parametrize("name", ["", "a b", "title=1 OR id", "é", "1x", "org_id->code"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="no name"):
        oql.equals(name, "x")
    with pytest.raises(ValueError, match="no name"):
        oql.one_of(name, ["x"])
    with pytest.raises(ValueError, match="no name"):
        oql.select(name, "id = 1")


def test_conditions_are_put_together_as_they_were_recorded():
    # transcripts 506 and 510-519
    key = oql.all_of(["id = 1", oql.equals("last_update", "2026-11-24 10:43:50")])
    assert oql.select("Incident", key) == "SELECT Incident WHERE id = 1 AND last_update = '2026-11-24 10:43:50'"


def test_alternatives_keep_together_inside_a_conjunction():
    either = oql.any_of([oql.all_of(["org_id = 1", "id = 2"]), "id = 3"])
    assert oql.all_of(["id != 4", either]) == "id != 4 AND ((org_id = 1 AND id = 2) OR (id = 3))"
    assert oql.any_of(["id = 1"]) == "id = 1"


def test_one_of_many_texts_is_a_list_of_literals():
    # transcript 224
    assert oql.one_of("status", ["new", "it's"]) == "status IN ('new', 'it\\'s')"


def test_objects_by_id():
    assert oql.ids("Incident", [3, 1]) == "SELECT Incident WHERE id IN (3,1)"


@pytest.mark.parametrize(
    "nothing",
    [
        lambda: oql.ids("Incident", []),
        lambda: oql.all_of([]),
        lambda: oql.any_of([]),
        lambda: oql.one_of("name", []),
    ],
)
def test_no_condition_is_never_every_object(nothing):
    with pytest.raises(ValueError, match="no "):
        nothing()
