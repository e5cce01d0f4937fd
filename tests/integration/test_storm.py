"""Above a rate of new cases one incident takes the alerts of what would be further ones."""

import pytest
from rig import Rig, profile_of

from itop_bridge.journal.storm import Umbrella
from itop_bridge.settings.policy import Policy, Storm
from itop_bridge.simulator.fault import Fault, Kind

MINUTE = 60.0
RULE = Storm(cases=5, within=5 * MINUTE)


@pytest.fixture
async def rig(tmp_path):
    async with Rig.open(tmp_path / "journal.db", profile_of(Policy(storm=RULE))) as opened:
        yield opened


async def storm(rig, count, *, first=0, **facts):
    """So many alerts, each of a case of its own."""
    for number in range(first, first + count):
        await rig.fires(f"a{number}", **{"group": f"g{number}", "title": f"Scan {number % 7}", **facts})


def umbrella(rig):
    (found,) = [each for each in rig.incidents if "Alert storm" in each["title"]]
    return found


async def everything_told(rig):
    """Nothing is owed, and nothing was written twice."""
    assert {state for state, _ in await rig.intents()} == {"delivered"}
    assert set(rig.tokens().values()) == {1}


async def test_below_the_rate_each_case_has_its_incident(rig):
    await storm(rig, 5)
    await rig.settle()
    assert len(rig.incidents) == 5


async def test_above_the_rate_one_more_incident_takes_the_rest(rig):
    await storm(rig, 200)
    await rig.settle()
    assert len(rig.incidents) == 6
    assert "more than 5 new cases in 5m of route wazuh" in umbrella(rig)["title"]
    await everything_told(rig)


async def test_it_tells_the_count_the_commonest_titles_and_at_most_twenty_alerts(rig):
    await storm(rig, 200)
    await rig.settle()
    (entry,) = rig.entries(umbrella(rig))
    assert "195 further new cases so far" in entry
    assert "Scan 0 (28)" in entry
    assert entry.count("\n- ") == 20


async def test_further_alerts_of_a_sheltered_case_go_there_too(rig):
    await storm(rig, 10)
    await rig.settle()
    await rig.fires("b", group="g9")
    rig.advance(5 * MINUTE + 1)
    await rig.settle()
    assert len(rig.incidents) == 6
    assert "5 further new cases so far" in rig.entries(umbrella(rig))[-1]


async def test_cases_that_are_there_go_on_as_usual(rig):
    await storm(rig, 20)
    await rig.settle()
    await rig.resolves("a2", group="g2")
    await rig.settle(31.0)
    await rig.settle(31.0)
    resolved = [each for each in rig.incidents if each["status"] == "resolved"]
    assert len(resolved) == 1
    assert umbrella(rig)["status"] == "new"


async def test_the_most_urgent_alerts_have_incidents_of_their_own(rig):
    await storm(rig, 10)
    await rig.settle()
    known = {each["ref"] for each in rig.incidents}
    await storm(rig, 3, first=100, urgency=1)
    await rig.settle()
    own = [each for each in rig.incidents if each["ref"] not in known]
    assert len(own) == 3
    for incident in own:
        (entry,) = rig.entries(incident)
        assert f"Amid a storm of new cases, which {umbrella(rig)['ref']} tells of." in entry


@pytest.mark.parametrize("link", [False, True])
async def test_incidents_made_meanwhile_are_linked_where_the_route_says_so(tmp_path, link):
    policy = Policy(storm=Storm(cases=5, within=5 * MINUTE, link=link))
    async with Rig.open(tmp_path / "linked.db", profile_of(policy)) as rig:
        await storm(rig, 10)
        await rig.settle()
        await storm(rig, 1, first=100, urgency=1)
        await rig.settle()
        children = [each for each in rig.incidents if int(each["parent_incident_id"] or 0) == umbrella(rig)["id"]]
        assert len(children) == (1 if link else 0)


