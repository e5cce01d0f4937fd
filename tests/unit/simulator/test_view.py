import pytest

from itop_bridge.simulator.store import Row
from itop_bridge.simulator.view import View


@pytest.fixture
def view(simulator):
    return View(simulator.store)


def test_a_field_shows_what_its_key_points_at(view):
    server = view.get("Server", 1)
    assert view.render(server, "organization_name") == "Example Customer"
    assert view.render(server, "brand_name") == ""
    assert view.value(server, "brand_name") is None
    subcategory = view.get("ServiceSubcategory", 1)
    assert view.render(subcategory, "service_provider") == "Example Customer"


def test_scalars_are_texts_and_an_empty_enum_is_null(view):
    model = view.datamodel["UserRequest"]
    row = Row(7, model, {"request_type": None, "org_id": 2, "tto": 5})
    assert [view.render(row, code) for code in ("id", "org_id", "request_type", "close_date", "tto")] == [
        "7",
        "2",
        None,
        "",
        5,
    ]


def test_a_silo_hides_what_belongs_to_others(simulator):
    view = View(simulator.store, frozenset({3}))
    assert [row.id for row in view.scan("Organization")] == [3]
    assert view.get("Server", 1) is None
    assert list(view.scan("ServiceSubcategory")) == []


def test_a_query_without_an_order_is_by_friendly_name(view):
    rows = view.order(view.scan("Organization"), view.datamodel["Organization"])
    assert [row.id for row in rows] == [2, 1, 3]
