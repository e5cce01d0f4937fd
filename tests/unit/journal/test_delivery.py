import dataclasses

import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.intent import Case
from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import _LEFT_IN_FLIGHT, DeliveryJournal
from itop_bridge.journal.landing import Owed
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.settings.policy import Policy
from itop_bridge.triage.repeat import decide_landing


class Rig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.triage = TriageJournal(store, lambda: self.now)
        self.journal = DeliveryJournal(store, lambda: self.now)

    async def land(self, *elements, profile=PROFILE):
        await self.triage.record_profile(profile.hash, profile.body)
        await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


@pytest.fixture
def rig(store):
    return Rig(store)


async def test_the_most_urgent_cases_come_first(rig):
    await rig.land(
        fires(1, "a", group="low", urgency=4), fires(2, "b", group="critical", urgency=1), fires(3, "c", group="high")
    )
    assert [case.id for case in await rig.journal.fetch_due(10)] == [2, 3, 1]


async def test_organisations_take_turns_oldest_first(rig):
    await rig.land(
        *[fires(n, f"a{n}", group=f"a{n}", org="BIG", received=1000.0 + n) for n in range(1, 5)],
        fires(5, "b", group="b", org="SMALL", received=2000.0),
    )
    rig.now = 3000.0
    assert [case.organization for case in await rig.journal.fetch_due(3)] == ["code:BIG", "code:SMALL", "code:BIG"]


async def test_every_tenth_turn_goes_to_the_oldest_of_all(rig):
    await rig.land(
        fires(1, "old", group="old", urgency=4, received=1.0),
        *[fires(n, f"a{n}", group=f"a{n}", urgency=1, received=1000.0 + n) for n in range(2, 30)],
    )
    rig.now = 3000.0
    order = [case.id for case in await rig.journal.fetch_due(12)]
    assert order.index(1) == 9


async def test_a_deferred_case_is_not_due(rig):
    await rig.land(fires(1))
    await rig.journal.defer(1, 5000.0, after=1)
    assert await rig.journal.fetch_due(10) == []
    assert await rig.journal.next_due() == 5000.0


async def test_a_decision_that_did_not_know_of_a_resolve_does_not_put_it_off(rig):
    await rig.land(fires(1))
    await rig.land(resolves(2))
    await rig.journal.defer(1, 5000.0, after=1)
    assert len(await rig.journal.fetch_due(10)) == 1


async def test_settling_covers_what_the_attempt_covered_and_no_more(rig):
    await rig.land(fires(1), fires(2, "b"), fires(3, "c"))
    await rig.journal.settle(Settlement(1, 2, "delivered", "create", changes={"incident": 7, "ref": "I-7"}))
    assert await rig.rows("SELECT state FROM intents ORDER BY seq") == [("delivered",), ("delivered",), ("pending",)]
    case = await rig.journal.fetch_case(1)
    assert (case.incident, case.told_seq) == (7, 2)
    assert len(await rig.journal.fetch_due(10)) == 1


async def test_a_late_proof_of_an_older_attempt_takes_nothing_back(rig):
    await rig.land(fires(1), fires(2, "b"))
    await rig.journal.settle(Settlement(1, 2, "delivered", "append"))
    await rig.journal.settle(Settlement(1, 1, "delivered", "append"))
    assert (await rig.journal.fetch_case(1)).told_seq == 2


async def test_what_is_in_flight_at_a_crash_is_unknown_on_start(rig):
    await rig.land(fires(1))
    await rig.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {"urgency": 2}))
    assert await rig.journal.recover(look=1060.0, latest_due=90_000.0) == 1
    (attempt,) = (await rig.journal.fetch_case(1)).unsettled
    assert (attempt.state, attempt.look, attempt.effect) == ("unknown", 1060.0, {"urgency": 2})
    assert await rig.journal.fetch_looks(10) == []
    rig.now = 1060.0
    assert len(await rig.journal.fetch_looks(10)) == 1


async def test_a_token_matters_as_long_as_an_intent_that_it_was_sent_for_is_pending(rig):
    await rig.land(fires(1), fires(2, "b"))
    attempt = await rig.journal.record_attempt(Draft(1, "append", "t" * 16, 7, 1, "text", {}))
    await rig.journal.settle_attempt(attempt.id, "absent", look=None)
    assert len((await rig.journal.fetch_case(1)).attempts) == 1
    await rig.journal.settle(Settlement(1, 1, "delivered", "append"))
    assert (await rig.journal.fetch_case(1)).attempts == ()


