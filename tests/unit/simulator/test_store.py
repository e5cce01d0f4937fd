from itop_bridge.simulator.schema import load_datamodel
from itop_bridge.simulator.store import Row, Store


def test_ids_are_shared_by_all_classes_of_a_root():
    store = Store(load_datamodel())
    incident = store.insert(Row(0, store.datamodel["Incident"]))
    request = store.insert(Row(0, store.datamodel["UserRequest"]))
    person = store.insert(Row(0, store.datamodel["Person"]))
    assert (incident.id, request.id, person.id) == (1, 2, 1)
    assert store.get("Ticket", 2) is request
    assert store.get("Incident", 2) is None
    assert [row.name for row in store.scan("Ticket")] == ["Incident::1", "UserRequest::2"]


def test_an_id_is_not_given_twice():
    store = Store(load_datamodel())
    store.delete(store.insert(Row(0, store.datamodel["Incident"])))
    assert store.insert(Row(0, store.datamodel["Incident"])).id == 2
    store.skip_ids("Incident", 10)
    assert store.insert(Row(0, store.datamodel["UserRequest"])).id == 10
