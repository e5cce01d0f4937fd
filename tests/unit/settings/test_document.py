import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.document import join_path, parse_document


def parse(text):
    return parse_document(text.encode(), "x.yaml")


def problems_of(content):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(content.encode() if isinstance(content, str) else content, "x.yaml")
    return caught.value.problems


def test_every_value_has_its_place():
    document = parse("a: 1\nb:\n  - c: x\n    d: [1, 2]\n")
    assert document.data == {"a": 1, "b": [{"c": "x", "d": [1, 2]}]}
    assert document.locate("a") == "x.yaml:1:4"
    assert document.locate("a", key=True) == "x.yaml:1:1"
    assert document.locate("b[0].c") == "x.yaml:3:8"
    assert document.locate("b[0].d[1]") == "x.yaml:4:12"


def test_a_section_stands_where_its_key_stands():
    document = parse("a:\n  b:\n    c: 1\n")
    assert document.locate("a.b") == "x.yaml:2:3"


def test_what_is_not_there_stands_in_the_section_around_it():
    document = parse("a:\n  b: 1\n")
    assert document.locate("a.missing.deeper[3].x") == "x.yaml:1:1"
    assert document.locate("missing") == "x.yaml:1:1"


def test_a_path_is_dotted():
    assert join_path(("routes", 0, "group_by", 1)) == "routes[0].group_by[1]"


def test_an_empty_file_is_nothing():
    assert parse("# only a comment\n").data is None


def test_a_byte_order_mark_is_ignored():
    assert parse_document(b"\xef\xbb\xbfa: 1", "x.yaml").data == {"a": 1}


def test_a_key_twice_is_told_with_both_places():
    assert problems_of("a: 1\nb: 2\n'a': 3\n") == [
        "x.yaml:3:1: a: the key stands here twice: first in line 1, column 1"
    ]


def test_all_keys_that_stand_twice_are_told():
    assert [problem.split(": ")[0] for problem in problems_of("a: {x: 1, x: 2}\nb: 1\nb: 1\n")] == [
        "x.yaml:1:11",
        "x.yaml:3:1",
    ]


@pytest.mark.parametrize("key", ["on", "12", "[x]", "null"])
def test_a_key_must_be_text(key):
    (problem,) = problems_of(f"? {key}\n: 1\n")
    assert problem == "x.yaml:1:3: a key must be text: put it in quotes"


def test_a_syntax_error_is_told_with_its_place():
    (problem,) = problems_of("a: [1\nb: 2\n")
    assert problem.startswith("x.yaml:2:2: not valid YAML: expected ',' or ']'")


def test_a_second_document_is_refused():
    (problem,) = problems_of("a: 1\n---\nb: 2\n")
    assert problem.startswith("x.yaml:2:1: not valid YAML: ")


def test_bytes_that_are_not_utf8_are_told_with_their_line():
    assert problems_of(b"a: 1\nb: \xff\n") == ["x.yaml:2:1: the file is not text in UTF-8"]


def test_a_control_character_is_told_with_its_line():
    assert problems_of("a: 1\nb: \x01\n") == ["x.yaml:2:1: the file holds a control character"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [x]", "!mine {a: 1}", "!mine x"])
def test_a_tag_makes_no_objects(tag):
    (problem,) = problems_of(f"a: {tag}\n")
    assert problem.startswith("x.yaml:1:4: a: ")
    assert "tag" in problem


def test_an_impossible_date_is_told():
    (problem,) = problems_of("a: 2024-13-45\n")
    assert problem.startswith("x.yaml:1:4: a: ")


def test_aliases_and_merges_work():
    document = parse("base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nagain: *base\n")
    assert document.data["use"] == {"a": 1, "b": 3}
    assert document.data["again"] == {"a": 1, "b": 2}


def test_aliases_that_multiply_are_bounded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith("the file comes to more than 100000 values with its aliases")


def test_merges_that_multiply_are_bounded():
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 20)]
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith("the file comes to more than 100000 values with its aliases")


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {<<: *a}\n"])
def test_an_alias_to_itself_is_refused(text):
    assert problems_of(text)


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "x: &x {<<: *x}\ny: {<<: *x}\n"])
def test_endless_nesting_is_refused(text):
    assert problems_of(text) == ["x.yaml:1:1: the file is nested too deeply"]
