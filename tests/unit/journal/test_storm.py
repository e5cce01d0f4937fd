import dataclasses

import pytest

from itop_bridge.alert import State
from itop_bridge.journal.landing import Element, Landing, Owed, Verdict
from itop_bridge.journal.store import Store
from itop_bridge.journal.storm import EndedStorm, StormCount, Umbrella, fetch_storm_count, fetch_umbrella
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.settings.policy import Storm

RULE = Storm(cases=2, within=60.0)


class Desk:
    """Lands alerts, each of a case of its own."""

    def __init__(self, store):
        self.store = store
        self.now = 1000.0
        self.event = 0
        self.journal = TriageJournal(store, lambda: self.now)

    async def land(self, *names, urgency=2, kind="create", route="r", org="o"):
        elements = []
        for name in names:
            self.event += 1
            owed = Owed(kind, f"{org} {name}", name, org, urgency, 2, b'{"title": "T"}')
            landing = Landing(
                f"{org}|{route}", name, State.FIRING, False, None, name, self.now, (owed,), "p", 0.0, 0.0, 0.0, route
            )
            elements.append(Element(self.event, 0, dataclasses.replace(landing, storm=RULE)))
        return await self.journal.record(elements, lambda _seen, _landing: Verdict("accept", "new"), through=self.event)

    async def rows(self, query, *values):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query, values)])

    async def cases(self):
        """The digests of ordinary cases, and how many are storms'."""
        found = await self.rows("SELECT digest, storm FROM cases ORDER BY id")
        return [digest for digest, storm in found if not storm], sum(storm for _, storm in found)


@pytest.fixture
async def desk(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    desk = Desk(store)
    await desk.journal.record_profile("p", "{}")
    yield desk
    await store.close()


async def test_the_case_above_the_rate_begins_a_storm(desk):
    assert (await desk.land("a", "b")).storms == []
    [(route, organization, case)] = (await desk.land("c", "d")).storms
    assert (route, organization) == ("r", "o")
    assert await desk.rows("SELECT digest FROM cases WHERE storm = 1") == [(case,)]
    assert await desk.cases() == (["a", "b"], 1)


async def test_what_opens_no_incident_is_not_sheltered(desk):
    await desk.land("a", "b", "c")
    await desk.land("d", kind="append")
    assert (await desk.cases())[0] == ["a", "b", "d"]


async def test_the_most_urgent_begin_no_storm_and_are_not_sheltered(desk):
    await desk.land("a", "b", "c", "d", urgency=1)
    assert await desk.cases() == (["a", "b", "c", "d"], 0)
    await desk.land("e")
    await desk.land("f", urgency=1)
    assert await desk.cases() == (["a", "b", "c", "d", "f"], 1)


async def test_other_routes_and_organisations_are_left_alone(desk):
    await desk.land("a", "b", "c")
    await desk.land("d", route="other")
    await desk.land("e", org="other")
    assert (await desk.cases())[0] == ["a", "b", "d", "e"]


async def test_a_storm_is_over_when_fewer_came_for_the_time(desk):
    await desk.land("a", "b", "c")
    desk.now += 61.0
    await desk.land("d")
    assert await desk.cases() == (["a", "b", "d"], 1)


async def test_the_end_of_a_storm_is_told_once_with_what_it_took(desk):
    assert await desk.journal.settle_storms() == ([], False)
    [(_, _, case)] = (await desk.land("a", "b", "c", "d")).storms
    desk.now += 50.0
    await desk.land("e", "f", "g")
    desk.now += 50.0
    assert await desk.journal.settle_storms() == ([], True)
    desk.now += 10.0
    assert await desk.journal.settle_storms() == ([EndedStorm("r", "o", case, 5, 110.0)], False)
    assert await desk.journal.settle_storms() == ([], False)


async def test_a_storm_goes_on_while_too_many_come(desk):
    await desk.land("a", "b", "c")
    desk.now += 50.0
    await desk.land("d", "e", "f")
    desk.now += 50.0
    await desk.land("g")
    assert await desk.cases() == (["a", "b"], 1)


async def test_each_case_counts_once(desk):
    await desk.land("a", "b", "c", "c", "c")
    (case_id,) = (await desk.rows("SELECT case_id FROM storms"))[0]
    assert await desk.store.read(lambda sql: fetch_storm_count(sql, case_id, 2**62)) == StormCount(1, (("T", 3),))


async def test_the_incident_is_that_of_the_storm_that_holds(desk):
    async def umbrella():
        return await desk.store.read(lambda sql: fetch_umbrella(sql, 1, desk.now))

    await desk.land("a", "b", "c")
    assert await umbrella() is None, "its incident is not made yet"
    await desk.store.write(
        lambda sql: sql.execute("UPDATE cases SET ref = 'I-1', incident = 1 WHERE storm = 1").rowcount
    )
    assert await umbrella() == Umbrella(1, "I-1")
    desk.now += 61.0
    assert await umbrella() is None


async def test_what_is_known_of_a_storm_goes_with_its_case(desk):
    await desk.land("a", "b", "c")
    for table in ("intents", "alerts"):
        await desk.store.write(lambda sql, table=table: sql.execute(f"DELETE FROM {table}").rowcount)
    await desk.store.write(lambda sql: sql.execute("DELETE FROM cases WHERE storm = 1").rowcount)
    assert await desk.rows("SELECT (SELECT count(*) FROM storms) + (SELECT count(*) FROM sheltered)") == [(0,)]
