import json

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.trial.expectation import compare, load_expectations

ALERT = {
    "id": "5710",
    "severity": "high",
    "time": "2026-01-31T12:00:00Z",
    "user": None,
    "case_key": '["code:EXC","r","generic","5710"]',
    "intents": [{"intent": "create", "impact": 2, "urgency": 2}],
}
SUMMARY = {"file": "samples/a.json", "outcome": "alerts", "reason": None, "alerts": [ALERT]}


def expect(tmp_path, text, *summaries):
    path = tmp_path / "expect.yaml"
    path.write_text(text)
    return compare(load_expectations(path), summaries or [SUMMARY])


def wanted(text):
    return f"- name: a.json\n  alerts:\n  - {{{text}}}\n"


@pytest.mark.parametrize(
    "text",
    [
        "severity: high",
        "id: 5710",
        "user: null",
        "time: 2026-01-31T12:00:00Z",
        "time: 2026-01-31 13:00:00+01:00",
        'time: "2026-01-31T12:00:00Z"',
        'case_key: ["code:EXC", r, generic, 5710]',
        "intents: [create]",
        "intents: [{intent: create, urgency: 2}]",
    ],
)
def test_a_part_that_is_as_expected_is_no_difference(tmp_path, text):
    assert expect(tmp_path, wanted(text)) == []


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("severity: low", 'alerts[0].severity: expected "low", got "high"'),
        ("id: 5711", 'alerts[0].id: expected 5711, got "5710"'),
        ("user: root", 'alerts[0].user: expected "root", got null'),
        ("severity: null", 'alerts[0].severity: expected null, got "high"'),
        ("severty: high", 'alerts[0].severty: expected "high", got nothing; did you mean severity?'),
        ("intents: [resolve]", 'alerts[0].intents[0]: expected "resolve", got {"intent": "create"'),
        ("intents: [{urgency: 1}]", "alerts[0].intents[0].urgency: expected 1, got 2"),
        ("intents: []", "alerts[0].intents: expected 0 of them, got 1"),
        ("time: 2026-01-31 12:00:01", "alerts[0].time: expected 2026-01-31T12:00:01, got"),
    ],
)
def test_a_difference_tells_path_expected_and_got(tmp_path, text, difference):
    [told] = expect(tmp_path, wanted(text))
    assert told.startswith(f"samples/a.json: {difference}")


def test_a_missing_alert_is_one_difference(tmp_path):
    text = "- {name: a.json, alerts: [{severity: high}, {severity: low}]}"
    assert expect(tmp_path, text) == ["samples/a.json: alerts: expected 2 of them, got 1"]


def test_a_file_is_meant_relative_to_the_expectations(tmp_path):
    summary = {**SUMMARY, "file": str(tmp_path / "samples" / "a.json")}
    assert expect(tmp_path, "- {file: samples/a.json, outcome: alerts}", summary) == []
    [expectation] = load_expectations(tmp_path / "expect.yaml")
    assert expectation.file == str(tmp_path / "samples" / "a.json")


def test_a_sample_that_was_not_given_is_told(tmp_path):
    assert expect(tmp_path, "- {name: b.json, outcome: alerts}") == ["b.json: no such sample was given"]


def test_what_json_prints_can_be_expected_as_it_is(tmp_path):
    lines = json.dumps(SUMMARY) + "\n" + json.dumps({**SUMMARY, "file": "b"}) + "\n"
    assert expect(tmp_path, lines, SUMMARY, {**SUMMARY, "file": "b"}) == []
    assert expect(tmp_path, json.dumps([SUMMARY], indent=1), SUMMARY) == []


@pytest.mark.parametrize(
    "text", ["", "a: b", "[]", "- 5", "- {outcome: alerts}", "- {file: a, name: b}", "- {file: 5}"]
)
def test_what_is_no_expectation_is_refused(tmp_path, text):
    with pytest.raises(ConfigurationError, match="file or name"):
        expect(tmp_path, text)


def test_expectations_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing.yaml: cannot be read"):
        load_expectations(tmp_path / "missing.yaml")
