from landing import PROFILE, fires, resolves

from itop_bridge.intent import Case
from itop_bridge.journal.landing import Owed


async def test_the_most_urgent_cases_come_first(cases):
    await cases.land(
        fires(1, "a", group="low", urgency=4), fires(2, "b", group="critical", urgency=1), fires(3, "c", group="high")
    )
    assert [case.id for case in await cases.journal.fetch_due(10)] == [2, 3, 1]


async def test_organisations_take_turns_oldest_first(cases):
    await cases.land(
        *[fires(n, f"a{n}", group=f"a{n}", org="BIG", received=1000.0 + n) for n in range(1, 5)],
        fires(5, "b", group="b", org="SMALL", received=2000.0),
    )
    cases.now = 3000.0
    assert [case.organization for case in await cases.journal.fetch_due(3)] == ["code:BIG", "code:SMALL", "code:BIG"]


async def test_every_tenth_turn_goes_to_the_oldest_of_all(cases):
    await cases.land(
        fires(1, "old", group="old", urgency=4, received=1.0),
        *[fires(n, f"a{n}", group=f"a{n}", urgency=1, received=1000.0 + n) for n in range(2, 30)],
    )
    cases.now = 3000.0
    order = [case.id for case in await cases.journal.fetch_due(12)]
    assert order.index(1) == 9


async def test_a_deferred_case_is_not_due(cases):
    await cases.land(fires(1))
    await cases.journal.defer(1, 5000.0, after=1)
    assert await cases.journal.fetch_due(10) == []
    assert await cases.journal.next_due() == 5000.0


async def test_a_decision_that_did_not_know_of_a_resolve_does_not_put_it_off(cases):
    await cases.land(fires(1))
    await cases.land(resolves(2))
    await cases.journal.defer(1, 5000.0, after=1)
    assert len(await cases.journal.fetch_due(10)) == 1


async def test_the_next_openings_are_those_of_due_cases_without_an_incident(cases):
    def told(n):
        case = Case("code:EXC", "r", ("generic", f"g{n}"))
        return (Owed("create", case.key, case.digest, case.organization, n, 2, b'{"host": "h%d"}' % n),)

    await cases.land(
        fires(1, "a", intents=told(3)),
        fires(2, "b", intents=told(1)),
        fires(3, "c", intents=told(1)),
        fires(4, "d", intents=told(2), group_wait_s=60.0),
        fires(5, "e", intents=told(4)),
    )
    await cases.journal.change(4, incident=7)
    openings = await cases.journal.fetch_openings(10)
    assert [opening.facts["host"] for opening in openings] == ["h1", "h3"], "one each, the most urgent first"
    assert {(opening.organization, opening.profile) for opening in openings} == {("code:EXC", PROFILE.hash)}
    assert len(await cases.journal.fetch_openings(1)) == 1
