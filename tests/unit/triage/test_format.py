import time
from zoneinfo import ZoneInfo

import pytest

from itop_bridge.alert import Alert, Event, Severity
from itop_bridge.bundled import bundled_folder
from itop_bridge.errors import ConfigurationError
from itop_bridge.outcome import Dropped
from itop_bridge.triage.format import find_formats, load_format, load_formats

LEAST = "product: P\nrecognised_by: {}\nfields: {title: t}\nstates: false\ngroup_by: [rule]\n"


def load(tmp_path, text, name="mine.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_format(path)


def problems_of(tmp_path, text, name="mine.yaml"):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, name)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def read_one(format_, payload):
    event = Event(1, b"t", payload, time.time())
    (element,) = format_.read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM)
    return element


def test_a_format_is_named_by_its_file(tmp_path):
    format_ = load(tmp_path, LEAST)
    assert format_.name == "mine"
    assert read_one(format_, b'{"t": "x"}').format == "mine"


def test_the_bundled_formats_load():
    names = set(load_formats([bundled_folder("config") / "formats"]))
    assert names >= {"wazuh", "suricata", "alertmanager", "generic"}


def test_a_later_folder_overrides_by_name(tmp_path):
    formats = load_formats([bundled_folder("config") / "formats", tmp_path])
    assert formats["generic"].product == "Generic"
    (tmp_path / "generic.yaml").write_text(LEAST)
    (tmp_path / "notes.txt").write_text("not a format")
    formats = load_formats([bundled_folder("config") / "formats", tmp_path])
    assert formats["generic"].product == "P"
    assert formats["wazuh"].product == "Wazuh"


def test_the_problems_of_all_files_come_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text("product: [")
    (tmp_path / "b.yaml").write_text(LEAST + "syntax: yaml\n")
    with pytest.raises(ConfigurationError) as caught:
        load_formats([tmp_path])
    assert [problem.split(":")[0] for problem in caught.value.problems] == [f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"]


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"gone\.yaml:1:1: cannot be read: No such file"):
        load_format(tmp_path / "gone.yaml")


def test_every_problem_of_a_file_is_told_at_once_with_its_place(tmp_path):
    text = """\
product: P
recognised_by: {rule: objet}
fields:
  titel: t
  host: a..b
  user: [{jinja: "alert.x"}, {path: x}]
severity:
  - {path: s, words: standard, scale: {low: 1}}
  - {path: s, scale: {hihg: 1, low: x}}
drop:
  - {reason: Not This, when: "1 +"}
  - {reason: nothing}
states: {path: s}
group_by: [rule, hots]
colour: red
"""
    problems = problems_of(tmp_path, text)
    expected = [
        ("2:", "recognised_by.rule", "'objet' is no kind; did you mean object?"),
        ("4:", "fields.titel", "unknown key; did you mean title?"),
        ("5:", "fields.host", "is no path"),
        ("6:", "fields.user[0].jinja", "'alert' is not known here; there are raw, wrapper"),
        ("6:", "fields.user[1]", "if is missing"),
        ("8:", "severity[0]", "either words or scale"),
        ("9:", "severity[1].scale", "'x' is no range; write 3, 0-6 or 15+"),
        ("9:", "severity[1].scale.hihg", "unknown key; did you mean high?"),
        ("11:", "drop[0].reason", "must be a word"),
        ("11:", "drop[0].when", "unexpected"),
        ("12:", "drop[1]", "if or when is missing"),
        ("13:", "states", "resolved is missing"),
        ("14:", "group_by[1]", "'hots' is no field of an alert; did you mean host?"),
        ("15:", "colour", "unknown key"),
    ]
    assert len(problems) == len(expected)
    for problem, (line, path, text_) in zip(problems, expected, strict=True):
        assert problem.startswith(f"mine.yaml:{line}"), problem
        assert f": {path}: " in problem
        assert text_ in problem


@pytest.mark.parametrize("text", ["", "5", "[]", "product: P"])
def test_what_is_no_format_is_told_so(tmp_path, text):
    assert problems_of(tmp_path, text)