async def test_an_itop_that_takes_no_parent_gets_the_incident_without_it(tmp_path, monkeypatch):
    async def fetch(*_):
        return Umbrella(99_999, "I-099999")

    monkeypatch.setattr("itop_bridge.journal.delivery.DeliveryJournal.fetch_umbrella", fetch)
    policy = Policy(storm=Storm(cases=5, within=5 * MINUTE, link=True))
    async with Rig.open(tmp_path / "linked.db", profile_of(policy)) as rig:
        await storm(rig, 10)
        await rig.settle()
        await storm(rig, 1, first=100, urgency=1)
        await rig.settle()
        assert len(rig.incidents) == 7
        assert "reference_refused" in rig.alarms.active


async def test_a_resolve_follows_its_alert_and_the_last_one_resolves_the_incident(rig):
    await storm(rig, 8)
    await rig.settle()
    for number in (5, 6):
        await rig.resolves(f"a{number}", group=f"g{number}")
    rig.advance(6 * MINUTE)
    await rig.settle()
    assert umbrella(rig)["status"] == "new"
    await rig.resolves("a7", group="g7")
    await rig.settle()
    assert umbrella(rig)["status"] == "resolved"
    await everything_told(rig)


async def test_an_alert_that_fires_anew_without_having_ended_stays_there(rig):
    await storm(rig, 6)
    await rig.settle()
    rig.advance(6 * MINUTE)
    await rig.fires("a5", group="g5")
    await rig.resolves("a5", group="g5")
    await rig.settle()
    assert len(rig.incidents) == 6
    assert umbrella(rig)["status"] == "resolved"


async def test_when_fewer_came_for_the_time_new_cases_have_incidents_again(rig):
    await storm(rig, 10)
    await rig.settle()
    rig.advance(6 * MINUTE)
    await storm(rig, 2, first=50)
    await rig.settle()
    assert len(rig.incidents) == 8
    assert "g50" not in str(rig.entries(umbrella(rig)))


async def test_while_many_come_it_goes_on(rig):
    for first in range(0, 120, 4):
        await storm(rig, 4, first=first)
        rig.advance(MINUTE)
    await rig.settle()
    assert len(rig.incidents) == 6


async def test_a_later_storm_has_an_incident_of_its_own(rig):
    await storm(rig, 20)
    await rig.settle()
    rig.advance(30 * MINUTE)
    await storm(rig, 20, first=500)
    await rig.settle()
    assert len([each for each in rig.incidents if "Alert storm" in each["title"]]) == 2
    assert len(rig.incidents) == 12


async def test_organisations_have_storms_of_their_own(rig):
    await storm(rig, 10)
    await storm(rig, 3, first=50, org="OTH")
    await rig.settle()
    others = [each for each in rig.incidents if each["org_id"] != umbrella(rig)["org_id"]]
    assert len(others) == 3


async def test_an_alert_that_opens_nothing_begins_no_storm(rig):
    await storm(rig, 5)
    for number in range(20):
        await rig.resolves(f"r{number}", group=f"r{number}")
    await rig.settle()
    assert len(rig.incidents) == 5


async def test_a_restart_in_the_middle_changes_nothing(rig):
    await storm(rig, 8)
    await rig.settle()
    await rig.crash()
    await storm(rig, 8, first=20)
    rig.advance(6 * MINUTE)
    await rig.settle()
    assert len(rig.incidents) == 6
    assert "11 further new cases so far" in rig.entries(umbrella(rig))[-1]
    await everything_told(rig)


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
async def test_an_umbrella_of_unknown_outcome_is_made_once(rig, kind):
    await storm(rig, 5)
    await rig.settle()
    rig.simulator.faults.add(Fault(kind, operation="core/create"))
    await storm(rig, 8, first=5)
    await rig.deliver()
    await rig.crash()
    rig.advance(3 * MINUTE)
    await rig.settle()
    assert len(rig.incidents) == 6
    rig.advance(MINUTE)
    await rig.settle()
    await everything_told(rig)


async def test_what_an_attacker_names_an_alert_stays_one_line(rig):
    await storm(rig, 10, title="<b>x</b>\n[sb:0123456789abcdef]")
    await rig.settle()
    (entry,) = rig.entries(umbrella(rig))
    assert "Most often: <b>x</b> [sb:0123456789abcdef] (5)." in entry


async def test_without_the_rule_there_is_no_storm(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        await storm(rig, 30)
        await rig.settle()
        assert len(rig.incidents) == 30
