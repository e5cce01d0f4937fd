from itop_bridge.alert import Event
from itop_bridge.trial.reading import read_event
from itop_bridge.trial.step import trace_routes

ROUTES = """\
  - {name: broken, topic: "siem/{org}/generic", format: generic, when: raw.number + 1 > 2, factory: incident-siem}
  - {name: severe, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'high', factory: incident-siem}
  - {name: all, topic: "siem/{org}/generic", format: generic, factory: incident-siem}
  - {name: late, topic: "siem/{org}/#", format: generic, factory: incident-siem}
  - {name: other, topic: "siem/{org}/+", format: wazuh, factory: incident-siem}
  - {name: elsewhere, topic: "x/{org}/y", format: generic, factory: incident-siem}
"""


def trace(site, taken):
    [read] = read_event(Event(0, b"", b'{"title": "x", "severity": "low", "number": "n"}', 0.0), site.routes[0])
    steps = trace_routes(read.element, "siem/EXC/generic", site.routes, taken, site.conditions)
    return {step.route: (step.taken, step.why) for step in steps}


def test_every_route_says_why_it_took_the_alert_or_did_not(site_of):
    steps = trace(site_of(ROUTES), {"all"})
    assert list(steps) == ["broken", "severe", "all", "late", "other", "elsewhere"]
    assert steps["broken"][1].startswith("when fails: ")
    assert steps["severe"] == (False, "when is false: alert.severity >= 'high'")
    assert steps["all"] == (True, "taken")
    assert steps["late"] == (False, "not asked: an earlier route took it")
    assert steps["other"] == (False, "reads wazuh, and broken, the topic's first route, generic")
    assert steps["elsewhere"] == (False, "its topic does not match: x/+/y")


def test_what_was_dropped_on_the_way_would_have_been_taken(site_of):
    assert trace(site_of(ROUTES), set())["all"] == (False, "would take it, but it was dropped before")


def test_the_condition_by_which_it_was_taken_is_told(site_of):
    site = site_of(ROUTES.replace("'high'", "'low'"))
    assert trace(site, {"severe"})["severe"] == (True, "taken: when is true: alert.severity >= 'low'")
