"""Results are recorded by whatever settles an alert, in its commit; what nobody wants is not."""

import dataclasses
import sqlite3

import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Element
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Rehearsal
from itop_bridge.journal.result import ResultJournal
from itop_bridge.journal.shadow import ShadowIncident, ShadowWrite
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing, decide_retry

CREATED = {"incident": 7, "ref": "I-000007"}


class Rig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.results = ResultJournal(store)
        self.intake = IntakeJournal(store)
        self.triage = TriageJournal(store, lambda: self.now)
        self.delivery = DeliveryJournal(store, lambda: self.now)
        self.operations = Operations(store, lambda: self.now)

    async def receive(self, *asked):
        """An event for each response topic, None for those that ask for none."""
        connection = await self.intake.open_connection(session_present=False)
        batch = [
            Received(b"t", b"{}%d" % n, self.now, 3, response_topic=topic, correlation=topic and topic.encode())
            for n, topic in enumerate(asked)
        ]
        await self.intake.record_events(connection, batch)

    async def land(self, *elements):
        await self.triage.record_profile(PROFILE.hash, PROFILE.body)
        return await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def deliver(self, kind="create", case_id=1, changes=CREATED):
        through = (await self.rows("SELECT max(seq) FROM intents"))[0][0]
        attempt = await self.delivery.record_attempt(Draft(case_id, kind, f"{through:016}", None, through, "", {}))
        settlement = Settlement(case_id, through, "delivered", kind, attempt.id, changes=changes)
        await self.delivery.settle(settlement)

    async def drop(self, reason, case_id=1):
        await self.delivery.settle(Settlement(case_id, 2**40, "dropped", reason))

    async def retry(self, *elements):
        await self.operations.retry_letters([1])
        retries = await self.triage.fetch_retries(10, 1 << 20)
        await self.triage.record_retries([(each, elements) for each in retries], decide_retry, routes={"r"})

    async def told(self):
        """Outcome, action and reason of each since the last call."""
        results = await self.results.fetch_next(1000)
        if results:
            await self.results.settle_through(results[-1].id)
        return [(each.outcome, each.action, each.reason) for each in results]

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


@pytest.fixture
async def rig(store):
    rig = Rig(store)
    await rig.results.record_answered(["r"], who_asks=False)
    return rig


def named(element, alert_id="a"):
    owed = dataclasses.replace(element.result.intents[0], facts=b'{"id": "%s"}' % alert_id.encode())
    return dataclasses.replace(element, result=dataclasses.replace(element.result, intents=(owed,)), alert_id=alert_id)


def rejected(event_id, index=0, route="r", reason="mapping_failed"):
    return Element(event_id, index, Rejected(reason, "why", "field", route), alert_id="a9")


async def test_a_result_tells_what_became_of_an_alert_and_where_it_is(rig):
    await rig.receive(None)
    await rig.land(named(fires(1)))
    assert await rig.results.fetch_next(10) == []
    await rig.deliver()
    (result,) = await rig.results.fetch_next(10)
    (digest,) = (await rig.rows("SELECT digest FROM cases"))[0]
    assert result.settled > 1_700_000_000
    assert dataclasses.asdict(result) == {
        "id": 1,
        "event_id": 1,
        "index": 0,
        "part": 0,
        "alert_id": "a",
        "route": "r",
        "by_route": True,
        "case": digest,
        "outcome": "delivered",
        "action": "create",
        "reason": None,
        "incident": 7,
        "ref": "I-000007",
        "iclass": "Incident",
        "received": 1000.0,
        "settled": result.settled,
        "response_topic": None,
        "correlation": None,
    }


async def test_every_alert_of_a_call_has_a_result_of_its_own_in_order(rig):
    await rig.land(*(fires(event_id, f"a{event_id}") for event_id in range(1, 6)))
    await rig.deliver()
    results = await rig.results.fetch_next(10)
    assert [(each.id, each.event_id, each.action) for each in results] == [(n, n, "create") for n in range(1, 6)]


async def test_an_append_and_a_resolve_name_the_incident_that_the_case_has(rig):
    await rig.land(fires(1))
    await rig.deliver()
    await rig.land(fires(2, "b"))
    await rig.deliver("append", changes={})
    await rig.land(resolves(3), resolves(4, "b"))
    await rig.deliver("resolve", changes={"resolved": 1})
    results = await rig.results.fetch_next(10)
    assert [(each.action, each.ref) for each in results] == [
        (action, "I-000007") for action in ("create", "append", "resolve", "resolve")
    ]


