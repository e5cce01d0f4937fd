import pytest

from itop_bridge.simulator.draft import Draft
from itop_bridge.simulator.failure import PhpFatalError, RestError
from itop_bridge.simulator.simulator import Simulator

TICKET = {"org_id": 2, "title": "t", "description": "d"}


@pytest.fixture
def session(simulator):
    return simulator.open_session(simulator.accounts["admin"])


def create(session, iclass="Incident", **fields):
    draft = Draft(session, None, session.view.datamodel[iclass])
    draft.edit(fields)
    draft.number()
    draft.check()
    draft.store()
    return draft.row


@pytest.mark.parametrize(("impact", "priorities"), [("1", "1124"), ("2", "1234"), ("3", "2334")])
def test_priority_follows_from_impact_and_urgency(session, impact, priorities):
    rows = [create(session, **TICKET, impact=impact, urgency=urgency, priority="1") for urgency in "1234"]
    assert "".join(row.values["priority"] for row in rows) == priorities


@pytest.mark.parametrize(
    ("fields", "issue"),
    [
        ({"title": ""}, "'Title' (title) : Null not allowed"),
        ({"title": "x" * 256}, "'Title' (title) : String too long (found 256, limited to 255)"),
        (
            {"description": "A" * 65_535},
            "'Description' (description) : String too long (found 65542, limited to 65535)",
        ),
        ({"urgency": "9"}, "'Urgency' (urgency) : Value not allowed [9]"),
        ({"status": "foo"}, "'Status' (status) : Value not allowed [foo]"),
        ({"org_id": 0}, "'Organization' (org_id) : Null not allowed"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(session, fields, issue):
    text = f"Unexpected value for attribute {issue}"
    with pytest.raises(RestError) as caught:
        create(session, **{**TICKET, **fields})
    assert caught.value.message == f"{text}: issues = {{0=>{text}}}, class = Incident, id = -1"


def test_limits_count_characters_but_the_column_counts_bytes(session):
    assert create(session, **{**TICKET, "title": "🔥" * 255}).id == 1
    with pytest.raises(RestError, match="Data too long for column 'description'") as caught:
        create(session, **{**TICKET, "description": "🔥" * 20_000})
    assert caught.value.code == 1406


def test_a_farm_brings_its_machines(session):
    row = create(session, **TICKET, functionalcis_list=[{"functionalci_id": 7}, {"functionalci_id": 7}])
    links = session.view.render(row, "functionalcis_list")
    assert [(link["functionalci_name"], link["impact_code"]) for link in links] == [
        ("farm-1", "manual"),
        ("vm-01", "computed"),
    ]


def test_a_list_of_cis_replaces_the_one_before(session):
    row = create(session, **TICKET, functionalcis_list=[{"functionalci_id": 1}, {"functionalci_id": 2}])
    draft = Draft(session, row, row.model)
    draft.edit({"functionalcis_list": [{"functionalci_id": 2}, {"functionalci_id": 3}]})
    assert draft.store()
    assert [link["functionalci_id"] for link in session.view.render(row, "functionalcis_list")] == ["2", "3"]


def test_a_second_link_to_the_same_ci_is_refused(session):
    ticket = create(session, **TICKET)
    create(session, "lnkFunctionalCIToTicket", ticket_id=ticket.id, functionalci_id=4)
    with pytest.raises(RestError, match="FunctionalCI: srv-04 is already linked to Ticket: I-000001, duplicates"):
        create(session, "lnkFunctionalCIToTicket", ticket_id=ticket.id, functionalci_id=4)


def test_a_class_that_is_only_an_ancestor_cannot_be_made(session):
    with pytest.raises(PhpFatalError):
        create(session, "Ticket", **TICKET)


def test_a_draft_that_is_not_stored_leaves_no_trace(session):
    row = create(session, **TICKET)
    draft = Draft(session, row, row.model)
    draft.edit({"title": "changed", "public_log": "x"})
    assert row.values["title"] == "t"
    assert not row.values["public_log"].entries


@pytest.fixture
def small(clock):
    """A session whose logs hold two entries."""
    simulator = Simulator(clock=clock, log_limit=2)
    return simulator.open_session(simulator.accounts["admin"])


def test_a_full_log_refuses_entries_and_nothing_else(small):
    row = create(small, **TICKET, public_log={"items": [{"message": "a"}, {"message": "b"}]})
    draft = Draft(small, row, row.model)
    draft.edit({"public_log": "one too many"})
    with pytest.raises(RestError, match="Data too long for column 'public_log_index' at row 1: id = 1") as caught:
        draft.store()
    assert caught.value.code == 100
    assert len(row.values["public_log"].entries) == 2
    draft = Draft(small, row, row.model)
    draft.edit({"private_log": "x", "urgency": "1"})
    assert draft.store()


def test_too_many_entries_at_once_are_the_databases_error(small):
    with pytest.raises(RestError) as caught:
        create(small, **TICKET, public_log={"items": [{"message": "a"}, {"message": "b"}, {"message": "c"}]})
    assert caught.value.code == 1406
