import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.triage.source import (
    all_match,
    compile_jinja,
    compile_paths,
    compile_title,
    compile_when,
    match_kind,
    match_words,
    only_if,
)

RAW = {"a": {"b": "X"}, "n": 0, "yes": True, "list": ["-", "One"], "no": None}
WRAPPER = {"status": "firing", "a": {"b": "outer"}}


def get(path):
    return [source(RAW, WRAPPER) for source in compile_paths(path)]


def test_paths_lead_into_the_element_and_with_a_caret_into_what_held_it():
    assert get("a.b, ^a.b, ^status, nope, ^nope") == ["X", "outer", "firing", None, None]


def test_an_expression_sees_both():
    assert compile_jinja("raw.a.b ~ wrapper.status")(RAW, WRAPPER) == "Xfiring"


def test_an_expression_that_fails_on_a_payload_gives_nothing():
    assert compile_jinja("raw.a + 1")(RAW, WRAPPER) is None


def test_a_condition_that_fails_on_a_payload_does_not_hold():
    assert compile_when("raw.n == 0")(RAW, WRAPPER) is True
    assert compile_when("raw.a > 1")(RAW, WRAPPER) is False


@pytest.mark.parametrize("compile_it", [compile_jinja, compile_when])
def test_what_a_format_cannot_know_is_an_error_at_load(compile_it):
    with pytest.raises(ExpressionError, match="'alert' is not known here; there are raw, wrapper"):
        compile_it("alert.title")


@pytest.mark.parametrize(
    ("text", "title"),
    [("Rule {a.b}", "Rule X"), ("{a.b}/{n}!", "X/0!"), ("plain", "plain"), ("{nope} {a.b}", None), ("{a}", None)],
)
def test_a_title_is_filled_where_all_its_paths_are_there(text, title):
    assert compile_title(text)(RAW, WRAPPER) == title


@pytest.mark.parametrize(
    ("path", "words", "wanted", "holds"),
    [
        ("a.b", {"x"}, True, True),
        ("a.b", {"y"}, True, False),
        ("a.b", {"y"}, False, True),
        ("n", {"0"}, True, True),
        ("yes", {"true"}, True, True),
        ("list", {"one"}, True, True),
        ("no", {None}, True, True),
        ("no", {"x", None}, False, False),
        ("^status", {"firing"}, True, True),
        ("a.b, n", {"x", "0"}, True, True),
        ("a.b, n", {"x"}, True, False),
    ],
)
def test_values_are_matched_with_words(path, words, wanted, holds):
    assert match_words(compile_paths(path), frozenset(words), wanted=wanted)(RAW, WRAPPER) is holds


@pytest.mark.parametrize(
    ("path", "kind", "holds"),
    [
        ("a", "object", True),
        ("a", "array", False),
        ("list", "array", True),
        ("a.b", "text", True),
        ("n", "text", False),
        ("n", "present", True),
        ("no", "present", False),
    ],
)
def test_values_are_matched_with_kinds(path, kind, holds):
    assert match_kind(compile_paths(path), kind)(RAW, WRAPPER) is holds


def test_all_of_several_must_hold_and_none_always_does():
    assert all_match([])(RAW, WRAPPER)
    assert not all_match([lambda raw, wrapper: True, lambda raw, wrapper: False])(RAW, WRAPPER)


def test_a_source_may_depend_on_a_condition():
    (source,) = compile_paths("n")
    assert only_if(lambda raw, wrapper: wrapper["status"] == "firing", source)(RAW, WRAPPER) == 0
    assert only_if(lambda raw, wrapper: False, source)(RAW, WRAPPER) is None
