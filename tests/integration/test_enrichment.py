"""The CI of a new incident, from the alert to what stands in iTop: delivery on a real journal against the simulator."""

import contextlib
import json

import pytest
from rig import Rig, profile_of

from itop_bridge.simulator.draft import make_defaults
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.sample import fill_store
from itop_bridge.simulator.schema import load_datamodel
from itop_bridge.simulator.store import Row, Store

EXC, OTH = 2, 3
CMDB = {"match": {"name": "host", "managementip": "source"}}
MINUTE = 60.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@contextlib.asynccontextmanager
async def site(path, cmdb=CMDB, **settings):
    async with Rig.open(path, profile_of(cmdb=cmdb, **settings)) as rig:
        yield rig


def add(rig, iclass, **values):
    """A CI in iTop; its id."""
    model = rig.simulator.store.datamodel[iclass]
    return rig.simulator.store.insert(Row(0, model, {**make_defaults(model), **values})).id


def change(rig, iclass, object_id, **values):
    rig.simulator.store.get(iclass, object_id).values |= values


def remodel(rig, tmp_path, changes):
    """Another data model, before anything happened."""
    model = tmp_path / "model.json"
    model.write_text(json.dumps(changes))
    rig.simulator.store = Store(load_datamodel("3.2", "itil", model))
    fill_store(rig.simulator.store)


def attached(incident):
    return [link["functionalci_name"] for link in incident["functionalcis_list"] if link["impact_code"] == "manual"]


def look_ups(rig):
    classes = ("FunctionalCI", "Server", "VirtualMachine", "NoSuchClass")
    return [each for each in rig.simulator.calls if each.operation == "core/get" and each.iclass in classes]


def on_servers(request):
    return request.get("class") == "Server"


# what is found


async def test_the_alerts_machine_is_attached(path):
    async with site(path) as rig:
        await rig.fires(host="srv-02")
        await rig.settle()
        assert attached(rig.incident()) == ["srv-02"]
        assert "<td>srv-02 (Server, criticality low)</td>" in rig.incident()["description"]
        assert "No CI" not in rig.entries()[0]


async def test_nothing_is_looked_up_where_the_route_does_not_ask_for_it(path):
    async with site(path, cmdb=None) as rig:
        await rig.fires(host="srv-02")
        await rig.settle()
        assert attached(rig.incident()) == []
        assert look_ups(rig) == []


@pytest.mark.parametrize(
    ("host", "source"), [("SRV-02", None), ("nobody", "10.1.0.2"), (None, "10.1.0.2"), ("srv-02 ", "10.1.0.4")]
)
async def test_the_first_attribute_that_finds_anything_decides(path, host, source):
    async with site(path) as rig:
        await rig.fires(host=host, source=source)
        await rig.settle()
        assert attached(rig.incident()) == ["srv-02"]


async def test_a_host_with_its_domain_is_found_by_its_short_name(path):
    async with site(path, {"match": {"name": ["host", "short_host"]}}) as rig:
        await rig.fires(host="vm-01.example.com")
        await rig.settle()
        assert attached(rig.incident()) == ["vm-01"]


async def test_a_machine_must_have_what_the_route_wants_besides(path):
    async with site(path, {"where": {"status": "production"}}) as rig:
        change(rig, "Server", 2, status="stock")
        await rig.fires(host="srv-02", group="a")
        await rig.fires("a2", host="srv-03", group="b")
        await rig.settle()
        assert sorted(map(attached, rig.incidents)) == [[], ["srv-03"]]


async def test_a_high_criticality_raises_the_urgency_by_one_and_the_case_knows(path):
    async with site(path) as rig:
        await rig.fires(host="srv-04", urgency=3)
        await rig.settle()
        assert rig.incident()["urgency"] == "2"
        rig.advance(10 * MINUTE)
        await rig.fires("a2", host="srv-04", urgency=1)
        await rig.settle()
        assert rig.incident()["urgency"] == "1", "what we wrote is still ours to raise"


