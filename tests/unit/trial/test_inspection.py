import contextlib

import pytest

from itop_bridge.delivery.survey import Question
from itop_bridge.intent import Texts, Writing
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.pace import Pacer
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.trial.finding import Verdict
from itop_bridge.trial.inspection import Account, Paced, Subject, examine_itop

WRITING = Writing(Texts("", "", "", "", "", ""), references=(("team_id", "Team", "SOC"),), resolution_code="other")
ACCOUNT = Account("the bridge", "address", "login")


def subject(organization="code:EXC", writing=WRITING, **policy):
    question = Question("wazuh", writing, lambda attribute: f"place of {attribute}")
    return Subject(question, Policy(**policy), organization, "place of the organisation", "place of resolve")


@contextlib.asynccontextmanager
async def itop(user="rest_agent", password=None):
    simulator = Simulator()
    async with serve(simulator) as url, Client(Connection(url, user=user, password=password or user)) as client:
        yield simulator, client


async def examine(simulator, client, *subjects):
    found = [each async for each in examine_itop(client, ACCOUNT, subjects)]
    assert not simulator.objects("Ticket"), "nothing is made"
    return found


def wrong(found):
    return {each.place: each.text for each in found if each.verdict is Verdict.WRONG}


async def test_an_itop_that_has_everything_is_told_point_by_point():
    async with itop() as (simulator, client):
        found = await examine(simulator, client, subject())
    assert {each.verdict for each in found} == {Verdict.OK}
    assert [each.place for each in found] == ["address", "place of the organisation", "place of team_id", "place of "]


@pytest.mark.parametrize("name", ["code:EXX", "name:Example", "id:99"])
async def test_an_organisation_that_is_not_there_is_wrong(name):
    async with itop() as (simulator, client):
        found = await examine(simulator, client, subject(name))
    assert "no organisation with the" in wrong(found)["place of the organisation"]


async def test_of_an_organisation_that_alerts_tell_it_is_told_how_many_there_are():
    async with itop() as (simulator, client):
        found = await examine(simulator, client, subject("code:{{ topic.org }}"))
    assert "the organisation of each alert is code:{{ topic.org }}; iTop shows this user 3 organ" in found[1].text
    assert found[1].verdict is Verdict.OK


async def test_what_a_route_writes_and_itop_has_not_is_wrong_where_it_is_set():
    writing = Writing(
        WRITING.texts,
        references=(("team_id", "Team", "CERT"), ("agent_id", "Person", "Nobody Here"), ("service_id", "Service", "x")),
        fields=(("impact", "9"),),
    )
    async with itop() as (simulator, client):
        found = wrong(await examine(simulator, client, subject(writing=writing)))
    assert set(found) == {"place of team_id", "place of agent_id", "place of service_id", "place of impact"}
    assert "no Team called 'CERT'" in found["place of team_id"]


async def test_a_class_that_is_not_there_is_wrong():
    writing = Writing(WRITING.texts, iclass="Incydent")
    async with itop() as (simulator, client):
        found = wrong(await examine(simulator, client, subject(writing=writing)))
    assert "no class Incydent" in found["place of "]


async def test_a_user_who_may_not_write_is_wrong():
    async with itop("rest_only") as (simulator, client):
        found = wrong(await examine(simulator, client, subject(writing=Writing(WRITING.texts))))
    assert "would not let the bridge create" in found["place of "]


async def test_a_stimulus_of_itops_own_is_well_and_another_cannot_be_told():
    async with itop() as (simulator, client):
        found = await examine(simulator, client, subject(resolve_path=("ev_assign", "ev_reslove")))
    own, other = (each for each in found if each.place == "place of resolve")
    assert (own.verdict, other.verdict) == (Verdict.OK, Verdict.UNKNOWN)
    assert other.text.endswith("did you mean ev_resolve?")


async def test_a_login_that_itop_refuses_is_wrong_and_ends_it():
    async with itop(password="no") as (simulator, client):
        [found] = await examine(simulator, client, subject())
    assert (found.verdict, found.place) == (Verdict.WRONG, "login")
    assert found.text.endswith("and that the user has the profile REST Services User")


async def test_an_itop_that_does_not_answer_is_unreached_and_ends_it():
    async with itop() as (simulator, client):
        simulator.faults.add(Fault("http_503"))
        [found] = await examine(simulator, client, subject())
    assert (found.verdict, found.place) == (Verdict.UNREACHED, "address")


async def test_an_itop_that_goes_away_meanwhile_is_unreached():
    async with itop() as (simulator, client):
        simulator.faults.add(Fault("http_503", operation="core/get"))
        found = await examine(simulator, client, subject())
    assert [each.verdict for each in found] == [Verdict.OK, Verdict.UNREACHED]


async def test_an_operation_that_its_api_has_not_is_wrong():
    async with itop() as (_, client):

        class Old(Paced):
            async def call(self, operation):
                answer = await super().call(operation)
                answer.operations.pop("core/apply_stimulus", None)
                return answer

        found = wrong([each async for each in examine_itop(Old(client, Pacer(1000.0)), ACCOUNT, [])])
    assert found == {"address": "itop: its REST API has no operation core/apply_stimulus"}


async def test_calls_are_as_far_apart_as_the_configuration_says():
    turns = []

    class Turns(Pacer):
        async def turn(self):
            turns.append(1)

    async with itop() as (_, client):
        await Paced(client, Turns(1.0)).check()
    assert turns == [1]
