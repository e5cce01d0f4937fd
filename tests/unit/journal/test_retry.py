import pytest
from landing import fires

from itop_bridge.alert import Event
from itop_bridge.journal.landing import Element
from itop_bridge.journal.retry import Retry, Traces, find_own
from itop_bridge.outcome import Dropped, Rejected

EVENT = Event(7, b"t", b"{}", 1.0)
ELEMENTS = [Element(7, index, Dropped(f"at {index}")) for index in range(3)]


UNKNOWN = Traces()


def find(retry, elements, traces=UNKNOWN, routes=("a", "b", "c")):
    return find_own(retry, elements, traces, routes)


def test_a_letter_is_tried_again_with_its_own_element():
    assert find(Retry(1, 7, 2, EVENT), ELEMENTS) == [ELEMENTS[2]]


@pytest.mark.parametrize(
    ("retry", "elements", "reason"),
    [
        (Retry(1, 7, 0, None), [], "payload_pruned"),
        (Retry(1, 7, 3, EVENT), ELEMENTS, "element_missing"),
        (Retry(1, 7, 3, EVENT), [fires(7)], "element_missing"),
        (Retry(1, 7, 3, EVENT), [Element(7, 0, Rejected("no_route"))], "no_route"),
    ],
)
def test_without_an_element_the_letter_says_why(retry, elements, reason):
    (own,) = find(retry, elements)
    assert (own.event_id, own.index, own.result.reason) == (7, retry.index, reason)


def by_routes(*names):
    """One element, by several routes."""
    return [fires(7, route=name) for name in names]


def named(*names):
    return frozenset(names)


@pytest.mark.parametrize(
    ("route", "now", "traces", "routes"),
    [
        ("a", "a", Traces(), ["a"]),
        ("a", "ab", Traces(), ["a", "b"]),
        (None, "ab", Traces(), ["a", "b"]),
        ("b", "ab", Traces(landed=named("a")), ["b"]),
        ("b", "ab", Traces(dropped=named("a")), ["b"]),
        ("b", "ab", Traces(letters=named("a")), ["b"]),
        ("b", "xb", Traces(landed=named("a")), ["b"]),
        ("a", "ab", Traces(landed=named("a")), []),
        ("a", "ab", Traces(landed=named("")), []),
        (None, "ab", Traces(landed=named("a")), []),
        ("gone", "ab", Traces(), ["a", "b"]),
        ("gone", "ab", Traces(letters=named("a")), ["b"]),
        ("a", "ab", Traces(letters=named("a")), ["a", "b"]),
    ],
)
def test_a_letter_takes_its_element_by_the_routes_that_are_still_owed(route, now, traces, routes):
    chosen = find(Retry(1, 7, 0, EVENT, route), by_routes(*now), traces)
    assert sorted(element.route for element in chosen) == routes


def test_a_route_that_wants_the_element_no_more_drops_it():
    (own,) = find(Retry(1, 7, 0, EVENT, "b"), by_routes("a"), Traces(landed=named("a")))
    assert own.result == Dropped("filtered", "b")


def test_a_route_that_is_gone_leaves_the_letter_open_where_others_had_the_element():
    (own,) = find(Retry(1, 7, 0, EVENT, "gone"), by_routes("a", "b"), Traces(landed=named("a")))
    assert (own.result.reason, own.result.field) == ("route_missing", "route")