@pytest.mark.parametrize("reason", ["closed", "incident_gone", "late"])
async def test_what_delivery_drops_is_told(rig, reason):
    await rig.land(fires(1))
    await rig.drop(reason)
    assert await rig.told() == [("dropped", None, reason)]


async def test_what_triage_drops_is_told_with_the_alerts_id(rig):
    await rig.receive(None, None)
    await rig.land(named(fires(1)), dataclasses.replace(fires(2), alert_id="a"))
    (result,) = await rig.results.fetch_next(10)
    assert (result.outcome, result.reason, result.alert_id, result.part) == ("dropped", "repeat", "a", None)
    assert (result.case, result.incident, result.iclass) == (None, None, None)


async def test_what_no_route_took_is_told_to_nobody_who_did_not_ask(rig):
    await rig.land(Element(1, 0, Dropped("filtered")), Element(2, 0, Rejected("no_route", "why", "topic")))
    assert await rig.told() == []


async def test_a_resolve_that_never_fires_and_one_whose_alert_comes_late_are_told(rig):
    await rig.land(resolves(1), resolves(2, "b", received=1001.0))
    assert await rig.told() == []
    await rig.land(fires(3, "b", episode=900.0, received=1002.0))
    first = await rig.told()
    rig.now += 601
    await rig.triage.expire_waiting()
    assert {outcome for outcome, _, _ in first} <= {"dropped"}
    assert ("dropped", None, "never_fired") in await rig.told()


async def test_what_a_person_dealt_with_is_told(rig):
    await rig.land(fires(1))
    await rig.deliver()
    await rig.land(fires(2, content="more"))
    await rig.told()
    await rig.delivery.mark_handled(1, None)
    assert await rig.told() == [("dropped", None, "handled_by_person")]


async def test_a_dead_letter_is_told_and_so_is_what_becomes_of_it(rig):
    await rig.receive(None)
    await rig.land(rejected(1))
    (result,) = await rig.results.fetch_next(10)
    assert (result.outcome, result.reason, result.alert_id, result.route) == ("dead", "mapping_failed", "a9", "r")
    await rig.told()
    await rig.retry(rejected(1, reason="factory_failed"))
    assert await rig.told() == [("dead", None, "factory_failed")]
    await rig.retry(fires(1))
    assert await rig.told() == []
    await rig.deliver()
    assert await rig.told() == [("delivered", "create", None)]


async def test_a_dead_letter_that_is_given_up_or_dropped_by_its_retry_is_told(rig):
    await rig.receive(None, None)
    await rig.land(rejected(1))
    await rig.retry(Element(1, 0, Dropped("filtered", "r")))
    assert await rig.told() == [("dead", None, "mapping_failed"), ("dropped", None, "filtered")]
    await rig.land(rejected(2))
    await rig.operations.drop_letters([2])
    assert await rig.told() == [("dead", None, "mapping_failed"), ("dropped", None, "dead_letter_dropped")]


async def test_a_case_that_is_parked_tells_each_alert_that_it_owes_and_each_that_joins(rig):
    await rig.land(fires(1), fires(2, "b"))
    await rig.delivery.park(1, "poison", "why", None)
    assert await rig.told() == [("dead", None, "poison")] * 2
    await rig.land(fires(3, "c"))
    assert await rig.told() == [("dead", None, "poison")]
    await rig.delivery.release_parked()
    assert await rig.told() == []
    await rig.deliver()
    assert await rig.told() == [("delivered", "create", None)] * 3


async def test_a_parked_case_that_is_given_up_is_told(rig):
    await rig.land(fires(1))
    await rig.delivery.park(1, "poison", "why", None)
    await rig.operations.drop_letters([1])
    assert await rig.told() == [("dead", None, "poison"), ("dropped", None, "dead_letter_dropped")]


async def test_a_log_entry_that_is_lost_is_no_alerts_fate(rig):
    await rig.land(fires(1))
    await rig.deliver()
    await rig.told()
    (row,) = await rig.rows("SELECT id FROM attempts")
    attempt = await rig.delivery.record_attempt(Draft(1, "append", "f" * 16, 7, 1, "text", {}))
    assert attempt.id != row[0]
    await rig.delivery.record_lost(attempt)
    assert await rig.told() == []


async def test_what_would_be_written_is_told_as_shadowed(rig):
    await rig.land(fires(1))
    draft = Draft(1, "create", "0" * 16, None, 1, "text", {})
    incident = ShadowIncident(0, "new", 3, 2, "title", rig.now, None)
    await rig.delivery.record_shadow(ShadowWrite(draft, Settlement(1, 1, "delivered", "create"), incident))
    (result,) = await rig.results.fetch_next(10)
    assert (result.outcome, result.action, result.incident, result.ref) == ("shadowed", "create", None, "shadow-1")