def test_a_files_name_must_be_one_that_a_route_can_name(tmp_path):
    assert "must be small letters" in problems_of(tmp_path, LEAST, "My Format.yaml")[0]


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("fields: {title: 5}", "fields.title: must be text"),
        ("fields: {title: [a, 5]}", "fields.title[1]: must be text"),
        ("fields: []", "fields: must be a section"),
        ("group_by: []", "group_by: must have at least one entry"),
        ("group_by: rule", "group_by: must be a list"),
        ("states: yes", "states: must be a section"),
    ],
)
def test_values_of_the_wrong_type_are_told(tmp_path, field, problem):
    key = field.split(":")[0]
    lines = [line for line in LEAST.splitlines() if not line.startswith(key)]
    assert any(problem in each for each in problems_of(tmp_path, "\n".join([*lines, field])))


def test_a_fact_may_depend_on_another_or_be_worked_out(tmp_path):
    format_ = load(
        tmp_path,
        LEAST.replace("{title: t}", "{title: t, host: [{path: a, if: {kind: [x, 7]}}, {jinja: \"'h-' ~ raw.b\"}]}"),
    )
    assert read_one(format_, b'{"a": "one", "kind": "X", "b": 2}').host == "one"
    assert read_one(format_, b'{"a": "one", "kind": 7, "b": 2}').host == "one"
    assert read_one(format_, b'{"a": "one", "kind": "y", "b": 2}').host == "h-2"


DOTTED = """\
product: P
dotted_keys: true
recognised_by: {a.b: object}
fields:
  title: {text: "{a.b.title}!"}
  host: {path: a.b.path, pattern: "/hosts/([a-z]+)"}
  source: {path: ip, of: a.parts, if: {a.kind: {ends_with: [host, Ip]}}}
observables: {names: "a.parts[].name", first: [{path: a.b.path, if: {a.b.title: t}}]}
states: false
group_by: [host]
"""


def test_keys_of_the_payload_may_hold_the_dots_of_paths(tmp_path):
    format_ = load(tmp_path, DOTTED)
    parts = (
        b'[{"a.kind": "srcIp", "ip": "192.0.2.1", "name": "n"}, {"a": {"kind": "x"}, "ip": "192.0.2.2", "name": "m"}]'
    )
    alert = read_one(format_, b'{"a.b.title": "t", "a": {"b": {"path": "/x/hosts/web/y"}, "parts": ' + parts + b"}}")
    assert (alert.title, alert.host, alert.source) == ("t!", "web", "192.0.2.1")
    assert alert.observables == {"names": ("n", "m"), "first": ("/x/hosts/web/y",)}
    assert read_one(format_, b'{"a": {"b": "c"}}').reason == "unrecognised_shape"


def test_patterns_and_dotted_keys_are_checked(tmp_path):
    text = DOTTED.replace("dotted_keys: true", "dotted_keys: 1").replace('"/hosts/([a-z]+)"', '"("')
    one, two = problems_of(tmp_path, text)
    assert one.startswith("mine.yaml:2:")
    assert "dotted_keys: must be true or false" in one
    assert "fields.host.pattern: '(' is no regular expression" in two


def test_drop_rules_need_all_their_conditions(tmp_path):
    format_ = load(
        tmp_path,
        LEAST
        + "drop: [{reason: quiet, if: {a: x, b: {not: [y, null]}}, when: raw.n > 3}, {reason: other, when: raw.z}]\n",
    )
    assert read_one(format_, b'{"a": "X", "b": "q", "n": 4}') == Dropped("quiet")
    assert read_one(format_, b'{"z": 1}') == Dropped("other")
    for kept in (
        b'{"a": "X", "b": "y", "n": 4}',
        b'{"a": "X", "n": 4}',
        b'{"a": "X", "b": "q", "n": 3}',
        b'{"a": "X", "b": "q", "n": "4"}',
    ):
        assert isinstance(read_one(format_, kept), Alert)


