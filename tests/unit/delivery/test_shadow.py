import pytest
from situation import case

from itop_bridge.delivery.attempt import Order
from itop_bridge.delivery.shadow import describe_write

NOW = 5_000.0
CREATE = {"fields": {"org_id": 3, "urgency": "2", "title": "T"}}


def order(kind, operation=None, **effect):
    known = case(incident=None if kind == "create" else -7)
    return Order(known, kind, "token", operation or {"fields": {}}, 4, "entry", effect)


def test_a_create_makes_a_shadow_incident():
    write = describe_write(order("create", CREATE, urgency=2, entries=1), NOW)
    assert (write.created.status, write.created.org, write.created.urgency, write.created.title) == ("new", 3, 2, "T")
    assert write.created.ref == "shadow-0"
    assert (write.draft.incident, write.draft.message, write.changes) == (None, "entry", {})
    assert (write.settlement.through, write.settlement.state, write.settlement.reason) == (4, "delivered", "create")
    assert write.settlement.changes == {"urgency": 2, "entries": 1}


@pytest.mark.parametrize(
    ("kind", "effect", "changes"),
    [
        ("append", {"entries": 2}, {"changed": NOW}),
        ("append", {"urgency": 1}, {"changed": NOW, "urgency": 1}),
        ("resolve", {"resolved": 1}, {"changed": NOW, "status": "resolved", "resolved": NOW}),
        ("reopen", {"resolved": 0}, {"changed": NOW, "status": "assigned", "resolved": None}),
        ("advance", {}, {"changed": NOW, "status": "assigned", "resolved": None}),
    ],
)
def test_everything_else_changes_it(kind, effect, changes):
    write = describe_write(order(kind, **effect), NOW)
    assert (write.created, write.draft.incident, write.changes) == (None, -7, changes)
    assert write.settlement.changes.items() >= effect.items()


def test_a_resolve_is_known_again_by_its_date():
    assert describe_write(order("resolve"), NOW).settlement.changes["resolution"] == str(NOW)
