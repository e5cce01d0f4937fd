import json

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.simulator.seed import load_seed
from itop_bridge.simulator.simulator import Simulator

SEED = """
Organization:
  - {name: ACME, code: ACM}
Person:
  - {first_name: Ann, name: Able, org_id: {code: ACM}}
  - {first_name: Ben, name: Baker, org_id: SELECT Organization WHERE code = 'ACM'}
Team:
  - name: CSOC
    org_id: {code: ACM}
    persons_list: [{person_id: {name: Able}}, {person_id: {name: Baker}}]
Service:
  - {name: Monitoring, org_id: {code: ACM}}
ServiceSubcategory:
  - {name: SIEM, service_id: {name: Monitoring}}
Incident:
  - {org_id: {code: ACM}, title: already there, description: d}
users:
  - login: bridge
    password: secret
    profiles: [Support Agent, REST Services User]
    contact: {name: Able}
    organizations: [{code: ACM}]
"""


@pytest.fixture
def write(tmp_path):
    def write(seed):
        path = tmp_path / "seed.yaml"
        path.write_text(seed if isinstance(seed, str) else json.dumps(seed))
        return path

    return write


@pytest.mark.parametrize("sample", [True, False])
async def test_a_seed_adds_a_site_of_its_own(start, write, sample):
    simulator, _ = await start(sample=sample)
    load_seed(simulator, write(SEED))
    assert simulator.objects("Organization")[-1]["code"] == "ACM"
    members = simulator.objects("Team")[-1]["persons_list"]
    assert [link["person_id_friendlyname"] for link in members] == ["Ann Able", "Ben Baker"]
    assert simulator.objects("Incident")[0]["ref"] == "I-000001"
    assert len(simulator.objects("Organization")) == (4 if sample else 1)


async def test_a_user_of_the_seed_logs_in_and_sees_only_its_organisations(simulator, client, write):
    load_seed(simulator, write(SEED))
    await client.create()

    async def count(login, password):
        request = json.dumps({"operation": "core/get", "class": "Incident", "key": "SELECT Incident"})
        form = {"auth_user": login, "auth_pwd": password, "version": "1.3", "json_data": request}
        async with client.session.post(f"{client.url}/webservices/rest.php", data=form) as response:
            return (await response.json())["message"]

    assert await count("bridge", "secret") == "Found: 1"
    assert await count("bridge", "wrong") == "Error: Invalid login"
    assert await count("admin", "admin") == "Found: 2"
    assert simulator.open_session(simulator.accounts["bridge"]).user_login == "Ann Able"


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        ("a: [", "not valid YAML"),
        ("[]", "must be an object"),
        ({"Organization": {"name": "x"}}, "Organization: must be a list of objects"),
        ({"Planet": [{}]}, "Planet[0]: there is no such class"),
        ({"Organization": [{"name": "ok"}, {"colour": "red"}]}, "Organization[1]: colour: Unknown attribute"),
        ({"Organization": [{"code": "x"}]}, "Organization[0]: Unexpected value for attribute 'Name' (name)"),
        ({"Person": [{"org_id": {"code": "none"}}]}, "Person[0]: org_id: No item found with criteria"),
        ({"Ticket": [{}]}, "Ticket[0]: iTop itself would fail here"),
        ({"users": [{"login": "x"}]}, "users[0]: login and password must be texts"),
        ({"users": [{"login": "x", "pasword": "y"}]}, "users[0]: pasword: unknown; known are contact"),
        ({"users": [{"login": "x", "password": "y", "contact": 99}]}, "users[0]: Invalid object Person::99"),
        ({"users": [{"login": "x", "password": "y", "profiles": "z"}]}, "users[0]: profiles: must be a list"),
        ({"users": [{"login": "x", "password": "y", "organizations": 2}]}, "users[0]: organizations: must be a list"),
    ],
)
def test_what_is_wrong_with_a_seed_is_named(write, seed, problem):
    with pytest.raises(ConfigurationError) as caught:
        load_seed(Simulator(), write(seed))
    (told,) = caught.value.problems
    assert problem in told
    assert "seed.yaml: " in told


def test_all_that_is_wrong_is_named_at_once(write):
    with pytest.raises(ConfigurationError) as caught:
        load_seed(Simulator(), write({"Planet": [{}, {}], "users": [{}]}))
    assert len(caught.value.problems) == 3


def test_a_seed_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_seed(Simulator(), tmp_path / "none.yaml")


def test_an_empty_seed_changes_nothing(write):
    simulator = Simulator(sample=False)
    load_seed(simulator, write(""))
    assert simulator.objects("Organization") == []
