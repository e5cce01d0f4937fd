import time
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.alert import Alert, Event, Severity
from itop_bridge.bundled import bundled_folder
from itop_bridge.settings.document import parse_document
from itop_bridge.triage.format import load_formats, parse_format
from itop_bridge.triage.recognition import AutoFormat, find_syntax

BUNDLED = load_formats([bundled_folder("config") / "formats"])
EVERYTHING = AutoFormat(BUNDLED)

TEXT = """\
product: {name}
recognised_by: {shape}
{more}
fields: {{title: title, id: id}}
states: false
group_by: [title]
"""

OTHERS = {
    ("elastalert2", "a document of Wazuh inside, whose level does not count"): "wazuh",
    ("elastalert2", "only the keys of http_post_payload, one of them missing in the document"): "generic",
    ("elastalert2", "an array of two, of which one is no object"): "generic",
    ("grafana", "an alert alone, without fingerprint, severity and time"): "alertmanager",
    ("grafana", "the test button of a contact point"): "alertmanager",
    ("ossec", "a level beyond the scale, no id, no time"): "wazuh",
    ("splunk-webhook", "only a search's run"): "generic",
    ("suricata", "lines of all types"): "generic",
    ("zeek", "a notice on a host alone, without message"): "generic",
}
"""Examples that say too little of their product, and what they are taken for."""


def formats(**shapes):
    """An AutoFormat of formats by name; a shape may be a tuple of `recognised_by` and further keys."""
    made = {}
    for name, shape in shapes.items():
        recognised_by, more = shape if isinstance(shape, tuple) else (shape, "")
        text = TEXT.format(name=name, shape=recognised_by, more=more)
        made[name] = parse_format(name, parse_document(text.encode(), f"{name}.yaml"))
    return AutoFormat(made)


def read(auto, payload):
    payload = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    event = Event(1, b"t", payload, time.time())
    return list(auto.read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM))


def told(auto, payload):
    """The formats of the alerts; others as their reason."""
    return [element.format if isinstance(element, Alert) else element.reason for element in read(auto, payload)]


def reasons(auto, payload):
    return [recognition.reason for recognition, _ in auto.recognise(orjson.dumps(payload))]


def test_the_shape_that_demands_most_wins():
    auto = formats(one="{a: present}", two="{a: present, b: object}", three="[{c: present}, {a: present, d: present}]")
    payload = [{"a": 1}, {"a": 1, "b": {}}, {"a": 1, "b": 5}, {"c": 1}, {"a": 1, "d": 2}]
    assert told(auto, payload) == ["one", "two", "one", "three", "three"]
    assert reasons(auto, payload[1:2]) == ["a (present) and b (object)"]


def test_what_must_be_absent_makes_a_shape_no_more_specific():
    auto = formats(one="{a: present, z: absent, y: absent}", two="{a: present, b: present}")
    assert told(auto, [{"a": 1}, {"a": 1, "b": 1}, {"a": 1, "z": 1}]) == ["one", "two", "unrecognised_shape"]


def test_a_tie_is_a_dead_letter_that_names_the_candidates():
    auto = formats(one="{a: present}", two="{b: present}", three="{a: present, c: present}")
    (rejected,) = read(auto, {"a": 1, "b": 1})
    assert (rejected.reason, rejected.detail) == (
        "unrecognised_shape",
        "it may be one: a (present) or two: b (present)",
    )
    assert told(auto, {"a": 1, "b": 1, "c": 1}) == ["three"]


def test_what_no_format_takes_is_a_dead_letter_that_names_its_keys():
    auto = formats(one="{a: present}")
    long = {f"k{number}": 0 for number in range(30)}
    details = [element.detail for element in read(auto, [{"x": 1, "y" * 100: 2}, {}, long])]
    assert details[0] == f"no format has this shape; its keys: x, {'y' * 40}"
    assert details[1] == "no format has this shape; its keys: none"
    assert details[2].endswith("k8, k9")


def test_generic_is_never_chosen_while_another_matches():
    auto = formats(one="{a: present}", generic="{}")
    assert told(auto, [{"a": 1}, {"b": 1}]) == ["one", "generic"]
    assert told(formats(own="{}", generic="{}"), {"b": 1}) == ["own"]
    assert told(formats(own="{a: present}", generic="{a: present, b: present}"), {"a": 1, "b": 1}) == ["own"]


def test_auto_stands_for_the_shape_where_a_format_says_so():
    auto = formats(one=("{}", "auto: {a: present}"), two=("{b: present}", "auto: false"), generic="{}")
    assert told(auto, [{"a": 1}, {"b": 1}, {"c": 1}]) == ["one", "generic", "generic"]


def test_wrappers_are_opened_before_any_object_is_taken():
    auto = formats(one="{a: present}", two="{b: present}", generic="{}")
    for wrapper in ("alerts", "value", "results"):
        assert told(auto, {wrapper: [{"a": 1}, {"b": 1}, 5, {}]}) == ["one", "two", "not_an_object", "generic"]
    hits = {"took": 3, "hits": {"hits": [{"_id": "1", "_source": {"a": 1}}]}}
    (alert,) = read(auto, hits)
    assert (alert.format, alert.raw) == ("one", {"a": 1, "_id": "1"})
    assert told(auto, {"alerts": 5}) == ["generic"]


