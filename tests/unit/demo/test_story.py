import datetime
from collections import Counter

import pytest

from itop_bridge.alert import Event
from itop_bridge.demo.configuration import write_configuration
from itop_bridge.demo.story import ATTACK, RESOLVED, opening, resolution, storm
from itop_bridge.journal.landing import Landing
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import map_event

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.UTC)


@pytest.fixture
def routes(tmp_path):
    path = write_configuration(tmp_path, broker_port=1883, itop_address="http://127.0.0.1:1")
    return load_routing(load_settings(path)).routes


def map_message(message, routes):
    event = Event(1, message.topic.encode(), message.payload, NOW.timestamp())
    return [element.result for element in map_event(event, routes)]


def cases_of(messages, routes):
    """The case keys by the label of the incident."""
    cases: dict[str, set[str]] = {}
    for message in messages:
        for fate, landing in zip(message.fates, map_message(message, routes), strict=True):
            if fate.kind == "incident":
                assert isinstance(landing, Landing), landing
                cases.setdefault(fate.name, set()).update(owed.case_key for owed in landing.intents)
    return cases


def test_every_message_maps_to_what_it_says(routes):
    for message in opening(NOW):
        for fate, result in zip(message.fates, map_message(message, routes), strict=True):
            if isinstance(result, Dropped | Rejected):
                assert (result.reason, fate.kind) == (fate.name, "dropped" if isinstance(result, Dropped) else "dead")
            else:
                # a repeat is told by the journal, not by the mapping
                assert fate.kind == "incident" or fate.name == "repeat"


def test_alerts_of_one_label_share_a_case_and_others_do_not(routes):
    cases = cases_of([*opening(NOW), *storm(50, NOW), resolution(NOW, NOW)], routes)
    keys = [key for several in cases.values() for key in several]
    assert len(keys) == len(cases) == len(set(keys)) == 10


def test_a_storm_has_five_cases_and_as_many_ids_as_alerts(routes):
    messages = list(storm(2000, NOW))
    assert Counter(message.fates[0].name for message in messages).most_common()[-1][1] == 400
    ids = {map_message(message, routes)[0].identity for message in messages}
    assert len(ids) == len(messages) == 2000


def test_the_resolution_resolves_what_fired(routes):
    firing = next(message for message in opening(NOW) if any(fate.name == RESOLVED for fate in message.fates))
    fired = map_message(firing, routes)[0]
    (resolved,) = map_message(resolution(NOW, NOW + datetime.timedelta(seconds=3)), routes)
    assert (resolved.identity, resolved.scope, resolved.episode) == (fired.identity, fired.scope, fired.episode)
    assert (str(fired.state), str(resolved.state)) == ("firing", "resolved")


def test_the_attack_has_what_html_templates_oql_and_terminals_obey():
    assert all(part in ATTACK for part in ("<script>", "{{", "' OR ", "\x1b["))