@pytest.mark.parametrize(("criticality", "before", "after"), [("high", 1, "1"), ("medium", 3, "3"), ("low", 2, "2")])
async def test_the_urgency_is_never_lowered(path, criticality, before, after):
    async with site(path) as rig:
        change(rig, "Server", 2, business_criticity=criticality)
        await rig.fires(host="srv-02", urgency=before)
        await rig.settle()
        assert rig.incident()["urgency"] == after


async def test_a_site_may_leave_the_urgency_alone(path):
    async with site(path, {"raise_urgency": False}) as rig:
        await rig.fires(host="srv-04", urgency=3)
        await rig.settle()
        assert attached(rig.incident()) == ["srv-04"]
        assert rig.incident()["urgency"] == "3"


SUPPORT_TEAM = {"attributes": {"supportteam_id": {"kind": "key", "label": "Support", "target": "Team"}}}


async def test_the_machines_team_takes_the_place_of_the_configured_one(path, tmp_path):
    async with site(path, {"team": "supportteam_id", "classes": ["Server"]}, team="SOC") as rig:
        remodel(rig, tmp_path, {"Server": SUPPORT_TEAM})
        team = add(rig, "Team", name="Unix", org_id=EXC)
        change(rig, "Server", 2, supportteam_id=team)
        await rig.fires(host="srv-02", group="a")
        await rig.fires("a2", host="srv-03", group="b")
        await rig.settle()
        assert sorted(incident["team_name"] for incident in rig.incidents) == ["SOC", "Unix"]


async def test_a_recurrence_that_opens_a_new_incident_has_its_machine_too(path):
    async with site(path) as rig:
        await rig.fires(host="srv-02")
        await rig.settle()
        rig.simulator.person("Alice Agent").close(rig.incident()["id"])
        rig.advance(10 * MINUTE)
        await rig.fires("a2", host="srv-03")
        await rig.settle()
        assert sorted(map(attached, rig.incidents)) == [["srv-02"], ["srv-03"]]


# tenants and attackers


async def test_a_machine_of_another_organisation_is_never_attached(path):
    async with site(path) as rig:
        add(rig, "Server", name="db-1", org_id=OTH, managementip="10.9.0.1", business_criticity="high")
        await rig.fires(host="db-1", source="10.9.0.1", urgency=3, org="EXC")
        await rig.settle()
        assert attached(rig.incident()) == []
        assert rig.incident()["urgency"] == "3"
        assert "has no Server or VirtualMachine of this organisation with name db-1" in rig.entries()[0]


async def test_tenants_in_one_call_each_get_their_own_machine(path):
    async with site(path) as rig:
        theirs = add(rig, "Server", name="srv-02", org_id=OTH, managementip="10.9.0.1")
        await rig.fires(host="srv-02", org="EXC")
        await rig.fires(host="srv-02", org="OTH")
        await rig.settle()
        links = {
            incident["org_id"]: [link["functionalci_id"] for link in incident["functionalcis_list"]]
            for incident in rig.incidents
        }
        assert links == {"2": ["2"], "3": [str(theirs)]}
        assert len(look_ups(rig)) == 2


HOSTILE = ["' OR 1=1 -- ", "srv-02' OR name != '", "\\' OR '1'='1", "srv-02\\", "x') UNION SELECT Server WHERE ('1'='1"]


@pytest.mark.parametrize("host", HOSTILE)
async def test_a_host_is_a_literal_and_finds_nothing_else(path, host):
    async with site(path) as rig:
        await rig.fires(host=host)
        await rig.settle()
        assert attached(rig.incident()) == []
        assert {call.code for call in look_ups(rig)} == {0}
        assert "has no Server" in rig.entries()[0]


@pytest.mark.parametrize("host", ["srv-0%", "srv-*", "srv\n-02", "srv-02\x00", "srv-02\u202e", "x" * 300])
async def test_a_host_that_no_name_is_like_is_not_looked_up_and_that_is_said(path, host):
    async with site(path, {"match": {"name": "host"}}) as rig:
        await rig.fires(host=host)
        await rig.settle()
        assert look_ups(rig) == []
        assert "No CI is attached: no name or address is like the alert's host." in rig.entries()[0]


