import pytest

from itop_bridge.trial.call import NEW, OPEN, TOKEN
from itop_bridge.trial.trial import try_routes

NOW = 1_790_000_000.0


@pytest.fixture
def calls_of(site_of, sample_of):
    """The calls that one generic alert comes to."""

    def plan(topic="siem/EXC/generic", routes=None, **changes):
        site = site_of(routes) if routes else site_of()
        [each] = try_routes(sample_of(**changes), site, topic, NOW).tries
        [calls] = each.calls
        return calls

    return plan


def route(settings="", **rules):
    told = "".join(f", {name}: {value}" for name, value in rules.items())
    return (
        f'  - {{name: r, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem{told},'
        f" settings: {{{settings}}}}}\n"
    )


def test_an_alert_creates_the_incident_of_a_new_case(calls_of):
    [call] = calls_of()
    fields = call.operation["fields"]
    assert (call.supposed, call.reason, call.operation["operation"]) == (NEW, "new", "core/create")
    assert (fields["impact"], fields["urgency"], fields["org_id"]) == ("2", "2", "(the id of code:EXC)")
    assert fields["title"] == "(title)"
    assert call.texts["title"].endswith("Disk full on db1")
    assert "<p><b>Disk full</b></p>" in call.texts["description"]
    assert call.texts["log"].endswith(f"[sb:{TOKEN}]")


def test_the_references_of_the_route_are_part_of_it(calls_of):
    [call] = calls_of(routes=route("team: SOC"))
    assert call.operation["fields"]["team_id"] == "SELECT Team WHERE name = 'SOC'"


def test_an_alert_that_opens_nothing_is_told_in_the_incident_that_is_open(calls_of):
    new, open_ = calls_of(routes=route("create_from: critical"))
    assert (new.supposed, new.operation, new.reason) == (NEW, None, "no_incident")
    assert (open_.supposed, open_.operation["operation"], open_.reason) == (OPEN, "core/update", "ongoing")
    assert "Disk full" in open_.texts["log"]


def test_a_resolve_resolves_the_incident_that_is_open(calls_of):
    new, open_ = calls_of(routes=route(), state="resolved")
    assert (new.operation, new.reason) == (None, "no_incident")
    assert (open_.operation["operation"], open_.operation["stimulus"]) == ("core/apply_stimulus", "ev_autoresolve")
    assert "no longer fires" in open_.texts["solution"]


def test_a_resolve_goes_by_the_sites_own_path(calls_of):
    _, open_ = calls_of(routes=route(resolve="{path: [ev_take, ev_finish]}"), state="resolved")
    assert open_.operation["stimulus"] == "ev_finish"


def test_where_nothing_is_resolved_the_resolve_is_told(calls_of):
    _, open_ = calls_of(routes=route(resolve="never"), state="resolved")
    assert (open_.operation["operation"], open_.reason) == ("core/update", "resolve_never")


def test_a_text_that_fails_is_told_in_place_of_the_call(calls_of):
    [call] = calls_of(routes=route('title: "{{ alert.title + 1 }}"'))
    assert call.operation is None
    assert call.reason.startswith("text_failed: ")
