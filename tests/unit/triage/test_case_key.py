import dataclasses
import datetime

import pytest

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.errors import ExpressionError
from itop_bridge.triage.case_key import compile_group_by

NOW = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
ALERT = Alert(
    event_id=1,
    index=0,
    format="wazuh",
    id=None,
    title="Title",
    severity=Severity.HIGH,
    state=State.FIRING,
    one_shot=True,
    time=NOW,
    received=NOW,
    host="web-1",
    rule="5763",
    observables={"mitre": ("T1110", "T1078")},
    notes=(),
    content_hash="0",
    raw=None,
)
RAW = {
    "agent": {"id": "014"},
    "labels": {"b": "2", "a": "1"},
    "n": 5,
    "yes": True,
    "x": "-",
    "dot.ted": "d",
    "host": "raw host",
    "tags": ["one", "two"],
}


def group(*entries, raw=RAW):
    return compile_group_by(entries)({"alert": ALERT, "raw": raw, "topic": {"org": "EXC"}})


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("host", "web-1"),
        ("alert.host", "web-1"),
        ("user", ""),
        ("severity", "high"),
        ("state", "firing"),
        ("time", "2026-03-02T08:00:00+00:00"),
        ("raw.agent.id", "014"),
        ("raw.host", "raw host"),
        ("raw.n", "5"),
        ("raw.yes", "true"),
        ("raw.x", ""),
        ("raw.nope", ""),
        ('raw."dot.ted"', "d"),
        ("raw.labels", '{"a":"1","b":"2"}'),
        ("id, raw.nope, raw.labels", '{"a":"1","b":"2"}'),
        ("raw.x, host", "web-1"),
        ("raw.tags[1]", "two"),
        ("raw.host|upper", "RAW HOST"),
        ("raw.n+1", "6"),
        ("topic.org", "EXC"),
        ("alert.title | upper", "TITLE"),
        ("alert.host.split('-')[0]", "web"),
        ("raw.labels.a ~ raw.labels.b", "12"),
        ("alert.observables.mitre", '["T1110","T1078"]'),
        ("raw.agent.id if alert.severity >= 'high'", "014"),
        ("raw.agent.id if alert.severity < 'high'", ""),
    ],
)
def test_an_entry_is_a_field_a_path_or_an_expression(entry, value):
    assert group(entry) == (value,)


def test_values_keep_their_order():
    assert group("rule", "user", "raw.agent.id") == ("5763", "", "014")


@pytest.mark.parametrize("entry", ["hots", "alert.hots", "notes ~", "rule, hots", "", "event_id"])
def test_what_is_none_of_these_is_an_error_at_load(entry):
    with pytest.raises(ExpressionError):
        compile_group_by([entry])


def test_a_field_that_does_not_exist_is_told_with_the_nearest():
    with pytest.raises(ExpressionError, match="'hots' is no field of an alert; did you mean host"):
        compile_group_by(["hots"])


def test_an_expression_that_cannot_be_evaluated_is_an_error_of_ours():
    with pytest.raises(ExpressionError):
        group("raw.n | length")


def test_long_values_are_shortened_and_stay_different():
    one, other = group("raw.a", "raw.b", raw={"a": "x" * 9999 + "1", "b": "x" * 9999 + "2"})
    assert len(one) == len(other) == 500
    assert one != other


def test_a_value_of_any_depth_is_a_part_of_a_key():
    deep = []
    for _ in range(1000):
        deep = [deep]
    assert len(group("raw.a", raw={"a": {"x": deep}})[0]) == 16


def test_the_same_number_is_the_same_key_as_text_and_as_number():
    assert group("raw.a", raw={"a": 5}) == group("raw.a", raw={"a": " 5"})
    assert compile_group_by(["host"])({"alert": dataclasses.replace(ALERT, host="5")}) == ("5",)
