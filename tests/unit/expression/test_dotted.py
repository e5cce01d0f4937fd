import pytest

from itop_bridge.expression.dotted import compile_dotted, has_branch
from itop_bridge.expression.path import parse_paths


def get(path, document):
    (steps,) = parse_paths(path)
    return compile_dotted(steps)(document)


@pytest.mark.parametrize(
    "document",
    [
        {"a.b.c": 1},
        {"a": {"b": {"c": 1}}},
        {"a.b": {"c": 1}},
        {"a": {"b.c": 1}},
        {"a.x": 2, "a": {"y": 3, "b.x": 4, "b": {"c": 1}}},
        {"a.b": {"x": 2}, "a": {"b": {"c": 1}}},
        {"a": [{"b": [{"c": 1}]}]},
        {"a.b": ["text", {"c": 1}]},
        {"a.b.c": None, "a": {"b": {"c": 1}}},
    ],
)
def test_a_path_is_found_dotted_nested_or_mixed(document):
    assert get("a.b.c", document) == 1


def test_the_dotted_key_counts_before_nesting_and_that_before_a_mix():
    document = {"a.b.c": "dotted", "a": {"b": {"c": "nested"}, "b.c": "mixed"}}
    assert get("a.b.c", document) == "dotted"
    del document["a.b.c"]
    assert get("a.b.c", document) == "nested"
    del document["a"]["b"]
    assert get("a.b.c", document) == "mixed"


@pytest.mark.parametrize("document", [None, [], "a.b.c", 5, {}, {"a": 5}, {"a": {"b": "c"}}, {"a.b": None}, [["a"]]])
def test_what_is_not_there_is_none(document):
    assert get("a.b.c", document) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.list[1].b", "two"),
        ("a.list[9].b", None),
        ("a.list[].b", ["one", "two"]),
        ("a.list[].in.deep[].x", [1, 2, 3]),
        ("a.list[].nope", None),
        ("a.list[0]", {"b": "one", "in.deep": [{"x": 1}, {"x": 2}]}),
        ('"a.list"[1].b', "two"),
        ("plain[]", ["p"]),
    ],
)
def test_indexes_and_every_member(path, value):
    document = {
        "a.list": [{"b": "one", "in.deep": [{"x": 1}, {"x": 2}]}, {"b": "two", "in": {"deep": {"x": 3}}}],
        "plain": "p",
    }
    assert get(path, document) == value


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"k.alert.uuid": "1"}, True),
        ({"k": {"alert": {}}}, True),
        ({"k": {"alert.uuid": "1"}}, True),
        ({"k.alert": {}}, True),
        ({"k.alert": "text"}, False),
        ({"k.alerts.x": 1}, False),
        ({"k": {"alert": None}}, False),
        ({"k": 5}, False),
        (None, False),
    ],
)
def test_a_branch_is_an_object_or_keys_that_begin_with_its_path(document, found):
    assert has_branch(document, ("k", "alert")) is found
