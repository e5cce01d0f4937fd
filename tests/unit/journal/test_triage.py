from landing import PROFILE, fires, resolves

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Element
from itop_bridge.outcome import Dropped
from itop_bridge.triage.repeat import decide_landing


async def test_events_are_read_once_in_order(cases):
    intake = IntakeJournal(cases.store)
    connection = await intake.open_connection(session_present=False)
    await intake.record_events(connection, [Received(b"t", b"%d" % n, 1.0, 1) for n in range(5)])
    first = await cases.triage.fetch_waiting(3, 1000)
    assert [event.payload for event in first] == [b"0", b"1", b"2"]
    assert await cases.triage.count_waiting() == 5
    await cases.triage.record([Element(each.id, 0, Dropped("filtered")) for each in first], decide_landing, through=3)
    assert [event.payload for event in await cases.triage.fetch_waiting(9, 1000)] == [b"3", b"4"]
    assert await cases.triage.count_waiting() == 2


async def test_a_batch_is_bounded_by_bytes_and_never_empty(cases):
    intake = IntakeJournal(cases.store)
    connection = await intake.open_connection(session_present=False)
    await intake.record_events(connection, [Received(b"t", b"x" * 100, 1.0, 100) for _ in range(5)])
    assert len(await cases.triage.fetch_waiting(9, 250)) == 2
    assert len(await cases.triage.fetch_waiting(9, 1)) == 1


async def test_waiting_resolves_expire(cases):
    await cases.land(resolves(1))
    cases.now = 1601.0
    assert await cases.triage.expire_waiting() == 1
    assert await cases.rows("SELECT state, reason FROM intents") == [("dropped", "never_fired")]


async def test_a_profile_is_stored_once(cases):
    await cases.triage.record_profile(PROFILE.hash, PROFILE.body)
    await cases.triage.record_profile(PROFILE.hash, PROFILE.body)
    assert await cases.rows("SELECT hash FROM profiles") == [(PROFILE.hash,)]


async def test_delivery_is_woken_by_what_was_accepted(cases):
    await cases.land(Element(1, 0, Dropped("filtered")))
    assert cases.woken == 0
    await cases.land(fires(2))
    assert cases.woken == 1
