import pytest

from itop_bridge.errors import JournalFullError
from itop_bridge.journal.intake import IntakeJournal, Received


def message(payload, topic=b"siem/a"):
    return Received(topic, payload, 1000.0, len(payload))


async def count(store):
    return await store.read(lambda sql: sql.execute("SELECT count(*) FROM events").fetchone()[0])


async def payloads(store):
    return await store.read(lambda sql: [row[0] for row in sql.execute("SELECT payload FROM events ORDER BY id")])


async def test_events_are_stored_in_order(store):
    journal = IntakeJournal(store)
    connection = await journal.open_connection(session_present=False)
    assert await journal.record_events(connection, [message(b"1"), message(b"2"), message(b"3")]) == 3
    assert await payloads(store) == [b"1", b"2", b"3"]


async def test_connections_are_numbered_over_restarts(store):
    first = await IntakeJournal(store).open_connection(session_present=False)
    second = await IntakeJournal(store).open_connection(session_present=True)
    assert second == first + 1


async def test_a_redelivery_after_a_reconnect_makes_no_second_row(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1"), message(b"2")])
    again = IntakeJournal(store)
    connection = await again.open_connection(session_present=True)
    assert await again.record_events(connection, [message(b"1"), message(b"2"), message(b"3")]) == 1
    assert await payloads(store) == [b"1", b"2", b"3"]


async def test_each_row_matches_one_redelivery_only(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"same")])
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"same"), message(b"same")]) == 1
    assert await count(store) == 2


async def test_the_same_bytes_twice_on_one_connection_are_two_events(store):
    journal = IntakeJournal(store)
    connection = await journal.open_connection(session_present=False)
    await journal.record_events(connection, [message(b"same"), message(b"same")])
    assert await count(store) == 2


async def test_the_topic_counts(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"x", b"siem/a")])
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"x", b"siem/b")]) == 1


async def test_without_the_brokers_session_nothing_is_a_redelivery(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"x")])
    connection = await journal.open_connection(session_present=False)
    assert await journal.record_events(connection, [message(b"x")]) == 1


async def test_a_connection_that_brought_nothing_new_keeps_the_candidates(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1"), message(b"2")])
    flap = await journal.open_connection(session_present=True)
    await journal.record_events(flap, [message(b"1")])
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"1"), message(b"2")]) == 0


async def test_after_a_new_message_nothing_is_sent_again(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1"), message(b"2")])
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"2"), message(b"3"), message(b"1")]) == 2
    assert await journal.record_events(connection, [message(b"1")]) == 1


async def test_once_the_broker_has_sent_again_what_comes_is_new(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1")])
    connection = await journal.open_connection(session_present=True)
    journal.end_redelivery()
    assert await journal.record_events(connection, [message(b"1")]) == 1


async def test_what_the_broker_knows_to_be_acknowledged_is_no_candidate(store):
    journal = IntakeJournal(store)
    first = await journal.open_connection(session_present=False)
    await journal.record_events(first, [message(b"1"), message(b"2"), message(b"3")])
    second = await journal.open_connection(session_present=True)
    await journal.record_events(second, [message(b"1")])  # the others are still to come
    await journal.record_acknowledged(second)
    third = await journal.open_connection(session_present=True)
    assert await journal.record_events(third, [message(b"2"), message(b"3"), message(b"1")]) == 1


async def test_what_an_older_connection_brought_is_no_candidate(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"old")])
    await journal.record_events(await journal.open_connection(session_present=True), [message(b"new")])
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"old")]) == 1


async def test_each_of_several_alike_matches_one_message(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"x")] * 3)
    connection = await journal.open_connection(session_present=True)
    assert await journal.record_events(connection, [message(b"x")] * 2) == 0
    assert await journal.record_events(connection, [message(b"x")] * 2) == 1


async def test_of_several_alike_a_commit_that_failed_takes_none(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"x")] * 3)
    connection = await journal.open_connection(session_present=True)
    pages = await store.read(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await store.write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(JournalFullError):
        await journal.record_events(connection, [message(b"x"), message(b"x"), message(b"y" * 100_000)])
    await store.write(lambda sql: sql.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await journal.record_events(connection, [message(b"x")] * 4) == 1


async def test_a_commit_that_failed_leaves_the_candidates_as_they_were(store):
    journal = IntakeJournal(store)
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1")])
    connection = await journal.open_connection(session_present=True)
    pages = await store.read(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await store.write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(JournalFullError):
        await journal.record_events(connection, [message(b"1"), message(b"x" * 100_000)])
    await store.write(lambda sql: sql.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await journal.record_events(connection, [message(b"1"), message(b"x" * 100_000)]) == 1


async def test_filters_are_remembered(store):
    journal = IntakeJournal(store)
    assert await journal.fetch_filters() == []
    await journal.record_filters(["siem/+/wazuh", "siem/#"])
    assert await IntakeJournal(store).fetch_filters() == ["siem/+/wazuh", "siem/#"]


async def test_the_next_stage_is_woken_by_what_is_new(store):
    woken = []
    journal = IntakeJournal(store, on_recorded=lambda: woken.append(1))
    await journal.record_events(await journal.open_connection(session_present=False), [message(b"1")])
    await journal.record_events(await journal.open_connection(session_present=True), [message(b"1")])
    assert woken == [1]
