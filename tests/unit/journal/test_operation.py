import contextlib
import dataclasses
import sqlite3

import pytest
from landing import PROFILE, fires

from itop_bridge.alert import Event
from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.landing import Element
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.schema import load_migrations
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Rejected
from itop_bridge.triage.repeat import decide_landing, decide_retry

REJECTED = Rejected("no_route", "d", "topic")


class Rig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.woken = []
        self.triage = TriageJournal(store, self.clock)
        self.journal = DeliveryJournal(store, self.clock)
        self.operations = Operations(
            store, self.clock, lambda: self.woken.append("due"), lambda: self.woken.append("retry")
        )

    def clock(self):
        return self.now

    async def land(self, *elements):
        await self.triage.record_profile(PROFILE.hash, PROFILE.body)
        await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def open_incident(self, case_id=1):
        """Deliver what the case owes with a create."""
        draft = Draft(case_id, "create", f"{case_id:016x}", None, 99, f"e\n[sb:{case_id:016x}]", {})
        attempt = await self.journal.record_attempt(draft)
        changes = {"incident": case_id, "ref": f"I-{case_id}"}
        await self.journal.settle(
            Settlement(case_id, 99, "delivered", "create", attempt.id, "confirmed", None, changes)
        )

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


@pytest.fixture
def rig(store):
    return Rig(store)


async def test_an_elements_letter_waits_for_triage(rig):
    await rig.land(Element(1, 0, REJECTED))
    assert await rig.operations.retry_letters([1, 2]) == 1
    assert rig.woken == ["retry", "due"]
    assert await rig.rows("SELECT state, settled FROM dead_letters") == [("retrying", None)]
    (retry,) = await rig.triage.fetch_retries(10, 1000)
    assert (retry.letter, retry.event_id, retry.index, retry.event) == (1, 1, 0, None)


async def test_what_is_not_open_is_left_alone(rig):
    await rig.land(Element(1, 0, REJECTED), Element(2, 0, REJECTED))
    await rig.operations.retry_letters([1])
    await rig.operations.drop_letters([2])
    rig.woken.clear()
    assert await rig.operations.retry_letters([1, 2]) == 0
    assert await rig.operations.drop_letters([1, 2]) == 0
    assert rig.woken == []


async def test_an_element_that_has_landed_already_is_settled_without_another_intent(rig):
    await rig.land(Element(1, 0, REJECTED), Element(2, 0, REJECTED))
    await rig.operations.retry_letters([1, 2])
    retries = await rig.triage.fetch_retries(10, 1000)
    event = Event(1, b"t", b"{}", 1.0)
    (first, second) = (dataclasses.replace(retry, event=event) for retry in retries)
    await rig.land(fires(1))
    tally = await rig.triage.record_retries([(first, [fires(1)]), (second, [fires(2)])], decide_retry, routes=())
    assert tally.accepted == 1
    again = await rig.triage.record_retries([(first, [fires(1)]), (second, [fires(2)])], decide_retry, routes=())
    assert again.accepted == 0
    assert await rig.rows("SELECT event_id, idx, n FROM intents ORDER BY seq") == [(1, 0, 0), (2, 0, 0)]
    assert await rig.rows("SELECT state FROM dead_letters") == [("retried",)] * 2


def test_a_journal_of_version_1_knows_its_routes_afterwards():
    first, second, *_ = load_migrations()
    with contextlib.closing(sqlite3.connect(":memory:")) as sql:
        sql.executescript(first)
        sql.execute("INSERT INTO profiles VALUES (?, ?)", (PROFILE.hash, PROFILE.body))
        sql.execute(
            "INSERT INTO cases (key, digest, organization, profile, opened) VALUES ('k', 'd', 'o', ?, 1)",
            (PROFILE.hash,),
        )
        sql.execute("INSERT INTO dead_letters (case_id, reason, detail, at) VALUES (1, 'poison', 'd', 1)")
        sql.execute("INSERT INTO dead_letters (event_id, idx, reason, detail, at) VALUES (1, 0, 'no_route', 'd', 1)")
        sql.executescript(second)
        assert sql.execute("SELECT route FROM cases").fetchall() == [("r",)]
        assert sql.execute("SELECT route FROM dead_letters ORDER BY id").fetchall() == [("r",), (None,)]


