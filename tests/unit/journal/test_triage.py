import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Element
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped
from itop_bridge.triage.repeat import decide_landing


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


async def test_events_are_read_once_in_order(store, journal):
    intake = IntakeJournal(store)
    connection = await intake.open_connection(session_present=False)
    await intake.record_events(connection, [Received(b"t", b"%d" % n, 1.0, 1) for n in range(5)])
    first = await journal.fetch_waiting(3, 1000)
    assert [event.payload for event in first] == [b"0", b"1", b"2"]
    assert await journal.count_waiting() == 5
    await journal.record([Element(each.id, 0, Dropped("filtered")) for each in first], decide_landing, through=3)
    assert [event.payload for event in await journal.fetch_waiting(9, 1000)] == [b"3", b"4"]
    assert await journal.count_waiting() == 2


async def test_a_batch_is_bounded_by_bytes_and_never_empty(store, journal):
    intake = IntakeJournal(store)
    connection = await intake.open_connection(session_present=False)
    await intake.record_events(connection, [Received(b"t", b"x" * 100, 1.0, 100) for _ in range(5)])
    assert len(await journal.fetch_waiting(9, 250)) == 2
    assert len(await journal.fetch_waiting(9, 1)) == 1


async def test_waiting_resolves_expire(store, journal, now):
    await record(journal, resolves(1))
    now.at = 1601.0
    assert await journal.expire_waiting() == 1
    assert await rows(store, "SELECT state, reason FROM intents") == [("dropped", "never_fired")]


async def test_a_profile_is_stored_once(store, journal):
    await journal.record_profile(PROFILE.hash, PROFILE.body)
    await journal.record_profile(PROFILE.hash, PROFILE.body)
    assert await rows(store, "SELECT hash FROM profiles") == [(PROFILE.hash,)]


async def test_delivery_is_woken_by_what_was_accepted(store, now):
    woken = []
    journal = TriageJournal(store, now, lambda: woken.append(1))
    await record(journal, Element(1, 0, Dropped("filtered")))
    await record(journal, fires(2))
    assert woken == [1]
