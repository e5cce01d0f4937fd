"""Actions: what each sends, that they never change, and that they work against a server."""

import dataclasses

import pytest

from itop_bridge.itop import oql
from itop_bridge.itop.action import (
    CheckCredentialsAction,
    CreateAction,
    DeleteAction,
    GetAction,
    ListAction,
    Pages,
    RelatedAction,
    StimulateAction,
    UpdateAction,
)
from itop_bridge.itop.answer import Answer, Object
from itop_bridge.itop.client import Connection
from itop_bridge.itop.connection import ITop
from itop_bridge.itop.error import (
    CredentialsError,
    FieldError,
    NoReplyError,
    NotAllowedError,
    ObjectGoneError,
    PermanentError,
    RequestError,
    StimulusError,
    TransientError,
    UncertainError,
)
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

PERSONS = GetAction(iclass="Person", output=["first_name", "name", "email"])


@pytest.fixture
def simulator():
    return Simulator()


@pytest.fixture
async def itop(simulator):
    async with serve(simulator) as url, ITop(Connection(url, "admin", "admin")) as itop:
        yield itop


# what is sent


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        (ListAction(), {"operation": "list_operations"}),
        (
            PERSONS,
            {
                "operation": "core/get",
                "class": "Person",
                "key": "SELECT Person",
                "output_fields": "first_name,name,email",
            },
        ),
        (
            GetAction(iclass="Person", key={"org_id": {"code": "EXC"}}, limit=5, page=2),
            {
                "operation": "core/get",
                "class": "Person",
                "key": {"org_id": {"code": "EXC"}},
                "output_fields": "*",
                "limit": 5,
                "page": 2,
            },
        ),
        (
            CreateAction(iclass="Team", fields={"name": "SOC", "persons_list": [{"person_id": 3}]}),
            {
                "operation": "core/create",
                "class": "Team",
                "comment": "itop_bridge",
                "fields": {"name": "SOC", "persons_list": [{"person_id": 3}]},
                "output_fields": "id,friendlyname",
            },
        ),
        (
            UpdateAction(iclass="Team", key=6, fields={"name": "CSOC"}, comment="renamed", output="id"),
            {
                "operation": "core/update",
                "class": "Team",
                "comment": "renamed",
                "key": 6,
                "fields": {"name": "CSOC"},
                "output_fields": "id",
            },
        ),
        (
            StimulateAction(iclass="Incident", key="SELECT Incident WHERE id = 1", stimulus="ev_reopen"),
            {
                "operation": "core/apply_stimulus",
                "class": "Incident",
                "comment": "itop_bridge",
                "key": "SELECT Incident WHERE id = 1",
                "stimulus": "ev_reopen",
                "fields": {},
                "output_fields": "id,friendlyname",
            },
        ),
        (
            DeleteAction(iclass="Team", key=6, simulate=True),
            {"operation": "core/delete", "class": "Team", "comment": "itop_bridge", "key": 6, "simulate": True},
        ),
        (
            RelatedAction(iclass="Farm", key=7),
            {"operation": "core/get_related", "class": "Farm", "key": 7, "relation": "impacts", "depth": 4},
        ),
        (
            CheckCredentialsAction(user="alice", password="p"),
            {"operation": "core/check_credentials", "user": "alice", "password": "p"},
        ),
    ],
)
def test_what_an_action_sends(action, sent):
    assert action.describe() == sent


@pytest.mark.parametrize("key", ["", {}, True, 1.5, ["a"]])
def test_what_is_no_key_is_refused_before_it_is_sent(key):
    with pytest.raises(RequestError, match="key"):
        GetAction(iclass="Person", key=key).describe()


@pytest.mark.parametrize(
    "action",
    [
        UpdateAction(iclass="Person", fields={}),
        StimulateAction(iclass="Incident", stimulus="ev_close"),
        DeleteAction(iclass="Person"),
        RelatedAction(iclass="Person"),
    ],
)
def test_only_a_get_may_mean_all_of_a_class(action):
    with pytest.raises(RequestError, match="which object"):
        action.describe()


# immutable


async def test_a_call_with_overrides_leaves_the_action_as_it_was(itop):
    before = PERSONS.describe()
    assert (await PERSONS(key=3)).total == 1
    assert PERSONS.describe() == before
    assert (await PERSONS()).total == 5


def test_an_action_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PERSONS.key = 3
    with pytest.raises(TypeError):
        GetAction(iclass="Person", key={"org_id": {"code": "EXC"}}).key["org_id"]["code"] = "OTH"


def test_what_it_was_made_from_may_change():
    output, fields = ["name"], {"name": "x", "list": [{"a": 1}]}
    get, create = GetAction(iclass="Person", output=output), CreateAction(iclass="Person", fields=fields)
    output.append("email")
    fields["list"][0]["a"] = 2
    assert get.describe()["output_fields"] == "name"
    assert create.describe()["fields"]["list"] == [{"a": 1}]


async def test_an_override_that_the_action_does_not_have_is_told():
    with pytest.raises(TypeError, match="kye"):
        await PERSONS(kye=3)


def test_a_password_is_not_shown():
    assert "hunter2" not in repr(CheckCredentialsAction(user="u", password="hunter2"))


# answers


async def test_answers_are_typed(itop):
    answer = await PERSONS()
    assert (answer.total, len(answer.objects)) == (5, 5)
    first = next(each for each in answer if each.key == 3)
    assert (first.iclass, first.fields["first_name"]) == ("Person", "Alice")


@pytest.mark.parametrize(
    "key", [2, "2", "SELECT Person WHERE name LIKE 'Call_r'", {"name": "Caller", "org_id": {"code": "EXC"}}]
)
async def test_a_key_may_be_an_id_a_query_or_attributes(itop, key):
    assert [each.key for each in await PERSONS(key=key)] == [2]