async def test_a_parked_case_has_its_turn_at_once(rig):
    await rig.land(fires(1))
    await rig.journal.park(1, "poison", "d", None)
    assert await rig.operations.retry_letters([1]) == 1
    (case,) = await rig.journal.fetch_due(10)
    assert (case.parked, case.failures) == (None, 0)
    assert await rig.rows("SELECT state, settled, route FROM dead_letters") == [("retried", 1000.0, "r")]


async def test_a_dropped_case_owes_nothing_and_takes_what_comes(rig):
    await rig.land(fires(1))
    await rig.journal.park(1, "poison", "d", None)
    await rig.land(fires(2, "b"))
    assert await rig.operations.drop_letters([1]) == 1
    assert await rig.rows("SELECT state, reason FROM intents") == [("dropped", "dead_letter_dropped")] * 2
    assert await rig.rows("SELECT due, oldest, rank, parked FROM cases") == [(None, None, 4, None)]
    await rig.land(fires(3, "c"))
    assert [case.id for case in await rig.journal.fetch_due(10)] == [1]


async def test_a_letter_of_a_case_that_is_parked_no_more_drops_nothing(rig):
    await rig.land(fires(1))
    await rig.journal.park(1, "poison", "d", None)
    await rig.store.write(lambda sql: sql.execute("UPDATE cases SET parked = NULL").rowcount)
    assert await rig.operations.drop_letters([1]) == 1
    assert await rig.rows("SELECT state FROM intents") == [("pending",)]


async def test_a_lost_entry_is_looked_for_now(rig):
    await rig.land(fires(1))
    await rig.journal.record_lost(await lost(rig))
    assert await rig.journal.fetch_looks(10) == []
    rig.now = 5000.0
    assert await rig.operations.retry_letters([1]) == 1
    (look,) = await rig.journal.fetch_looks(10)
    assert (look.state, look.looks, look.look) == ("applied", 0, 5000.0)


async def lost(rig):
    draft = Draft(1, "append", "f" * 16, 1, 99, "entry\n[sb:ffff]", {})
    return await rig.journal.record_attempt(draft)


async def test_a_lost_entry_whose_attempt_is_gone_stays(rig):
    await rig.land(fires(1))
    await rig.journal.record_lost(await lost(rig))
    await rig.store.write(lambda sql: sql.execute("DELETE FROM attempts").rowcount)
    assert await rig.operations.retry_letters([1]) == 0
    assert await rig.rows("SELECT state FROM dead_letters") == [("open",)]


async def test_a_dropped_entry_leaves_its_case_alone(rig):
    await rig.land(fires(1))
    await rig.journal.record_lost(await lost(rig))
    await rig.journal.park(1, "poison", "d", None)
    assert await rig.operations.drop_letters([1]) == 1
    assert await rig.rows("SELECT parked FROM cases") == [("poison",)]


# pauses


async def test_a_pause_begins_and_ends_once(rig):
    assert await rig.operations.pause("r")
    rig.now = 2000.0
    assert not await rig.operations.pause("r")
    assert await rig.operations.pause(None)
    assert await rig.operations.fetch_pauses() == {"*": 2000.0, "r": 1000.0}
    assert await rig.operations.resume(None)
    assert not await rig.operations.resume(None)
    assert await rig.operations.fetch_pauses() == {"r": 1000.0}
    assert set(rig.woken) == {"due"}


