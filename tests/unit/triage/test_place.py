import pytest

from itop_bridge.settings.document import Document
from itop_bridge.triage.place import Places

RAW = {"a": "Hello", "n": 5, "o": {"b": "x"}, "list": [{"k": "host", "v": "h1"}, {"k": "ip", "v": "192.0.2.1"}]}
WRAPPER = {"a": "outer"}


def places(*, dotted=False):
    made = Places(Document("x.yaml"))
    made.dotted = dotted
    return made


def first(value):
    """What the first source that gives anything gives."""
    made = places()
    sources = made.sources(value, "fields.x")
    assert made.problems == []
    return next((found for source in sources if (found := source(RAW, WRAPPER)) is not None), None)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a", "Hello"),
        ("zz, a", "Hello"),
        ("^a", "outer"),
        (["zz", "o.b"], "x"),
        ({"path": "a", "if": {"n": 5}}, "Hello"),
        ({"path": "a", "if": {"n": 6}}, None),
        ({"path": "a", "if": [{"n": 6}, {"o.b": "x"}]}, "Hello"),
        ({"path": "a", "pattern": "l(.)$"}, "o"),
        ({"text": "{o.b}-{zz, n}"}, "x-5"),
        ({"text": "{zz}"}, None),
        ({"jinja": "raw.n + 1"}, 6),
        ({"of": "list", "path": "v", "if": {"k": "ip"}}, ["192.0.2.1"]),
        ([{"path": "zz", "if": {}}, {"path": "n", "if": {}}], 5),
    ],
)
def test_a_fact_lies_where_it_is_said_to(value, found):
    assert first(value) == found


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ({"a": "hello"}, True),
        ({"a": ["x", "HELLO"]}, True),
        ({"a": {"not": "x"}}, True),
        ({"a": {"not": ["x", "hello"]}}, False),
        ({"zz": None}, True),
        ({"zz": {"not": None}}, False),
        ({"a": {"ends_with": "LLO"}}, True),
        ({"a": {"contains": ["ell"]}}, True),
        ({"a": {"contains": "zz"}}, False),
        ({"zz": {"contains": "none"}}, False),
        ({"a": {"not": {"contains": "zz"}}}, True),
        ({"a": "hello", "n": 6}, False),
        ([{"n": 6}, {"a": "hello"}], True),
        ({}, True),
    ],
)
def test_a_condition_holds_if_all_its_parts_do(value, holds):
    made = places()
    assert made.match(value, "if")(RAW, WRAPPER) is holds
    assert made.problems == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"path": "a"}, "x: if is missing"),
        ({"path": "a..b", "if": {}}, "x.path: 'a..b' is no path"),
        ({"path": "a", "pattern": "x"}, "x.pattern: 'x' must have one group"),
        ({"path": "a", "if": {"b": {}}}, "x.if.b: must have one of not, ends_with, contains"),
        ({"path": "a", "if": {"b": {"not": 1, "contains": 2}}}, "x.if.b: must have one of"),
        ({"path": "a", "if": {"b": {"nott": 1}}}, "x.if.b.nott: unknown key; did you mean not?"),
        ({"text": 5}, "x.text: must be text"),
        (5, "x: must be text"),
    ],
)
def test_what_is_no_place_is_told(value, problem):
    made = places()
    made.sources(value, "x")
    assert any(text.startswith(problem) for _, text in made.problems)


@pytest.mark.parametrize(
    ("kind", "holds"), [("object", [False, True]), ("present", [True, True]), ("absent", [False, False])]
)
def test_kinds_are_of_what_lies_there(kind, holds):
    made = places()
    assert [made.kind(place, kind, "x")(RAW, WRAPPER) for place in ("a", "o")] == holds


def test_the_keys_that_something_needs_are_known_where_they_are_plain():
    assert places().keys_of(["a.b", "c", "^d", "e, f", '"g.h".i']) == {"a", "c", "g.h"}
    assert places(dotted=True).keys_of(["a.b"]) == frozenset()
