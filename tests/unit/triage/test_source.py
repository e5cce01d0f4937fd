import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.triage.source import (
    all_match,
    any_match,
    compile_jinja,
    compile_paths,
    compile_pattern,
    compile_title,
    compile_when,
    in_each,
    match_branch,
    match_ends,
    match_kind,
    match_no_words,
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
    test = match_words if wanted else match_no_words
    assert test(compile_paths(path), frozenset(words))(RAW, WRAPPER) is holds


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


@pytest.mark.parametrize(
    ("path", "ends", "holds"),
    [("a.b", {"x"}, True), ("a.b, ^status", {"x", "ing"}, True), ("a.b", {"y", None}, False), ("no", {"x"}, False)],
)
def test_values_are_matched_by_their_ends(path, ends, holds):
    assert match_ends(compile_paths(path), frozenset(ends))(RAW, WRAPPER) is holds


def test_of_documents_with_dotted_keys_an_object_may_be_keys_that_begin_alike():
    document = {"a.b.c": 1, "d": {"e.f": {}}}
    assert [match_branch(path)(document, {}) for path in ("a.b", "d.e", "a, d", "a.b.c", "f")] == [True] * 3 + [
        False
    ] * 2
    assert compile_paths("a.b.c", dotted=True)[0](document, {}) == 1
    assert compile_title("{a.b.c}!", dotted=True)(document, {}) == "1!"
    assert compile_paths("^a.b.c", dotted=True)[0]({}, document) == 1


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("/x/workspaces/east/y", "east"),
        ("/WORKSPACES/west", "west"),
        (["-", "/workspaces/one", "/workspaces/two"], "one"),
        ("nothing of the kind", None),
        (None, None),
        ({"a": "/workspaces/x"}, None),
        ("x" * 10_000 + "/workspaces/far", None),
    ],
)
def test_a_part_may_be_cut_out_of_a_text(value, part):
    cut = compile_pattern("(?i)/workspaces/([^/]+)")
    assert cut(compile_paths("v")[0])({"v": value}, {}) == part


@pytest.mark.parametrize(
    ("text", "problem"), [("(", "is no regular expression"), ("a", "one group"), ("(a)(b)", "one")]
)
def test_a_pattern_has_one_group(text, problem):
    with pytest.raises(ExpressionError, match=problem):
        compile_pattern(text)


def test_one_of_several_must_hold():
    assert any_match([lambda raw, wrapper: False, lambda raw, wrapper: True])(RAW, WRAPPER)
    assert not any_match([lambda raw, wrapper: False])(RAW, WRAPPER)


@pytest.mark.parametrize(
    ("members", "values"),
    [
        ([{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "X", "w": 3}], [1, 3]),
        ([{"k": "x", "v": ["-"], "w": [4, 5]}, "text", None, [{"k": "x", "v": 6}]], [4, 5]),
        ({"k": "x", "v": 1}, [1]),
        ([{"k": "y", "v": 2}], None),
        ("text", None),
        (None, None),
    ],
)
def test_of_the_members_that_a_condition_holds_for_each_gives_what_it_has(members, values):
    source = in_each(compile_paths("m")[0], match_words(compile_paths("k"), frozenset(["x"])), compile_paths("v, w"))
    assert source({"m": members}, {}) == values


def test_in_a_member_a_caret_leads_to_the_element():
    source = in_each(compile_paths("m")[0], all_match([]), compile_paths("^top"))
    assert source({"m": [{}], "top": 1}, {"top": 2}) == [1]


def test_a_source_may_depend_on_a_condition():
    (source,) = compile_paths("n")
    assert only_if(lambda raw, wrapper: wrapper["status"] == "firing", source)(RAW, WRAPPER) == 0
    assert only_if(lambda raw, wrapper: False, source)(RAW, WRAPPER) is None
