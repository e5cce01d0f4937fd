import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_alternatives, compile_path, is_absent

ALERT = {
    "rule": {"id": "17", "groups": [{"name": "web"}, {"name": "sshd"}]},
    "data": {"srcuser": "-", "dstuser": "alice", "deep": {"er": {"still": {"here": 7}}}},
    "host.name": "dotted",
    "host": {"name": "nested"},
    "@timestamp": "now",
    "no": False,
    "zero": 0,
    "empty": [],
    "nothings": [None, "n/a"],
    "text": "abc",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text", "abc"),
        ("rule.id", "17"),
        ("rule.groups[1].name", "sshd"),
        ("data.deep.er.still.here", 7),
        ('"host.name"', "dotted"),
        ("host.name", "nested"),
        ("@timestamp", "now"),
        ("no", False),
        ("zero", 0),
        ("rule.groups[9].name", None),
        ("rule.id.more", None),
        ("text[0]", None),
        ("rule[0]", None),
        ("missing", None),
    ],
)
def test_a_path_leads_to_the_value_as_it_was_decoded(path, value):
    assert compile_path(path)(ALERT) == value


@pytest.mark.parametrize("root", [None, [], "text", 5, True])
@pytest.mark.parametrize("path", ["a", "a.b", "a.b.c", "a.b.c.d", "a[0]"])
def test_a_path_into_what_is_no_object_leads_nowhere(path, root):
    assert compile_path(path)(root) is None
    assert compile_path(path)({"a": root}) in (None, root)


@pytest.mark.parametrize(
    ("paths", "value"),
    [
        ("data.srcuser, data.dstuser", "alice"),
        ("missing,  data.dstuser , text", "alice"),
        ("empty, nothings, text", "abc"),
        ("zero, text", 0),
        ("missing, data.srcuser", None),
    ],
)
def test_the_first_alternative_that_is_not_absent_counts(paths, value):
    assert compile_path(paths)(ALERT) == value


def test_alternatives_leave_the_choice_to_the_caller():
    assert [get(ALERT) for get in compile_alternatives("data.srcuser, text")] == ["-", "abc"]


@pytest.mark.parametrize(
    "word", ["", " ", "-", "--", "None", "NULL", "(null)", "nil", "N/A", "undefined", " (No User) "]
)
def test_words_for_nothing_are_absent(word):
    assert is_absent(word)


@pytest.mark.parametrize("value", [0, False, {}, "0", "nothing", [0], ["", "x"], [[]]])
def test_what_is_falsy_is_not_absent(value):
    assert not is_absent(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a,",
        ",a",
        "a..b",
        ".a",
        "a.",
        "a b",
        "a[x]",
        "a[-1]",
        '"a',
        "a]b",
        'a"b"',
        "a|lower",
        "f(a)",
        "{{ a }}",
    ],
)
def test_what_is_no_path_is_refused_and_the_place_named(text):
    with pytest.raises(ExpressionError, match=r"is no path.*character"):
        compile_path(text)


def test_a_quote_in_a_quoted_key_is_escaped():
    assert compile_path(r'"say \"hi\""')({'say "hi"': 1}) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tags[]", ["x", "y"]),
        ("rows[].id", ["1", "2"]),
        ("rows[].list[].n", [1, 2, 3]),
        ("rows[].tags[]", ["a", "b"]),
        ("one[].id", ["9"]),
        ("rows[].nope", None),
        ("nope[].id", None),
        ("nope[].id, tags[]", ["x", "y"]),
    ],
)
def test_every_member_is_asked(path, value):
    document = {
        "tags": ["x", "y"],
        "rows": [{"id": "1", "list": [{"n": 1}, {"n": 2}], "tags": ["a", "b"]}, 5, {"id": "2", "list": [{"n": 3}]}],
        "one": {"id": "9"},
    }
    assert compile_path(path)(document) == value