@pytest.mark.parametrize(("route", "held"), [("r", True), ("other", False), (None, True)])
async def test_what_is_paused_is_neither_taken_nor_due(rig, route, held):
    await rig.land(fires(1))
    await rig.open_incident()
    await rig.store.write(lambda sql: sql.execute("UPDATE attempts SET look = 500, state = 'applied'").rowcount)
    await rig.land(fires(2, "b"))
    await rig.operations.pause(route)
    taken = (await rig.journal.fetch_due(9), await rig.journal.fetch_looks(9), await rig.journal.next_due())
    assert (taken == ([], [], None)) is held
    await rig.operations.resume(route)
    assert all((await rig.journal.fetch_due(9), await rig.journal.fetch_looks(9)))


async def test_the_next_that_is_due_is_one_that_is_not_paused(rig):
    await rig.land(fires(1), fires(2, "b", group="other"))
    await rig.store.write(lambda sql: sql.execute("UPDATE cases SET route = 'x', due = 7000 WHERE id = 2").rowcount)
    await rig.operations.pause("r")
    assert await rig.journal.next_due() == 7000.0


# cases


async def test_an_operators_resolve_stands_for_all_that_fires(rig):
    await rig.land(fires(1), fires(2, "b"))
    await rig.open_incident()
    assert await rig.operations.resolve_cases([1]) == 1
    assert await rig.rows("SELECT event_id, idx, n, kind, state, reason, alert_id FROM intents WHERE seq > 2") == [
        (2, 0, 1_000_000, "resolve", "pending", "operator", "b")
    ]
    case = await rig.journal.fetch_case(1)
    assert case.firing == 0
    (facts,) = await rig.journal.fold_pending(1, lambda all_, owing: [*all_, owing.facts], [])
    assert (facts["state"], facts["notes"]) == ("resolved", ["resolved_by_operator"])
    assert [each.id for each in await rig.journal.fetch_due(9)] == [1]


async def test_an_operators_resolve_is_owed_once_and_may_be_asked_for_again(rig):
    await rig.land(fires(1))
    await rig.open_incident()
    assert await rig.operations.resolve_cases([1]) == 1
    assert await rig.operations.resolve_cases([1]) == 1
    assert await rig.operations.count_owed([1, 2]) == 1
    await rig.journal.settle(Settlement(1, 99, "delivered", "append"))
    assert await rig.operations.count_owed([1]) == 0
    assert await rig.operations.resolve_cases([1]) == 1
    assert await rig.rows("SELECT n FROM intents WHERE kind = 'resolve'") == [(1_000_000,), (1_000_001,)]


async def test_only_cases_with_an_open_incident_are_resolved(rig):
    await rig.land(*(fires(n, f"a{n}", group=f"g{n}") for n in range(1, 6)))
    for case_id in (1, 2, 3):
        await rig.open_incident(case_id)
    await rig.journal.change(2, resolved=1)
    await rig.journal.park(3, "poison", "d", None)
    assert await rig.operations.find_resolvable("r", 0.0) == [1]
    assert await rig.operations.find_resolvable("other", 0.0) == []
    assert await rig.operations.resolve_cases([1, 2, 3, 4, 99]) == 1


async def test_an_incident_is_as_old_as_its_creation(rig):
    await rig.land(fires(1))
    rig.now = 5000.0
    await rig.open_incident()
    assert await rig.operations.find_resolvable("r", 5000.0) == [1]
    assert await rig.operations.find_resolvable("r", 5001.0) == []
    await rig.store.write(lambda sql: sql.execute("DELETE FROM attempts").rowcount)
    assert await rig.operations.find_resolvable("r", 1000.0) == [1]
    assert await rig.operations.find_resolvable("r", 1001.0) == []


async def test_a_case_that_backs_off_is_not_hurried_by_an_operator(rig):
    await rig.land(fires(1))
    await rig.open_incident()
    await rig.journal.change(1, failures=2, due=9000.0)
    await rig.operations.resolve_cases([1])
    assert await rig.journal.next_due() == 9000.0
