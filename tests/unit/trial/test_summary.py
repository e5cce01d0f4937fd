import json

import pytest

from itop_bridge.trial.sample import Sample
from itop_bridge.trial.site import find_format
from itop_bridge.trial.summary import summarise
from itop_bridge.trial.trial import try_format, try_routes

NOW = 1_790_000_000.0
KEYS = [
    *("id", "title", "severity", "state", "time", "host", "user", "source", "destination", "rule", "link", "tenant"),
    *("case_key", "route", "intents"),
]


def routed(site, sample, topic="siem/EXC/generic"):
    return summarise(try_routes(sample, site, topic, NOW))


def test_an_alert_is_told_with_its_case_route_and_intents(site_of, sample_of):
    summary = routed(site_of(), sample_of())
    [alert] = summary.pop("alerts")
    assert summary == {"file": "alert.json", "format": "generic", "outcome": "alerts", "reason": None}
    assert list(alert) == KEYS
    assert alert["case_key"] == '["code:EXC","severe","generic","disk","Disk full","db1",""]'
    assert (alert["route"], alert["intents"]) == ("severe", [{"intent": "create", "impact": 2, "urgency": 2}])
    assert (alert["severity"], alert["state"], alert["time"]) == ("high", "firing", "2026-01-31T12:00:00Z")
    assert alert["user"] is None


@pytest.mark.parametrize(
    ("time", "told"),
    [("2026-01-31T12:00:00.250+01:00", "2026-01-31T11:00:00.250000Z"), (None, None)],
)
def test_times_are_iso_8601_in_utc(site_of, sample_of, time, told):
    assert routed(site_of(), sample_of(time=time))["alerts"][0]["time"] == told


def test_without_routes_only_what_was_read_is_told(sample_of):
    [alert] = summarise(try_format(sample_of(), find_format("auto"), NOW))["alerts"]
    assert (alert["route"], alert["intents"]) == (None, [])
    assert alert["case_key"] == '["generic","disk","Disk full","db1",""]'


def test_a_drop_and_a_dead_letter_have_their_reason_and_nothing_else(site_of, sample_of):
    assert routed(site_of(), sample_of(severity="low")) == {
        "file": "alert.json",
        "format": "generic",
        "outcome": "dropped",
        "reason": "filtered",
        "alerts": [],
    }
    broken = summarise(try_format(Sample("x", b"{"), find_format("generic"), NOW))
    assert broken == {
        "file": "x",
        "format": "generic",
        "outcome": "dead_letter",
        "reason": "invalid_json",
        "alerts": [],
    }


def test_of_several_outcomes_alerts_lead_and_the_others_are_told_beside_them(sample_of):
    payload = b'[{"title": "x"}, 5]'
    summary = summarise(try_format(Sample("x", payload), find_format("generic"), NOW))
    assert (summary["outcome"], summary["reason"], len(summary["alerts"])) == ("alerts", None, 1)
    [other] = summary["others"]
    assert (other["index"], other["outcome"], other["reason"]) == (1, "dead_letter", "not_an_object")
    assert "a number" in other["detail"]


def test_a_dead_letter_leads_before_a_drop(site_of):
    summary = routed(site_of(), Sample("x", b'[{"title": "x", "severity": "low"}, 5]'))
    assert (summary["outcome"], summary["reason"]) == ("dead_letter", "not_an_object")
    assert [other["reason"] for other in summary["others"]] == ["filtered", "not_an_object"]


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b'{"title": "x"} {"title": "y"}', "generic"),
        (b'{"title": "x"} {"alert": {"signature_id": 1}, "event_type": "alert", "src_ip": "192.0.2.1"}', "auto"),
        (b"?", None),
    ],
)
def test_the_format_is_that_of_all_elements_or_auto(payload, name):
    assert summarise(try_format(Sample("x", payload), find_format("auto"), NOW))["format"] == name


def test_the_whole_is_json(site_of, sample_of):
    summary = routed(site_of(), sample_of(title="\ud83d\ude00 \x1b[31m"))
    assert json.loads(json.dumps(summary)) == summary
