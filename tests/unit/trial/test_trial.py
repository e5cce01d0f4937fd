import json

import pytest

from itop_bridge.alert import Event
from itop_bridge.journal.landing import Landing
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.triage import map_event
from itop_bridge.trial.sample import Sample
from itop_bridge.trial.site import find_format
from itop_bridge.trial.trial import try_format, try_routes

NOW = 1_790_000_000.0


def test_without_routes_an_alert_is_read_and_no_more(sample_of):
    [each] = try_format(sample_of(), find_format("generic"), NOW).tries
    assert each.alert.title == "Disk full"
    assert (each.endings, each.steps, each.calls) == ((), (), ())
    assert (each.group, each.weak) == (("generic", "disk", "Disk full", "db1", ""), False)


def test_without_routes_a_weak_key_is_told():
    [each] = try_format(Sample("x", b'{"description": "?"}'), find_format("generic"), NOW).tries
    assert each.weak


def test_what_is_no_alert_ends_as_it_was_read():
    one, two = try_format(Sample("x", b'{"title": "x"} 5'), find_format("generic"), NOW).tries
    assert one.alert is not None
    assert two.alert is None
    assert isinstance(two.endings[0], Rejected)


def test_an_alert_lands_by_its_route(site_of, sample_of):
    tried = try_routes(sample_of(severity="medium"), site_of(), "siem/EXC/generic", NOW)
    [each] = tried.tries
    [landing] = each.landings
    assert (landing.route, landing.intents[0].organization, landing.intents[0].kind) == ("minor", "code:EXC", "append")
    assert [step.route for step in each.steps if step.taken] == ["minor"]
    assert tried.topic.text == "siem/EXC/generic"


def test_an_alert_that_no_route_takes_is_dropped_and_still_shown(site_of, sample_of):
    [each] = try_routes(sample_of(severity="low"), site_of(), "siem/EXC/generic", NOW).tries
    assert (each.endings, each.alert.title) == ((Dropped("filtered"),), "Disk full")
    assert len(each.steps) == 3


def test_a_topic_without_route_is_told(site_of, sample_of):
    [each] = try_routes(sample_of(), site_of(), "other/EXC/generic", NOW).tries
    assert (each.alert, each.endings[0].reason) == (None, "no_route")


def test_without_a_topic_one_is_made(site_of, sample_of):
    tried = try_routes(sample_of(), site_of(), None, NOW)
    assert tried.topic.text == "siem/ORG/generic"
    assert tried.tries[0].landings[0].intents[0].organization == "code:ORG"


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'[{"title": "x"}, 5, {"severity": "high"}, {}]'])
def test_the_endings_are_what_triage_itself_makes_of_the_event(site_of, payload):
    site = site_of()
    tried = try_routes(Sample("x", payload), site, "siem/EXC/generic", NOW)
    mapped = list(map_event(Event(0, b"siem/EXC/generic", payload, NOW), site.routes))
    assert [ending for each in tried.tries for ending in each.endings] == [element.result for element in mapped]


def test_each_alert_is_as_if_it_were_the_first_of_its_case(site_of, sample_of):
    batch = json.dumps([json.loads(sample_of().payload)] * 2).encode()
    one, two = try_routes(Sample("x", batch), site_of(), "siem/EXC/generic", NOW).tries
    assert one.calls == two.calls
    assert all(isinstance(ending, Landing) for each in (one, two) for ending in each.endings)


def test_a_factory_that_fails_is_told_with_its_route(site_of, sample_of, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bad.py").write_text(
        "from dataclasses import dataclass\nfrom itop_bridge.factory import Texts, Writing\nNAME = 'bad'\n"
        "@dataclass\nclass Settings:\n    pass\n"
        "def handle(alert, case, settings):\n    raise ValueError('no')\n"
        "def describe_writing(settings):\n    return Writing(Texts('', '', '', '', '', ''))\n"
    )
    routes = '  - {name: r, topic: "siem/{org}/generic", format: generic, factory: bad}\nfactories: [own]\n'
    [each] = try_routes(sample_of(), site_of(routes), None, NOW).tries
    assert each.endings[0].reason == "factory_failed"
    assert each.steps[0].taken


def test_calls_are_planned_only_where_they_are_wanted(site_of, sample_of):
    [each] = try_routes(sample_of(), site_of(), None, NOW, with_calls=False).tries
    assert (len(each.landings), each.calls) == (1, ())
