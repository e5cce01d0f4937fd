from itop_bridge.settings.document import parse_document
from itop_bridge.triage.format import parse_format
from itop_bridge.triage.summary import tabulate_formats

LEAST = "product: P\nrecognised_by: {}\nfields: {title: t}\n"


def row(text, name="mine"):
    (*_, last) = tabulate_formats([parse_format(name, parse_document((LEAST + text).encode(), "mine.yaml"))])
    return last


def test_a_format_is_a_row_of_what_it_says():
    text = """\
about: Mine 2
syntax: cef
states: {path: s, resolved: [ok, closed]}
drop: [{reason: hidden, if: {a: b}}, {reason: paused, if: {a: c}}, {reason: hidden, if: {a: d}}]
group_by: [rule, "raw.x | upper"]
"""
    assert row(text) == "| `mine` | Mine 2 | `cef` | `closed`, `ok` | `hidden`, `paused` | `rule`, `raw.x \\| upper` |"


def test_what_a_format_does_not_say_is_empty():
    assert row("states: false\ngroup_by: [rule]\n") == "| `mine` | P | `json` | none: one-shot |  | `rule` |"


def test_all_words_that_resolve_are_told():
    states = "states: [{path: a, resolved: {not: [0, open]}}, {path: b, resolved: x}, {path: c, resolved: [x, y]}]"
    assert "| `x`, `y`, all but `0`, `open` |" in row(f"{states}\ngroup_by: [rule]\n")


def test_rows_are_in_the_order_of_their_names():
    text = (LEAST + "states: false\ngroup_by: [rule]\n").encode()
    formats = [parse_format(name, parse_document(text, f"{name}.yaml")) for name in ("b", "a")]
    head, line, *rows = tabulate_formats(formats)
    assert head.startswith("| format | for | syntax |")
    assert set(line) == set("| -")
    assert [each.split("`")[1] for each in rows] == ["a", "b"]