async def test_a_hostile_text_is_a_literal(itop):
    name = "O'Brien\\' OR 1=1 --"
    await CreateAction(iclass="Person", fields={"name": name, "first_name": "x", "org_id": 2})()
    for key in (oql.select("Person", oql.equals("name", name)), {"name": name}):
        assert [each.fields["name"] for each in await PERSONS(key=key)] == [name]


async def test_an_object_lives(itop):
    incident = {"org_id": {"code": "EXC"}, "title": "t", "description": "d"}
    created = await CreateAction(iclass="Incident", fields=incident, output=["id", "ref"])()
    (made,) = created
    assert (made.message, made.fields["ref"]) == ("created", "I-000001")
    await UpdateAction(iclass="Incident", key=made.key, fields={"urgency": 1})()
    solved = StimulateAction(iclass="Incident", stimulus="ev_autoresolve", output=["status"])
    (resolved,) = await solved(key=made.key, fields={"solution": "done"})
    assert resolved.fields["status"] == "resolved"
    delete = DeleteAction(iclass="Incident", key=made.key)
    assert (await delete(simulate=True)).total == 1
    assert (await delete()).total == 1
    assert (await delete()).total == 0


async def test_what_a_farm_impacts(itop):
    answer = await RelatedAction(iclass="Farm", key=7)()
    assert answer.relations == {"Farm::7": ("VirtualMachine::8",)}
    assert [each.fields["friendlyname"] for each in answer] == ["farm-1", "vm-01"]


async def test_credentials_and_operations_are_told(itop):
    check = CheckCredentialsAction(user="rest_agent", password="rest_agent")
    assert (await check()).authorized is True
    assert (await check(password="wrong")).authorized is False
    assert "core/get" in (await ListAction()()).operations


async def test_the_connection_given_wins_over_the_open_one(itop, simulator):
    async with serve(Simulator(sample=False)) as url, ITop(Connection(url, "admin", "admin")):
        assert (await PERSONS()).total == 0
        assert (await PERSONS(itop=itop)).total == 5


# errors


@pytest.mark.parametrize(
    ("action", "kind", "code"),
    [
        (GetAction(iclass="Persn"), RequestError, 100),
        (GetAction(iclass="Person", output=["nmae"]), FieldError, 100),
        (GetAction(iclass="Person", key="SELECT Person WHERE"), RequestError, 100),
        (UpdateAction(iclass="Person", key=999, fields={"name": "x"}), ObjectGoneError, 100),
        (CreateAction(iclass="Incident", fields={"org_id": {"code": "NO"}}), FieldError, 100),
    ],
)
async def test_permanent_errors_have_itops_code_and_message(itop, action, kind, code):
    with pytest.raises(kind) as caught:
        await action()
    assert isinstance(caught.value, PermanentError)
    assert caught.value.code == code
    assert str(caught.value)


async def test_a_stimulus_that_the_state_does_not_take_is_told(itop):
    (made,) = await CreateAction(iclass="Incident", fields={"org_id": 2, "title": "t", "description": "d"})()
    with pytest.raises(StimulusError) as caught:
        await StimulateAction(iclass="Incident", key=made.key, stimulus="ev_close")()
    assert caught.value.state == "new"


@pytest.mark.parametrize(
    ("user", "password", "kind"),
    [("admin", "wrong", CredentialsError), ("agent_norest", "agent_norest", CredentialsError)],
)
async def test_a_login_that_fails_is_transient(simulator, user, password, kind):
    async with serve(simulator) as url, ITop(Connection(url, user, password)):
        with pytest.raises(kind) as caught:
            await PERSONS()
    assert isinstance(caught.value, TransientError)


async def test_a_missing_right_is_told(simulator):
    async with serve(simulator) as url, ITop(Connection(url, "rest_only", "rest_only")):
        with pytest.raises(NotAllowedError, match="enough permissions"):
            await CreateAction(iclass="Incident", fields={})()


async def test_an_answer_that_does_not_come_is_uncertain(raw_server):
    async with raw_server(b"") as served, ITop(Connection(f"http://127.0.0.1:{served.port}", "u", "p")):
        with pytest.raises(NoReplyError) as caught:
            await PERSONS()
    assert isinstance(caught.value, UncertainError)


# pages


async def test_pages_give_every_object_once(itop):
    keys = [each.key async for each in PERSONS.pages(size=2)]
    assert sorted(keys) == [1, 2, 3, 4, 5]
    assert [each.key async for each in PERSONS.pages(size=2, key={"org_id": 3})] == []


async def test_pages_ask_no_more_often_than_needed(itop, simulator):
    assert len([each async for each in PERSONS.pages(size=5)]) == 5
    assert simulator.count("core/get") == 1


async def test_a_page_has_a_size(itop):
    with pytest.raises(RequestError, match="1 object or more"):
        [each async for each in PERSONS.pages(size=0)]


def objects(*keys):
    return tuple(Object("Person", key, {}, "") for key in keys)


def test_an_object_that_moves_to_a_later_page_is_given_once():
    pages = Pages(2)
    first = pages.take(Answer(None, objects(5, 4), 4))
    second = pages.take(Answer(None, objects(4, 3), 5))
    third = pages.take(Answer(None, objects(2), 5))
    assert [each.key for each in (*first, *second, *third)] == [5, 4, 3, 2]
    assert not pages.has_next


def test_an_empty_page_is_the_end_whatever_the_total_says():
    pages = Pages(2)
    pages.take(Answer(None, (), 100))
    assert not pages.has_next