def test_one_of_several_shapes_must_be_recognised(tmp_path):
    format_ = load(tmp_path, LEAST.replace("{}", "[{a: object, b: array}, {c: text}]"))
    assert isinstance(read_one(format_, b'{"a": {}, "b": []}'), Alert)
    assert isinstance(read_one(format_, b'{"c": ""}'), Alert)
    rejected = read_one(format_, b'{"a": {}, "c": 5}')
    assert rejected.reason == "unrecognised_shape"
    assert rejected.detail == "not mine, which is recognised by: a (object) and b (array) or c (text)"


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ("{}", "examples: must be a list"),
        ("[{name: a, payload: x}]", "examples[0]: expect is missing"),
        ("[{name: a, payload: x, expect: {}}, {name: a, payload: x, expect: {}}]", "there is another example 'a'"),
        ("[{name: a, payload: {t: 2026-01-31}, expect: {}}]", "examples[0].payload: Type is not JSON serializable"),
        (
            "[{name: a, payload: x, expect: [{tile: x}]}]",
            "examples[0].expect[0].tile: unknown key; did you mean title?",
        ),
        ("[{name: a, payload: x, expect: {outcome: drop}}]", "'drop' is no outcome; did you mean dropped?"),
        ("[{name: a, payload: x, expect: 5}]", "examples[0].expect: must be a list"),
    ],
)
def test_an_example_that_is_none_is_told(tmp_path, examples, problem):
    assert any(problem in each for each in problems_of(tmp_path, f"{LEAST}examples: {examples}\n"))


def test_a_payload_of_an_example_is_sent_as_it_is_or_as_json(tmp_path):
    text = LEAST + 'examples: [{name: a, payload: "x\\ty", expect: {}}, {name: b, payload: {t: [1, é]}, expect: {}}]\n'
    assert [example.payload for example in load(tmp_path, text).examples] == [b"x\ty", '{"t":[1,"é"]}'.encode()]


def test_auto_is_no_name_of_a_format(tmp_path):
    assert "stands for recognition by shape" in problems_of(tmp_path, LEAST, "auto.yaml")[0]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("{a: {contains: [ell, x]}}", True),
        ("{a: {contains: HELL}}", True),
        ("{a: {contains: z}}", False),
        ("{b: {contains: z}}", False),
        ("{a: {not: {contains: z}}}", True),
    ],
)
def test_a_condition_may_look_at_a_part_of_a_text(tmp_path, condition, holds):
    format_ = load(tmp_path, LEAST.replace("{title: t}", f"{{title: t, host: {{path: h, if: {condition}}}}}"))
    assert read_one(format_, b'{"h": "h1", "a": "Hello"}').host == ("h1" if holds else None)


def test_a_test_of_values_that_is_none_is_told(tmp_path):
    text = LEAST.replace("{title: t}", "{title: {path: t, if: {a: {contain: x}, b: {}}}}")
    assert [problem.partition(": ")[2] for problem in problems_of(tmp_path, text)] == [
        "fields.title.if.a.contain: unknown key; did you mean contains?",
        "fields.title.if.b: must have one of not, ends_with, contains",
    ]


def test_a_time_may_have_its_pattern_beside_it(tmp_path):
    format_ = load(tmp_path, LEAST.replace("{title: t}", "{title: t, time: {path: a, written_as: f}}"))
    times = [
        read_one(format_, payload).time
        for payload in (
            b'{"a": "31/01/2026 12:00:00", "f": "dd/MM/yyyy HH:mm:ss"}',
            b'{"a": "2026-01-31 12:00:00", "f": "dd/MM/yyyy HH:mm:ss"}',
            b'{"a": 1769860800}',
        )
    ]
    assert {f"{time:%F %T}" for time in times} == {"2026-01-31 12:00:00"}


def test_a_hole_of_a_text_may_have_alternatives(tmp_path):
    format_ = load(tmp_path, LEAST.replace("{title: t}", '{title: [{text: "{a}: {b, c.d}"}, t]}'))
    assert read_one(format_, b'{"a": "A", "b": "-", "c": {"d": "D"}}').title == "A: D"
    assert read_one(format_, b'{"a": "A", "t": "T"}').title == "T"


def test_a_fallback_title_may_be_worked_out(tmp_path):
    format_ = load(
        tmp_path, LEAST + "fallback_title: [{text: 'Rule {r}'}, {jinja: \"'Kind ' ~ raw.k.split('/')[0]\"}]\n"
    )
    assert read_one(format_, b'{"r": 5}').title == "Rule 5"
    assert read_one(format_, b'{"k": "a/b"}').title == "Kind a"


def test_only_the_formats_that_are_named_are_loaded(tmp_path):
    (tmp_path / "broken.yaml").write_text("product: [")
    (tmp_path / "good.yaml").write_text(LEAST)
    assert list(load_formats([tmp_path], {"good", "unknown"})) == ["good"]
    assert list(find_formats([tmp_path])) == ["broken", "good"]