async def test_times_far_ahead_are_clamped_on_start(rig):
    await rig.land(fires(1))
    await rig.journal.defer(1, 9e9, after=1)
    await rig.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await rig.journal.next_due() == 90_000.0


async def test_nothing_waits_on_start_for_an_hour_that_the_clock_was_put_back(rig):
    await rig.land(fires(1), fires(2, "b", group="other"))
    rig.now = 4600.0
    await rig.journal.settle(Settlement(1, 1, "delivered", "create", changes={"told_at": 4600.0, "changed_at": 4600.0}))
    await rig.journal.defer(1, 4900.0, after=1)
    attempt = await rig.journal.record_attempt(Draft(2, "create", "t" * 16, None, 2, "text", {}))
    await rig.journal.settle_attempt(attempt.id, "unknown", look=4660.0)
    rig.now = 1000.0
    await rig.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await rig.rows("SELECT told_at, changed_at, due FROM cases WHERE id = 1") == [(1000.0, 1000.0, 0.0)]
    assert await rig.rows("SELECT sent, look FROM attempts") == [(1000.0, 1060.0)]


async def test_a_parked_case_is_one_dead_letter_and_is_tried_again_on_start(rig):
    await rig.land(fires(1))
    await rig.journal.park(1, "field_refused", "detail", "org_id")
    assert await rig.journal.fetch_due(10) == []
    assert await rig.rows("SELECT case_id, reason, field, state FROM dead_letters") == [
        (1, "field_refused", "org_id", "open")
    ]
    await rig.journal.recover(look=1060.0, latest_due=90_000.0)
    assert len(await rig.journal.fetch_due(10)) == 1
    assert await rig.rows("SELECT state FROM dead_letters") == [("retried",)]


async def test_a_person_takes_over_only_what_they_were_told(rig):
    await rig.land(fires(1, "told"), fires(2, "untold"))
    await rig.journal.settle(Settlement(1, 1, "delivered", "create"))
    assert await rig.journal.mark_handled(1, None)
    assert await rig.rows("SELECT id, handled FROM alerts ORDER BY id") == [("told", 1), ("untold", 0)]
    assert (await rig.journal.fetch_case(1)).firing == 1


async def test_pending_updates_of_what_a_person_took_over_are_dropped(rig):
    await rig.land(fires(1, content="1", episode=5.0))
    await rig.journal.settle(Settlement(1, 1, "delivered", "create"))
    await rig.land(fires(2, content="2", episode=5.0))
    await rig.journal.mark_handled(1, None)
    assert await rig.rows("SELECT state, reason FROM intents ORDER BY seq") == [
        ("delivered", "create"),
        ("dropped", "handled_by_person"),
    ]


@pytest.mark.parametrize(("manner", "intents"), [("note", 1), ("resolve", 2)])
async def test_episodes_that_nothing_is_heard_of_expire(rig, manner, intents):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0, expired=manner))
    await rig.land(fires(1, profile=profile.hash), profile=profile)
    rig.now = 1050.0
    assert await rig.journal.expire_firing() == 0
    rig.now = 1101.0
    assert await rig.journal.expire_firing() == 1
    assert (await rig.journal.fetch_case(1)).firing == 0
    assert len(await rig.rows("SELECT 1 FROM intents")) == intents


async def test_a_column_that_a_case_does_not_have_is_refused(rig):
    await rig.land(fires(1))
    with pytest.raises(ValueError, match="no such columns"):
        await rig.journal.change(1, nonsense=1)


async def test_a_part_of_what_a_case_owes_is_folded_and_counted(rig):
    await rig.land(fires(1), fires(2, "b"), fires(3, "c"))
    seqs = await rig.journal.fold_pending(1, lambda state, owing: [*state, owing.seq], [], after=1, through=2)
    assert seqs == [2]
    assert await rig.journal.count_pending(1, through=2) == 2


async def test_what_was_settled_as_a_create_knows_its_incident(rig):
    await rig.land(fires(1))
    attempt = await rig.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {}))
    await rig.journal.settle(
        Settlement(1, 1, "delivered", "create", attempt.id, "applied", 5.0, {"incident": 7, "ref": "I-7"})
    )
    (look,) = await rig.journal.fetch_looks(10)
    assert look.incident == 7


