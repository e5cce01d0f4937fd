import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.settings.document import parse_document
from itop_bridge.triage.section import Sections, below


@pytest.fixture
def sections():
    return Sections(parse_document(b"a:\n  b: 1\nc: [x]\n", "x.yaml"))


def test_problems_are_told_in_the_order_of_the_file_with_their_places(sections):
    sections.complain("c[0]", "later")
    sections.complain("a.b", "earlier")
    sections.complain("a.b", "of the key", key=True)
    assert sections.describe_problems() == [
        "x.yaml:2:3: a.b: of the key",
        "x.yaml:2:6: a.b: earlier",
        "x.yaml:3:5: c[0]: later",
    ]


def test_a_section_has_known_keys_and_all_that_it_needs(sections):
    assert sections.section({"b": 1}, "a", ("b",), ("b",)) == {"b": 1}
    assert sections.problems == []
    sections.section({"bees": 1}, "a", ("bee", "needed"), ("needed",))
    assert [text for _, text in sections.problems] == ["a.bees: unknown key; did you mean bee?", "a: needed is missing"]


@pytest.mark.parametrize("value", [None, 5, "text", ["x"]])
def test_what_is_no_section_is_told_and_is_an_empty_one(sections, value):
    assert sections.section(value, "a") == {}
    assert [text for _, text in sections.problems] == ["a: must be a section of keys and values"]


def test_what_is_no_list_is_told_and_nothing_is_an_empty_one(sections):
    assert (sections.items(["x"], "c"), sections.items(None, "c"), sections.problems) == (["x"], [], [])
    assert sections.items("x", "c") == []
    assert [text for _, text in sections.problems] == ["c: must be a list"]


def test_words_are_as_they_are_compared(sections):
    assert sections.words("High", "c") == {"high"}
    assert sections.words([1, True, None, "-"], "c") == {"1", "true", None}
    assert sections.problems == []
    sections.words([{"x": 1}], "c")
    assert [text for _, text in sections.problems] == ["c: must be a word, or a list of words"]


def test_what_cannot_be_compiled_is_told_and_has_a_stand_in(sections):
    def refuse(text):
        raise ExpressionError(f"{text} is wrong")

    assert sections.attempt("a", str.upper, "x", "?") == "X"
    assert sections.attempt("a", refuse, "x", "?") == "?"
    assert sections.attempt("a", str.upper, 5, "?") == "?"
    assert [text for _, text in sections.problems] == ["a: x is wrong", "a: must be text"]


def test_the_first_keys_have_no_path_before_them():
    assert (below("", "a"), below("a.b", "c")) == ("a", "a.b.c")
