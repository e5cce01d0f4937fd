import json

import pytest

from itop_bridge.cli.trial_sheet import describe_tried
from itop_bridge.trial.sample import Sample
from itop_bridge.trial.site import find_format, load_site
from itop_bridge.trial.summary import summarise
from itop_bridge.trial.trial import try_format, try_routes

CONFIG = """\
mqtt: {host: broker.example}
itop: {address: "https://itop.example", user: u, password: {file: not-there}}
defaults: {organization: "{{ topic.org }}"}
routes:
  - {name: r, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'medium', factory: incident-siem}
  - {name: other, topic: "x/{org}", format: generic, factory: incident-siem}
"""
ALERT = {"id": "a1", "title": "Disk full", "severity": "high", "state": "firing", "host": "db1", "rule": "disk"}


@pytest.fixture
def show(tmp_path):
    """The lines of a payload of generic alerts."""

    def describe(*alerts, payload=None, topic="siem/EXC/generic"):
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG)
        content = payload if payload is not None else "\n".join(map(json.dumps, alerts)).encode()
        tried = try_routes(Sample("a.json", content), load_site(path, "auto"), topic, 1_790_000_000.0)
        return describe_tried(tried, summarise(tried))

    return describe


def test_an_alert_is_shown_from_its_format_to_the_texts_in_itop(show):
    lines = show(ALERT)
    text = "\n".join(lines)
    assert lines[:3] == ["a.json: 1 alert", "  topic  siem/EXC/generic", "element 0: Disk full"]
    order = [
        "  format    generic",
        "  severity  high",
        "  routes",
        "    r      taken: when is true: alert.severity >= 'medium'",
        "    other  its topic does not match: x/+",
        "  route r",
        '    case key  ["code:EXC","r","generic","disk","Disk full","db1",""]',
        "    intents   create (impact 2, urgency 2)",
        "    if its incident is not there yet, core/create (new)",
        "    title",
        "    description",
        "    log",
    ]
    places = [text.index(f"\n{line}") for line in order]
    assert places == sorted(places)


def test_a_made_topic_says_how_it_was_made(show):
    assert "ORG stands for {org}" in show(ALERT, topic=None)[1]


def test_a_resolve_is_shown_for_both_that_itop_may_have(show):
    text = "\n".join(show({**ALERT, "state": "resolved"}))
    assert "if its incident is not there yet, no call: no_incident" in text
    assert "if its incident is open, core/apply_stimulus (nothing_fires)" in text
    assert "    solution\n" in text


def test_a_drop_and_a_dead_letter_are_shown_with_their_reason(show):
    dropped = show({**ALERT, "severity": "low"})
    assert dropped[0] == "a.json: dropped (filtered)"
    assert dropped[-1] == "  dropped: filtered"
    dead = show(payload=b"[5]")
    assert dead[0] == "a.json: dead letter (not_an_object)"
    assert dead[2].startswith("element 0: dead letter: not_an_object (")


def test_a_weak_key_is_told(show):
    assert any("weak: the alert says too little" in line for line in show({"description": "?", "severity": "high"}))


def test_what_an_alert_holds_cannot_pass_for_the_programs_own_words(show):
    lines = show({**ALERT, "title": "x\x1b[2J\nroute r", "host": "h\u202e\n  route forged", "description": "a\nroutes"})
    assert not any(mark in line for line in lines for mark in ("\x1b", "\u202e", "\n"))
    assert [line for line in lines if line.startswith("  route ")] == ["  route r"]


def test_without_routes_the_key_of_the_format_is_shown():
    tried = try_format(Sample("a.json", json.dumps(ALERT).encode()), find_format("auto"), 0.0)
    lines = describe_tried(tried, summarise(tried))
    assert any(line.startswith("  format") and "generic: " in line for line in lines)
    assert any(line.endswith('["generic","disk","Disk full","db1",""]') for line in lines)
    assert not any("routes" in line for line in lines)