async def test_what_itop_finds_by_leaving_accents_out_is_not_the_alerts_machine(path):
    async with site(path) as rig:
        await rig.fires(host="srv-dúp")
        await rig.settle()
        assert attached(rig.incident()) == []


async def test_the_machine_is_never_in_the_key_of_the_case(path):
    async with site(path) as rig:
        await rig.fires(host="srv-02")
        await rig.fires("a2", host="srv-03")
        await rig.settle()
        assert len(rig.incidents) == 1
        assert attached(rig.incident()) == ["srv-02"], "of the alert that the incident is opened with"


# what is not found


async def test_one_of_two_is_not_guessed(path):
    async with site(path) as rig:
        await rig.fires(host=None, source="10.1.0.1", urgency=3)
        await rig.settle()
        assert attached(rig.incident()) == []
        told = rig.entries()[0]
        assert "iTop has several with managementip 10.1.0.1: srv-01 (Server), srv-dup (Server)." in told


async def test_two_classes_may_hold_one_name_each(path):
    async with site(path) as rig:
        add(rig, "VirtualMachine", name="srv-02", org_id=EXC, virtualhost_id=7)
        await rig.fires(host="srv-02")
        await rig.settle()
        assert attached(rig.incident()) == []
        assert "several with name srv-02" in rig.entries()[0]


async def test_a_machine_that_two_classes_show_is_one(path):
    async with site(path, {"classes": ["FunctionalCI", "Server"]}) as rig:
        await rig.fires(host="srv-02")
        await rig.settle()
        assert attached(rig.incident()) == ["srv-02"]


async def test_an_alert_that_names_no_machine_opens_its_incident_and_says_so(path):
    async with site(path) as rig:
        await rig.fires(host=None)
        await rig.settle()
        assert look_ups(rig) == []
        assert "No CI is attached: the alert has no host or source." in rig.entries()[0]


# what goes wrong


async def test_a_look_up_that_is_refused_costs_the_machine_and_nothing_else(path):
    async with site(path, {"classes": ["NoSuchClass", "Server"]}) as rig:
        await rig.fires(host="srv-02", group="a")
        await rig.fires("a2", host="srv-03", group="b")
        await rig.settle()
        assert list(map(attached, rig.incidents)) == [[], []]
        assert "No CI is attached: it could not be looked up in iTop." in rig.entries(rig.incidents[0])[0]
        assert "cmdb_unavailable" in rig.alarms.active
        assert await rig.dead_letters() == []
        assert len(look_ups(rig)) == 1, "what is wrong for good is not tried again"


async def test_a_look_up_that_fails_once_is_tried_again(path):
    async with site(path) as rig:
        rig.simulator.faults.add(Fault(Kind.HTTP_500, when=on_servers))
        await rig.fires(host="srv-02")
        await rig.settle()
        assert attached(rig.incident()) == ["srv-02"]
        assert "cmdb_unavailable" not in rig.alarms.active


async def test_a_look_up_that_fails_twice_is_left_out_for_some_minutes(path):
    async with site(path) as rig:
        fault = rig.simulator.faults.add(Fault(Kind.HTTP_500, times=None, when=on_servers))
        for number in range(5):
            await rig.fires(f"a{number}", host="srv-02", group=f"g{number}")
            await rig.settle()
        assert list(map(attached, rig.incidents)) == [[]] * 5
        assert fault.hits == 2
        assert "cmdb_unavailable" in rig.alarms.active
        rig.simulator.faults.clear()
        rig.advance(6 * MINUTE)
        await rig.fires("b", host="srv-02", group="b")
        await rig.settle()
        assert attached(rig.incidents[-1]) == ["srv-02"]
        assert "cmdb_unavailable" not in rig.alarms.active


