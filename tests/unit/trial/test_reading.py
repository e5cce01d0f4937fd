import json

import pytest

from itop_bridge.alert import Alert, Event
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.trial.reading import read_alone, read_event
from itop_bridge.trial.site import find_format

GENERIC = {"title": "Disk full", "time": "2026-01-31 12:00:00"}
SURICATA = {
    "event_type": "alert",
    "src_ip": "192.0.2.1",
    "alert": {"signature_id": 1, "signature": "x", "severity": 1},
}


def event(*values):
    return Event(0, b"", "\n".join(json.dumps(value) for value in values).encode(), 1_790_000_000.0)


def test_a_named_format_needs_no_reason():
    [read] = read_alone(event(GENERIC), find_format("generic"))
    assert isinstance(read.element, Alert)
    assert (read.format, read.why) == ("generic", None)


def test_auto_says_of_each_element_which_format_it_has_and_why():
    one, two, three = read_alone(event(SURICATA, GENERIC, 5), find_format("auto"))
    assert (one.format, two.format, three.format) == ("suricata", "generic", None)
    assert "alert.signature_id (present)" in one.why
    assert isinstance(three.element, Rejected)


def test_what_has_no_format_at_all_is_told():
    [read] = read_alone(Event(0, b"", b"no alert", 0.0), find_format("auto"))
    assert (read.format, read.element.reason) == (None, "unrecognised_shape")
    assert read.why == read.element.detail


def test_a_batch_without_elements_is_one_element():
    [read] = read_alone(Event(0, b"", b"[]", 0.0), find_format("auto"))
    assert read.element == Dropped("empty_batch")


@pytest.mark.parametrize(("zone", "time"), [("UTC", "12:00"), ("Europe/Paris", "11:00")])
def test_with_a_route_it_is_read_by_the_routes_rules(site_of, zone, time):
    site = site_of(f'  - {{name: r, topic: "a/{{org}}", format: generic, timezone: {zone}, factory: incident-siem}}\n')
    [read] = read_event(event(GENERIC), site.routes[0])
    assert f"{read.element.time:%H:%M}" == time
