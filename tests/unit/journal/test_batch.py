import pytest
from landing import fires, resolves

from itop_bridge.journal.landing import Element
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing, decide_replay


class Now:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def journal(store, now):
    return TriageJournal(store, now)


async def rows(store, query):
    return await store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


async def record(journal, *elements):
    return await journal.record(elements, decide_landing, through=elements[-1].event_id)


async def test_an_alert_lands_on_its_case(store, journal):
    tally = await record(journal, fires(1), fires(2, "b"), fires(3, "c", group="other"))
    assert tally.accepted == 3
    assert await rows(store, "SELECT case_id, kind, state FROM intents ORDER BY seq") == [
        (1, "create", "pending"),
        (1, "create", "pending"),
        (2, "create", "pending"),
    ]
    assert await rows(store, "SELECT due, oldest, rank FROM cases") == [(1000.0, 1000.0, 2), (1000.0, 1000.0, 2)]


async def test_each_element_has_one_fate(store, journal):
    await record(
        journal, fires(1), Element(2, 0, Dropped("filtered")), Element(3, 0, Rejected("no_route", "d", "topic"))
    )
    assert await rows(store, "SELECT event_id, reason FROM drops") == [(2, "filtered")]
    assert await rows(store, "SELECT event_id, reason, field, state FROM dead_letters") == [
        (3, "no_route", "topic", "open")
    ]


async def test_repeats_within_one_batch_are_recognised(store, journal):
    await record(journal, fires(1, content="c"), fires(2, content="c"))
    assert await rows(store, "SELECT event_id, reason FROM drops") == [(2, "repeat")]
    assert await rows(store, "SELECT repeats FROM alerts") == [(1,)]


async def test_an_old_event_that_is_mapped_again_does_not_make_its_alert_unheard_of(store, journal, now):
    told = [fires(number, received=1000.0 + 100 * number, content="c") for number in (1, 2, 3)]
    now.at = 2000.0
    await record(journal, *told)
    assert [each.outcome for each in await journal.record_replay(told[1:2], decide_replay)] == ["dropped"]
    assert await rows(store, "SELECT received, heard FROM alerts") == [(1100.0, 1300.0)]


async def test_a_time_ahead_of_the_clock_is_forgotten_when_the_alert_is_heard_of_again(store, journal, now):
    await record(journal, fires(1, received=9000.0, content="c"))
    now.at = 2000.0
    await record(journal, fires(2, received=1900.0, content="d"))
    assert await rows(store, "SELECT heard FROM alerts") == [(2000.0,)]


async def test_an_alert_without_identity_is_always_new(store, journal):
    await record(journal, fires(1, None), fires(2, None))
    assert await rows(store, "SELECT count(*) FROM intents") == [(2,)]
    assert await rows(store, "SELECT count(*) FROM alerts") == [(0,)]


async def test_a_resolve_before_its_alert_waits_and_the_alert_settles_both_in_one_batch(store, journal):
    await record(journal, resolves(1, episode=5.0), fires(2, episode=5.0))
    assert await rows(store, "SELECT state, reason FROM intents") == [("dropped", "already_resolved")]
    assert await rows(store, "SELECT due FROM cases") == [(None,)]


async def test_a_resolve_follows_its_alert_to_its_case(store, journal):
    await record(journal, fires(1, group="old"), resolves(2, group="new"))
    assert await rows(store, "SELECT DISTINCT case_id FROM intents") == [(1,)]


async def test_a_case_that_was_put_off_keeps_its_time(store, journal):
    await record(journal, fires(1))
    await store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, incident = 1, urgency = 2").rowcount)
    await record(journal, fires(2, "b"))
    assert await rows(store, "SELECT due FROM cases") == [(5000.0,)]


@pytest.mark.parametrize("pressing", [resolves(2), fires(2, "b", urgency=1)], ids=["resolve", "urgent"])
async def test_what_presses_is_looked_at_now(store, journal, pressing):
    await record(journal, fires(1))
    await store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, incident = 1, urgency = 2").rowcount)
    await record(journal, pressing)
    assert await rows(store, "SELECT due FROM cases") == [(1000.0,)]


async def test_a_case_that_backs_off_is_not_hurried(store, journal):
    await record(journal, fires(1))
    await store.write(lambda sql: sql.execute("UPDATE cases SET due = 5000, failures = 1").rowcount)
    await record(journal, resolves(2))
    assert await rows(store, "SELECT due FROM cases") == [(5000.0,)]


async def test_what_comes_to_a_parked_case_joins_it(store, journal):
    await record(journal, fires(1))
    await store.write(lambda sql: sql.execute("UPDATE cases SET due = NULL, parked = 'poison'").rowcount)
    await record(journal, fires(2, "b"))
    assert await rows(store, "SELECT due FROM cases") == [(None,)]
    assert await rows(store, "SELECT count(*) FROM intents WHERE state = 'pending'") == [(2,)]


async def test_group_wait_holds_a_new_case_back(store, journal):
    await record(journal, fires(1, group_wait_s=30.0))
    assert await rows(store, "SELECT due FROM cases") == [(1030.0,)]
