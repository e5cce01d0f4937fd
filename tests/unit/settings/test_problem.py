from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field, Strict, ValidationError

from itop_bridge.settings.problem import Problem, describe_errors
from itop_bridge.settings.section import Section, Slug, Text


class Inner(Section):
    model_config = ConfigDict(strict=False)

    text: Text = "x"
    name: Slug = "x"
    count: Annotated[int, Strict(), Field(ge=1, le=5)] = 1
    choice: Literal["debug", "warning"] = "debug"
    items: tuple[str, ...] = ("x",)
    aliased: int = Field(default=1, alias="json")


class Outer(Section):
    needed: Text
    """What it is."""
    inner: Inner | None = None
    listed: tuple[Inner, ...] = ()


def problems(data):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    return describe_errors(caught.value, Outer)


def test_an_unknown_key_has_the_nearest_known_one_of_its_section():
    assert problems({"needed": "x", "listed": [{}, {"tekst": 1}]}) == [
        Problem("listed[1].tekst", "unknown key; did you mean text?", at_key=True)
    ]


def test_an_unknown_key_like_no_other_lists_the_known_ones():
    assert problems({"needed": "x", "inner": {"zzz": 1}})[0].text == (
        "unknown key; known here: choice, count, items, json, name, text"
    )


def test_a_key_is_known_by_its_name_in_the_file():
    assert problems({"needed": "x", "inner": {"jsn": 1}})[0].text == "unknown key; did you mean json?"


def test_a_missing_key_tells_what_it_is():
    assert problems({}) == [Problem("needed", "missing: What it is.")]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("text", 1.4, "must be text, not the number 1.4: put it in quotes"),
        ("text", False, "must be text, not false (which is how YAML reads yes, no, on and off): put it in quotes"),
        ("text", date(2024, 1, 2), "must be text, not a date: put it in quotes"),
        ("text", None, "must be text, not empty"),
        ("text", ["hunter2"], "must be text, not a list: put it in quotes"),
        ("text", "", "must not be empty"),
        ("text", "hunter2\n", "must be one line without control characters"),
        ("name", "Hunter2", "must be small letters, digits, - and _ (at most 63), with a letter or digit first"),
        ("count", "hunter2", "must be a whole number, not text"),
        ("count", 1.5, "must be a whole number, not the number 1.5"),
        ("count", 0, "must be 1 or more, not 0"),
        ("count", 6, "must be 5 or less, not 6"),
        ("choice", "warn", "must be one of debug, warning; did you mean warning?"),
        ("choice", "hunter2", "must be one of debug, warning"),
        ("choice", True, "must be one of debug, warning, not true (which is how YAML reads yes, no, on and off)"),
        ("items", "hunter2", "must be a list, not text"),
    ],
)
def test_a_wrong_value_is_told_without_repeating_text(key, value, text):
    assert problems({"needed": "x", "inner": {key: value}}) == [Problem(f"inner.{key}", text)]


def test_a_section_that_is_none_is_told():
    assert problems({"needed": "x", "inner": "hunter2"})[0].text == ("must be a section of keys and values, not text")
    assert problems([])[0] == Problem("", "must be a section of keys and values, not a list")