def test_a_wrapper_that_a_format_has_for_its_own_is_its_own():
    auto = formats(one=("{a: present}", "elements: alerts"), two="{b: present}", three="{a: present, b: present}")
    assert told(auto, {"alerts": [{"a": 1}, {"b": 1}]}) == ["one", "one"]
    assert told(auto, {"alerts": [{"b": 1}]}) == ["two"]
    assert told(auto, {"alerts": [{"a": 1, "b": 1}]}) == ["one"]
    assert reasons(auto, {"alerts": [{"a": 1}]}) == ["an array of a (present)"]


@pytest.mark.parametrize("payload", [[], {"alerts": []}, {"hits": {"hits": []}}])
def test_an_empty_batch_is_dropped_whatever_it_would_have_held(payload):
    assert told(formats(one=("{a: present}", "elements: alerts"), generic="{}"), payload) == ["empty_batch"]


def test_each_element_is_told_by_itself():
    payload = b'{"a": 1}\n{"a\n{"b": 1}\n[{"a": 1}, null]'
    assert told(formats(one="{a: present}", two="{b: present}"), payload) == [
        "one",
        "invalid_json",
        "two",
        "one",
        "not_an_object",
    ]


def test_elements_are_numbered_through():
    alerts = [each for each in read(formats(one="{a: present}"), [{"a": 1}, 5, {"a": 1}]) if isinstance(each, Alert)]
    assert [alert.index for alert in alerts] == [0, 2]


def test_the_case_key_is_that_of_the_recognised_format():
    auto = AutoFormat(BUNDLED)
    (alert,) = read(auto, {"rule": {"id": "5710", "level": 5}, "agent": {"id": "003"}, "data": {"srcip": "192.0.2.1"}})
    assert alert.format == "wazuh"
    assert auto.case_fields(alert) == (("5710", "003", "192.0.2.1"), False)


@pytest.mark.parametrize(
    ("payload", "syntax"),
    [
        (b"", "json"),
        (b" \n\0", "json"),
        (b" " * 999 + b"{", "json"),
        (b"\xef\xbb\xbf {", "json"),
        (b"[", "json"),
        (b'{"full_log": "CEF:0|a|b|c|d|e|5| type=x"}', "json"),
        (b'{"broken": type=x logid=1', "json"),
        (b"<incident>", "xml"),
        (b'<?xml version="1.0"?>', "xml"),
        (b"CEF:0|a", "cef"),
        (b"<134>Jan 31 12:00:00 fw-1 CEF:0|a", "cef"),
        (b'<134>1 2026-01-31T12:00:00Z h a - - [m seq="1"] CEF:0|a', "cef"),
        (b'"LEEF:2.0|a', "leef"),
        (b"junk\nhost: LEEF:1.0|a", "leef"),
        (b"<189>type=utm logid=1", "key_value"),
        (b'<189>Jan 31 12:00:00 fw-1 type=utm url="/ CEF:0|a|b|c|d|e|5|"', "key_value"),
        (b"type=utm msg=xCEF:0|a", "key_value"),
        (b"hello", None),
        (b"5", None),
        (b"\xff\xfe\xfd", None),
    ],
)
def test_the_syntax_is_told_by_how_a_payload_begins_or_its_first_line_that_says(payload, syntax):
    assert find_syntax(payload) == syntax


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 300_000,
        b"x" + b"[" * 300_000 + b" CEF:0|",
        b"x " * 200_000,
        b"x" * 400_000,
        b"xCEF:0|" * 60_000,
        b"\nx" * 200_000,
    ],
)
def test_hostile_payloads_take_linear_time(payload):
    assert find_syntax(payload) in ("json", "cef", None)  # what is not linear would take minutes


def test_what_has_no_syntax_is_a_dead_letter():
    (rejected,) = read(EVERYTHING, b"hello")
    assert rejected.reason == "unrecognised_shape"
    assert rejected.detail.startswith("neither JSON nor XML")


EXAMPLES = [
    pytest.param(form.name, example, id=f"{form.name}: {example.name}")
    for form in BUNDLED.values()
    for example in form.examples
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_the_examples_of_the_bundled_formats_are_told_apart(name, example):
    found = [recognition.format for recognition, _ in EVERYTHING.recognise(example.payload)]
    wanted = {name, OTHERS.get((name, example.name), name), "generic"}  # generic: elements that are none of the format
    assert {form.name for form in found if form} <= wanted
    if (name, example.name) not in OTHERS and len(found) == len(example.expect):
        alerts = [form for form, expect in zip(found, example.expect, strict=True) if expect.get("outcome") is None]
        assert {form and form.name for form in alerts} <= {name}


def test_what_says_too_little_is_said_so_only_where_it_does():
    examples = {(form.name, example.name): example for form in BUNDLED.values() for example in form.examples}
    for (name, title), taken_for in OTHERS.items():
        found = {each.format.name for each, _ in EVERYTHING.recognise(examples[name, title].payload) if each.format}
        assert taken_for in found, (name, title)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["alerts", "rule", "hits", "labels", "x"]), inner),
)


@given(st.one_of(st.binary(), JSON.map(orjson.dumps)))
def test_any_payload_gives_at_least_one_element_and_never_raises(payload):
    assert read(EVERYTHING, payload)
