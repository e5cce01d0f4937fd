import pytest
from landing import fires

from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.settling import LEFT_IN_FLIGHT


async def test_settling_covers_what_the_attempt_covered_and_no_more(cases):
    await cases.land(fires(1), fires(2, "b"), fires(3, "c"))
    await cases.journal.settle(Settlement(1, 2, "delivered", "create", changes={"incident": 7, "ref": "I-7"}))
    assert await cases.rows("SELECT state FROM intents ORDER BY seq") == [("delivered",), ("delivered",), ("pending",)]
    case = await cases.journal.fetch_case(1)
    assert (case.incident, case.told_seq) == (7, 2)
    assert len(await cases.journal.fetch_due(10)) == 1


async def test_a_late_proof_of_an_older_attempt_takes_nothing_back(cases):
    await cases.land(fires(1), fires(2, "b"))
    await cases.journal.settle(Settlement(1, 2, "delivered", "append"))
    await cases.journal.settle(Settlement(1, 1, "delivered", "append"))
    assert (await cases.journal.fetch_case(1)).told_seq == 2


async def test_what_is_in_flight_at_a_crash_is_unknown_on_start(cases):
    await cases.land(fires(1))
    await cases.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {"urgency": 2}))
    assert await cases.journal.recover(look=1060.0, latest_due=90_000.0) == 1
    (attempt,) = (await cases.journal.fetch_case(1)).unsettled
    assert (attempt.state, attempt.look, attempt.effect) == ("unknown", 1060.0, {"urgency": 2})
    assert await cases.journal.fetch_looks(10) == []
    cases.now = 1060.0
    assert len(await cases.journal.fetch_looks(10)) == 1


async def test_times_far_ahead_are_clamped_on_start(cases):
    await cases.land(fires(1))
    await cases.journal.defer(1, 9e9, after=1)
    await cases.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await cases.journal.next_due() == 90_000.0


async def test_nothing_waits_on_start_for_an_hour_that_the_clock_was_put_back(cases):
    await cases.land(fires(1), fires(2, "b", group="other"))
    cases.now = 4600.0
    await cases.journal.settle(
        Settlement(1, 1, "delivered", "create", changes={"told_at": 4600.0, "changed_at": 4600.0})
    )
    await cases.journal.defer(1, 4900.0, after=1)
    attempt = await cases.journal.record_attempt(Draft(2, "create", "t" * 16, None, 2, "text", {}))
    await cases.journal.settle_attempt(attempt.id, "unknown", look=4660.0)
    cases.now = 1000.0
    await cases.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await cases.rows("SELECT told_at, changed_at, due FROM cases WHERE id = 1") == [(1000.0, 1000.0, 0.0)]
    assert await cases.rows("SELECT sent, look FROM attempts") == [(1000.0, 1060.0)]


async def test_a_parked_case_is_one_dead_letter_and_is_tried_again_on_start(cases):
    await cases.land(fires(1))
    await cases.journal.park(1, "field_refused", "detail", "org_id")
    assert await cases.journal.fetch_due(10) == []
    assert await cases.rows("SELECT case_id, reason, field, state FROM dead_letters") == [
        (1, "field_refused", "org_id", "open")
    ]
    await cases.journal.recover(look=1060.0, latest_due=90_000.0)
    assert len(await cases.journal.fetch_due(10)) == 1
    assert await cases.rows("SELECT state FROM dead_letters") == [("retried",)]


async def test_a_column_that_a_case_does_not_have_is_refused(cases):
    await cases.land(fires(1))
    with pytest.raises(ValueError, match="no such columns"):
        await cases.journal.change(1, nonsense=1)


async def test_what_was_settled_as_a_create_knows_its_incident(cases):
    await cases.land(fires(1))
    attempt = await cases.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {}))
    await cases.journal.settle(
        Settlement(1, 1, "delivered", "create", attempt.id, "applied", 5.0, {"incident": 7, "ref": "I-7"})
    )
    (look,) = await cases.journal.fetch_looks(10)
    assert look.incident == 7


async def test_an_entry_that_is_given_up_is_a_dead_letter_that_a_release_leaves_open(cases):
    await cases.land(fires(1))
    attempt = await cases.journal.record_attempt(Draft(1, "append", "t" * 16, 7, 1, "the text", {}))
    await cases.journal.record_lost(attempt)
    await cases.journal.recover(look=1060.0, latest_due=90_000.0)
    assert await cases.rows("SELECT reason, detail, state FROM dead_letters") == [("entry_lost", "the text", "open")]
    assert await cases.rows("SELECT state, look FROM attempts") == [("confirmed", None)]


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
        (LEFT_IN_FLIGHT.replace("?", "5"), "attempts_open"),
    ],
)
async def test_what_is_asked_often_does_not_read_whole_tables(cases, query, index):
    plan = " ".join(row[3] for row in await cases.rows(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan, plan
