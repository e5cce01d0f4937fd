import pytest

from itop_bridge.simulator.failure import PhpFatalError, RestError
from itop_bridge.simulator.value import find_one, find_set, make_value


@pytest.fixture
def session(simulator):
    return simulator.open_session(simulator.accounts["rest_agent"])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (99, "Invalid object Organization::99"),
        ("99", "Invalid object Organization::99"),
        ({"code": "NOPE"}, "No item found with criteria: code: NOPE (NOPE)"),
        ({"status": "active"}, "Several items found (3) with criteria: status: active (active)"),
        ("SELECT Organization", "Several items found (3) for query: SELECT Organization"),
        ({"foo": "x"}, "foo: Unknown attribute"),
        (None, "Wrong format for key"),
        (True, "Wrong format for key"),
    ],
)
def test_a_key_that_names_no_single_object_says_why(session, key, message):
    with pytest.raises(RestError) as caught:
        find_one(session, "Organization", key)
    assert caught.value.message == message


@pytest.mark.parametrize("key", [2, "2", {"code": "exc"}, "SELECT Organization WHERE code = 'EXC'"])
def test_an_object_is_named_in_four_ways(session, key):
    assert find_one(session, "Organization", key).id == 2


@pytest.mark.parametrize("key", [0, -1, 1.5, 999, {"code": "NOPE"}])
def test_what_is_not_there_is_an_empty_set(session, key):
    assert find_set(session, "Organization", key).rows == []


def test_criteria_may_nest_and_name_a_subclass(session):
    key = {"finalclass": "Server", "managementip": "10.1.0.2", "org_id": {"code": "EXC"}}
    assert find_one(session, "FunctionalCI", key).values["name"] == "srv-02"


def test_an_empty_key_is_fatal(session):
    with pytest.raises(PhpFatalError):
        find_set(session, "Incident", "")


def test_a_query_that_is_wrong_is_told_with_its_text_for_a_key_and_without_for_an_attribute(session):
    with pytest.raises(RestError, match=r"^Query failed to execute: query = EXC, exception_class = "):
        find_set(session, "Organization", "EXC")
    with pytest.raises(RestError, match=r"^org_id: Expecting an OQL query"):
        make_value(session, session.view.datamodel["Incident"], "org_id", "EXC")


@pytest.mark.parametrize(
    ("code", "raw", "value"),
    [
        ("title", 12345, "12345"),
        ("title", ["a"], "Array"),
        ("title", None, ""),
        ("urgency", 1, "1"),
        ("resolution_code", "", None),
        ("description", "a <foo>b</foo> c", "<p>a  c</p>"),
        ("pending_reason", "a\nb <c>", "a\nb <c>"),
        ("start_date", "2026-01-02 03:04:05", "2026-01-02 03:04:05"),
        ("start_date", "", None),
        ("caller_id", 0, 0),
        ("caller_id", {"name": "Caller"}, 2),
        ("functionalcis_list", [1, {"functionalci_id": 1}], [{"functionalci_id": 1}]),
    ],
)
def test_a_value_becomes_what_is_stored(session, code, raw, value):
    assert make_value(session, session.view.datamodel["Incident"], code, raw) == value


@pytest.mark.parametrize(
    ("code", "raw", "message"),
    [
        ("foo", 1, "foo: Unknown attribute"),
        ("id", 1, "id: Unknown attribute"),
        ("start_date", "yesterday", 'start_date: Wrong format for date attribute start_date, expecting "Y-m-d H:i:s"'),
        ("functionalcis_list", {}, "functionalcis_list: A link set must be defined by an array of objects"),
        ("functionalcis_list", [{"functionalci_id": 99}], "functionalcis_list: functionalci_id: Invalid object"),
        ("public_log", {}, "public_log: Missing 'items' elements"),
        ("public_log", {"add_item": {"format": "text"}}, "public_log: Missing mandatory entry: 'message'"),
        ("public_log", {"add_item": {"message": "x", "user_id": 1}}, "public_log: Only administrators can set"),
        ("public_log", {"add_item": {"message": "x", "date": "garbage"}}, "public_log: Failed to parse time string"),
    ],
)
def test_a_value_that_is_none_says_why(session, code, raw, message):
    with pytest.raises(RestError) as caught:
        make_value(session, session.view.datamodel["Incident"], code, raw)
    assert caught.value.message.startswith(message)


def test_a_user_of_another_organization_finds_nothing(simulator):
    session = simulator.open_session(simulator.accounts["rest_silo"])
    with pytest.raises(RestError, match="No item found with criteria: code: EXC"):
        find_one(session, "Organization", {"code": "EXC"})
    with pytest.raises(RestError, match="service_id: Invalid object Service::1"):
        make_value(session, session.view.datamodel["Incident"], "service_id", 1)
