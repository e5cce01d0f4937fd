import pytest

from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.opening import Opening, Shape, find_wrapped, not_an_object, open_hit
from itop_bridge.triage.source import compile_paths, match_kind


def opening(*, split=None, unwrap=(), drop=()):
    recognises = match_kind(compile_paths("a"), "present")
    return Opening(
        name="acme",
        recognised_by="a (present)",
        recognises=recognises,
        split=split,
        unwrap=unwrap,
        drop=drop,
        shapes=(Shape(recognises, 1, "a (present)"),),
    )


def test_an_element_comes_with_the_object_that_held_it():
    assert list(opening().open({"a": 1})) == [({"a": 1}, {})]
    wrapper = {"value": [{"a": 1}, {"a": 2}]}
    assert list(opening().open(wrapper)) == [({"a": 1}, wrapper), ({"a": 2}, wrapper)]


def test_members_of_a_formats_own_array_are_elements_whatever_they_look_like():
    (split,) = compile_paths("items")
    group = {"items": [{"a": 1}, {"b": 2}, 5]}
    one, other, none = opening(split=split).open(group)
    assert (one, other) == (({"a": 1}, group), ({"b": 2}, group))
    assert none == Rejected("not_an_object", "an element is a number, not an object")


def test_what_is_not_recognised_tells_what_would_be():
    (rejected,) = opening().open({"b": 1})
    assert rejected == Rejected("unrecognised_shape", "not acme, which is recognised by: a (present)")


def test_what_is_not_recognised_may_be_dropped():
    drop = (("not_an_alert", match_kind(compile_paths("b"), "present")),)
    assert list(opening(drop=drop).open([{"b": 1}, {"a": 1, "b": 1}])) == [
        Dropped("not_an_alert"),
        ({"a": 1, "b": 1}, {}),
    ]


def test_an_object_may_hold_the_element():
    envelope = {"object": {"a": 1}}
    assert list(opening(unwrap=compile_paths("object")).open(envelope)) == [({"a": 1}, envelope)]


@pytest.mark.parametrize("value", [[], {"alerts": []}])
def test_an_empty_batch_is_dropped(value):
    assert list(opening().open(value)) == [Dropped("empty_batch")]


@pytest.mark.parametrize(
    ("value", "word"),
    [([], "an array"), ("x", "text"), (True, "true or false"), (None, "null"), (5, "a number"), (1.5, "a number")],
)
def test_the_type_of_what_is_no_object_is_told(value, word):
    assert not_an_object(value).detail == f"an element is {word}, not an object"


@pytest.mark.parametrize(
    ("hit", "found"),
    [
        ({"_id": "1", "_source": {"a": 1}}, {"a": 1, "_id": "1"}),
        ({"_source": {"a": 1}}, {"a": 1}),
        ({"_id": "1", "_source": {}, "fields": {"a": [1]}}, {"a": [1], "_id": "1"}),
        ({"_id": "1", "fields": {"a": [1]}}, {"a": [1], "_id": "1"}),
        ({"fields": {"a": 1}}, {"fields": {"a": 1}}),
        ({"_source": 5}, {"_source": 5}),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_a_hit_is_what_was_found_with_its_id(hit, found):
    assert open_hit(hit) == found


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ({"alerts": [1]}, [1]),
        ({"value": [1]}, [1]),
        ({"results": [1]}, [1]),
        ({"hits": {"hits": [1]}}, [1]),
        ({"alerts": 5, "value": [1]}, [1]),
        ({"hits": [1]}, None),
        ({}, None),
    ],
)
def test_every_format_accepts_the_same_wrappers(value, members):
    assert find_wrapped(value) == members


def test_a_shape_asks_for_its_keys_first():
    shape = Shape(lambda _raw, _wrapper: True, 1, "a", frozenset("a"))
    assert shape.fits({"a": None}, {})
    assert not shape.fits({"b": 1}, {})