async def test_looks_are_postponed(rig):
    await rig.land(fires(1))
    attempt = await rig.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {}))
    await rig.journal.settle_attempt(attempt.id, "unknown", look=5.0)
    await rig.journal.postpone_looks([attempt.id], 2000.0)
    assert await rig.journal.fetch_looks(10) == []


async def test_an_entry_that_is_given_up_is_a_dead_letter_that_a_release_leaves_open(rig):
    await rig.land(fires(1))
    attempt = await rig.journal.record_attempt(Draft(1, "append", "t" * 16, 7, 1, "the text", {}))
    await rig.journal.record_lost(attempt)
    await rig.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await rig.rows("SELECT reason, detail, state FROM dead_letters") == [("entry_lost", "the text", "open")]
    assert await rig.rows("SELECT state, look FROM attempts") == [("confirmed", None)]


async def test_what_began_after_a_person_resolved_is_not_theirs(rig):
    await rig.land(fires(1, "before", received=900.0), fires(2, "after", received=990.0))
    await rig.journal.settle(Settlement(1, 2, "delivered", "create"))
    await rig.land(fires(3, "before", content="new"), fires(4, "after", content="new"))
    assert await rig.journal.mark_handled(1, 950.0)
    assert await rig.rows("SELECT id, handled FROM alerts ORDER BY id") == [("after", 0), ("before", 1)]
    assert await rig.rows("SELECT state FROM intents WHERE seq > 2 ORDER BY seq") == [("dropped",), ("pending",)]
    assert not await rig.journal.mark_handled(1, 950.0)


async def test_itops_clock_is_kept(rig):
    assert await rig.journal.fetch_server_offset() is None
    await rig.journal.record_server_offset(3600.5)
    assert await rig.journal.fetch_server_offset() == 3600.5


async def test_space_is_told_by_storing_something(rig):
    assert await rig.journal.has_space()


async def test_expiry_is_done_in_parts(rig):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0))
    await rig.land(*[fires(number, f"a{number}", profile=profile.hash) for number in range(1, 6)], profile=profile)
    rig.now = 1101.0
    assert [await rig.journal.expire_firing(3) for _ in range(3)] == [3, 2, 0]


async def test_where_nothing_expires_the_writer_is_not_kept_busy_with_the_question(rig, monkeypatch):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0))
    await rig.land(fires(1, profile=profile.hash), profile=profile)
    monkeypatch.setattr(rig.store, "write", None)
    assert await rig.journal.expire_firing() == 0


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            (
                "SELECT 1 FROM attempts WHERE case_id = 1 AND state IN ('in_flight', 'unknown', 'applied', 'absent')"
                " AND (state <> 'absent' OR through >= 5)"
            ),
            "attempts_open",
        ),
        (
            (
                "UPDATE alerts SET state = 'resolved' WHERE state = 'waiting' AND (case_id, id) IN"
                " (SELECT case_id, alert_id FROM intents WHERE state = 'waiting' AND until <= 5)"
            ),
            "alerts_case",
        ),
        (_LEFT_IN_FLIGHT.replace("?", "5"), "attempts_open"),
    ],
)
async def test_what_is_asked_often_does_not_read_whole_tables(rig, query, index):
    plan = " ".join(row[3] for row in await rig.rows(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan, plan


async def test_the_next_openings_are_those_of_due_cases_without_an_incident(rig):
    def told(n):
        case = Case("code:EXC", "r", ("generic", f"g{n}"))
        return (Owed("create", case.key, case.digest, case.organization, n, 2, b'{"host": "h%d"}' % n),)

    await rig.land(
        fires(1, "a", intents=told(3)),
        fires(2, "b", intents=told(1)),
        fires(3, "c", intents=told(1)),
        fires(4, "d", intents=told(2), group_wait_s=60.0),
        fires(5, "e", intents=told(4)),
    )
    await rig.journal.change(4, incident=7)
    openings = await rig.journal.fetch_openings(10)
    assert [opening.facts["host"] for opening in openings] == ["h1", "h3"], "one each, the most urgent first"
    assert {(opening.organization, opening.profile) for opening in openings} == {("code:EXC", PROFILE.hash)}
    assert len(await rig.journal.fetch_openings(1)) == 1