async def test_what_the_bridge_asks_for_itself_has_no_result(rig):
    await rig.land(fires(1))
    await rig.deliver()
    await rig.told()
    assert await rig.operations.resolve_cases([1]) == 1
    await rig.deliver("resolve", changes={"resolved": 1})
    assert await rig.told() == []


async def test_a_rehearsal_tells_nothing(rig):
    await rig.land(rejected(1))
    await rig.told()
    await rig.triage.record_replay([fires(1), Element(2, 0, Dropped("filtered", "r"))], decide_retry, Rehearsal())
    assert await rig.told() == []


async def test_what_a_query_that_fails_has_settled_has_no_result(rig):
    await rig.land(fires(1))

    def settle_and_fail(sql):
        sql.execute("UPDATE intents SET state = 'dropped'")
        raise LookupError

    with pytest.raises(LookupError):
        await rig.store.write(settle_and_fail)
    assert await rig.told() == []
    await rig.deliver()
    assert (await rig.results.fetch_next(1))[0].id == 1


async def test_where_nobody_is_answered_nothing_is_kept(rig):
    await rig.results.record_answered([], who_asks=False)
    await rig.receive("answers/a", None)
    await rig.land(named(fires(1)), rejected(2))
    await rig.deliver()
    assert await rig.told() == []


async def test_who_asks_is_answered_on_every_way(rig):
    await rig.results.record_answered([], who_asks=True)
    await rig.receive(*["answers/a"] * 4, None)
    await rig.land(
        fires(1),
        Element(2, 0, Dropped("filtered")),
        Element(3, 0, Rejected("no_route", "why", "topic")),
        fires(4, "b"),
        fires(5, "c"),
    )
    await rig.deliver()
    results = await rig.results.fetch_next(10)
    assert [(each.event_id, each.outcome, each.by_route) for each in results] == [
        (2, "dropped", False),
        (3, "dead", False),
        (1, "delivered", False),
        (4, "delivered", False),
    ]
    assert {(each.response_topic, each.correlation) for each in results} == {("answers/a", b"answers/a")}
    assert [each.route for each in results] == [None, None, "r", "r"]


async def test_who_is_answered_is_as_the_configuration_says_last(rig):
    await rig.results.record_answered(["x", "y"], who_asks=True)
    await rig.results.record_answered(["x"], who_asks=False)
    assert await rig.rows("SELECT route FROM answered") == [("x",)]


async def test_what_was_told_is_removed_and_its_id_never_given_again(rig):
    await rig.land(*(fires(n, f"a{n}") for n in range(1, 6)))
    await rig.deliver()
    assert await rig.results.count_waiting() == 5
    await rig.results.settle_through(3)
    assert [each.id for each in await rig.results.fetch_next(10)] == [4, 5]
    assert await rig.results.count_waiting() == 2
    await rig.told()
    assert await rig.results.count_waiting() == 0
    await rig.land(fires(6, "b"))
    await rig.deliver("append", changes={})
    assert [each.id for each in await rig.results.fetch_next(10)] == [6]


async def test_the_oldest_are_given_up_a_portion_at_a_time(rig, monkeypatch):
    monkeypatch.setattr("itop_bridge.journal.result.MOST_TRIMMED", 2)
    await rig.land(*(fires(n, f"a{n}") for n in range(1, 6)))
    await rig.deliver()
    assert [await rig.results.trim(2) for _ in range(3)] == [2, 1, 0]
    assert [each.id for each in await rig.results.fetch_next(10)] == [4, 5]


async def test_what_was_pruned_meanwhile_does_not_hold_a_result_up(rig):
    await rig.land(named(fires(1)))
    await rig.deliver()
    await rig.store.write(lambda sql: [sql.execute(f"DELETE FROM {table}") for table in ("intents", "cases")] and None)
    (result,) = await rig.results.fetch_next(10)
    assert (result.outcome, result.incident, result.iclass, result.alert_id) == ("delivered", 7, None, None)


async def test_the_events_that_ask_are_found_by_an_index_of_their_own(rig):
    query = "SELECT 1 FROM events INDEXED BY events_asking WHERE id = 1 AND response_topic IS NOT NULL"
    (step,) = await rig.rows(f"EXPLAIN QUERY PLAN {query}")
    assert "USING INDEX events_asking" in step[3] or "USING COVERING INDEX events_asking" in step[3]
    with pytest.raises(sqlite3.OperationalError):
        await rig.rows(query.replace(" AND response_topic IS NOT NULL", ""))
