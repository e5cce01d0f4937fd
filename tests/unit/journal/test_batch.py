import pytest
from landing import fires, resolves

from itop_bridge.journal.landing import Element
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_replay


async def test_an_alert_lands_on_its_case(cases):
    tally = await cases.land(fires(1), fires(2, "b"), fires(3, "c", group="other"))
    assert tally.accepted == 3
    assert await cases.rows("SELECT case_id, kind, state FROM intents ORDER BY seq") == [
        (1, "create", "pending"),
        (1, "create", "pending"),
        (2, "create", "pending"),
    ]
    assert await cases.rows("SELECT due, oldest, rank FROM cases") == [(1000.0, 1000.0, 2), (1000.0, 1000.0, 2)]


async def test_each_element_has_one_fate(cases):
    await cases.land(fires(1), Element(2, 0, Dropped("filtered")), Element(3, 0, Rejected("no_route", "d", "topic")))
    assert await cases.rows("SELECT event_id, reason FROM drops") == [(2, "filtered")]
    assert await cases.rows("SELECT event_id, reason, field, state FROM dead_letters") == [
        (3, "no_route", "topic", "open")
    ]


async def test_repeats_within_one_batch_are_recognised(cases):
    await cases.land(fires(1, content="c"), fires(2, content="c"))
    assert await cases.rows("SELECT event_id, reason FROM drops") == [(2, "repeat")]
    assert await cases.rows("SELECT repeats FROM alerts") == [(1,)]


async def test_an_old_event_that_is_mapped_again_does_not_make_its_alert_unheard_of(cases):
    told = [fires(number, received=1000.0 + 100 * number, content="c") for number in (1, 2, 3)]
    cases.now = 2000.0
    await cases.land(*told)
    assert [each.outcome for each in await cases.triage.record_replay(told[1:2], decide_replay)] == ["dropped"]
    assert await cases.rows("SELECT received, heard FROM alerts") == [(1100.0, 1300.0)]


async def test_a_time_ahead_of_the_clock_is_forgotten_when_the_alert_is_heard_of_again(cases):
    await cases.land(fires(1, received=9000.0, content="c"))
    cases.now = 2000.0
    await cases.land(fires(2, received=1900.0, content="d"))
    assert await cases.rows("SELECT heard FROM alerts") == [(2000.0,)]


async def test_an_alert_without_identity_is_always_new(cases):
    await cases.land(fires(1, None), fires(2, None))
    assert await cases.rows("SELECT count(*) FROM intents") == [(2,)]
    assert await cases.rows("SELECT count(*) FROM alerts") == [(0,)]


async def test_a_resolve_before_its_alert_waits_and_the_alert_settles_both_in_one_batch(cases):
    await cases.land(resolves(1, episode=5.0), fires(2, episode=5.0))
    assert await cases.rows("SELECT state, reason FROM intents") == [("dropped", "already_resolved")]
    assert await cases.rows("SELECT due FROM cases") == [(None,)]


async def test_a_resolve_follows_its_alert_to_its_case(cases):
    await cases.land(fires(1, group="old"), resolves(2, group="new"))
    assert await cases.rows("SELECT DISTINCT case_id FROM intents") == [(1,)]


async def test_a_case_that_was_put_off_keeps_its_time(cases):
    await cases.land(fires(1))
    await cases.store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, incident = 1, urgency = 2").rowcount)
    await cases.land(fires(2, "b"))
    assert await cases.rows("SELECT due FROM cases") == [(5000.0,)]


@pytest.mark.parametrize("pressing", [resolves(2), fires(2, "b", urgency=1)], ids=["resolve", "urgent"])
async def test_what_presses_is_looked_at_now(cases, pressing):
    await cases.land(fires(1))
    await cases.store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, incident = 1, urgency = 2").rowcount)
    await cases.land(pressing)
    assert await cases.rows("SELECT due FROM cases") == [(1000.0,)]


async def test_a_case_that_backs_off_is_not_hurried(cases):
    await cases.land(fires(1))
    await cases.store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, failures = 1").rowcount)
    await cases.land(resolves(2))
    assert await cases.rows("SELECT due FROM cases") == [(5000.0,)]


async def test_what_comes_to_a_parked_case_joins_it(cases):
    await cases.land(fires(1))
    await cases.store.write(lambda sql: sql.execute("UPDATE cases SET due = NULL, parked = 'poison'").rowcount)
    await cases.land(fires(2, "b"))
    assert await cases.rows("SELECT due FROM cases") == [(None,)]
    assert await cases.rows("SELECT count(*) FROM intents WHERE state = 'pending'") == [(2,)]


async def test_group_wait_holds_a_new_case_back(cases):
    await cases.land(fires(1, group_wait_s=30.0))
    assert await cases.rows("SELECT due FROM cases") == [(1030.0,)]