async def test_a_reload_tries_at_once(path):
    async with site(path) as rig:
        rig.simulator.faults.add(Fault(Kind.HTTP_500, times=2, when=on_servers))
        await rig.fires(host="srv-02", group="a")
        await rig.settle()
        await rig.delivery.release()
        await rig.fires("a2", host="srv-02", group="b")
        await rig.settle()
        assert sorted(map(attached, rig.incidents)) == [[], ["srv-02"]]


async def test_an_itop_that_goes_away_at_the_look_up_delays_and_loses_nothing(path):
    async with site(path) as rig:
        down = Fault(Kind.REFUSE, times=2, when=lambda request: on_servers(request) or "class" not in request)
        rig.simulator.faults.add(down)
        await rig.fires(host="srv-02")
        for _ in range(10):
            await rig.settle()
            await rig.gate.wait_open()
        assert down.hits == 2
        assert attached(rig.incident()) == ["srv-02"]
        made = [(call.operation, call.iclass) for call in rig.simulator.calls]
        before = made[: made.index(("core/create", "Incident"))]
        assert before.count(("core/get", "Incident")) == 2, "what was read before iTop went away is read again"


async def test_a_machine_that_itop_refuses_is_left_out_and_said(path):
    async with site(path) as rig:
        await rig.fires(host="srv-02", group="a")
        await rig.settle()
        rig.simulator.store.delete(rig.simulator.store.get("Server", 2))  # what is remembered is not there any more
        await rig.fires("a2", host="srv-02", group="b", urgency=1)
        await rig.fires("a3", host="srv-03", group="c")
        await rig.settle()
        told = {tuple(attached(incident)): rig.entries(incident)[0] for incident in rig.incidents[1:]}
        assert sorted(told) == [(), ("srv-03",)], "others are not concerned"
        assert "No CI is attached: iTop refused srv-02 (Server)." in told[()]
        assert "reference_refused" in rig.alarms.active
        assert await rig.dead_letters() == []


async def test_a_team_of_the_machine_that_itop_refuses_leaves_the_configured_one(path, tmp_path):
    async with site(path, {"team": "supportteam_id", "classes": ["Server"]}, team="SOC") as rig:
        remodel(rig, tmp_path, {"Server": SUPPORT_TEAM})
        change(rig, "Server", 2, supportteam_id=99)
        await rig.fires(host="srv-02")
        await rig.settle()
        assert rig.incident()["team_name"] == "SOC"
        assert "No CI is attached: iTop refused srv-02 (Server)." in rig.entries()[0]


# what it costs


async def test_what_was_found_is_remembered_for_a_while_and_what_was_not_too(path):
    async with site(path, {"cache": "10m"}) as rig:
        for number, host in enumerate(["srv-02", "nobody", "srv-02", "nobody"]):
            await rig.fires(f"a{number}", host=host, group=f"g{number}")
            await rig.settle()
        assert len(look_ups(rig)) == 4, "a call for each class and host"
        add(rig, "Server", name="nobody", org_id=EXC)
        rig.advance(11 * MINUTE)
        await rig.fires("b", host="nobody", group="b")
        await rig.settle()
        assert attached(rig.incidents[-1]) == ["nobody"]


async def test_a_storm_of_new_machines_costs_a_handful_of_look_ups(path):
    async with site(path) as rig:
        for number in range(300):
            await rig.fires(f"a{number}", host=f"host-{number}", source="10.1.0.2", group=f"g{number}")
        await rig.settle()
        assert len(rig.incidents) == 300
        assert {tuple(attached(incident)) for incident in rig.incidents} == {("srv-02",)}
        assert len(look_ups(rig)) <= 4


async def test_a_crash_between_look_up_and_answer_makes_no_second_incident(path):
    async with site(path) as rig:
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await rig.fires(host="srv-04", urgency=3)
        await rig.deliver()
        await rig.crash()
        rig.advance(2 * MINUTE)
        await rig.settle()
        assert attached(rig.incident()) == ["srv-04"]
        rig.advance(10 * MINUTE)
        await rig.fires("a2", host="srv-04", urgency=1)
        await rig.settle()
        assert rig.incident()["urgency"] == "1", "the raised urgency is known although its answer was lost"
