import pytest
from landing import fires

from itop_bridge.alert import Event
from itop_bridge.journal.retry import Retry, find_own
from itop_bridge.journal.triage import Element
from itop_bridge.outcome import Dropped, Rejected

EVENT = Event(7, b"t", b"{}", 1.0)
ELEMENTS = [Element(7, index, Dropped(f"at {index}")) for index in range(3)]


def test_a_letter_is_tried_again_with_its_own_element():
    assert find_own(Retry(1, 7, 2, EVENT), ELEMENTS) is ELEMENTS[2]


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
    own = find_own(retry, elements)
    assert (own.event_id, own.index, own.result.reason) == (7, retry.index, reason)
