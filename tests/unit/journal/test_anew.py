from landing import fires

from itop_bridge.journal.anew import replay_elements, retry_letters
from itop_bridge.journal.batch import Batch
from itop_bridge.journal.landing import Element
from itop_bridge.journal.retry import fetch_retries
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing, decide_replay

DEAD = Element(1, 0, Rejected("mapping_failed", "d", "title", route="r"))


async def take(store, *elements):
    def land(sql):
        batch = Batch(sql, decide_landing, 1000.0)
        for element in elements:
            batch.take(element)
        batch.flush()

    await store.write(land)


async def retry(store, *elements):
    def land(sql):
        sql.execute("UPDATE dead_letters SET state = 'retrying'")
        found = [(each, elements) for each in fetch_retries(sql, 9, 1000)]
        return retry_letters(Batch(sql, decide_landing, 1000.0), found, {"r"})

    return await store.write(land)


async def replay(store, *elements):
    endings = await store.write(lambda sql: replay_elements(Batch(sql, decide_replay, 1000.0), elements))
    return [(ending.outcome, ending.reason) for ending in endings]


async def fetch_letters(store):
    rows = await store.read(lambda sql: list(sql.execute("SELECT state, reason FROM dead_letters ORDER BY id")))
    return [tuple(row) for row in rows]


async def journal_event(store):
    await store.write(
        lambda sql: (
            sql.execute(
                "INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain)"
                " VALUES (1, 1, 1000, x'74', x'7b7d', 2, x'00', 1, 0)"
            ).rowcount
        )
    )


async def test_a_letter_whose_element_lands_is_settled(store):
    await journal_event(store)
    await take(store, DEAD)
    assert (await retry(store, fires(1))).accepted == 1
    assert await fetch_letters(store) == [("retried", "mapping_failed")]


async def test_a_letter_that_fails_again_is_open_with_its_new_reason(store):
    await journal_event(store)
    await take(store, DEAD)
    assert (await retry(store, Element(1, 0, Rejected("factory_failed", "d", route="r")))).rejected == 1
    assert await fetch_letters(store) == [("open", "factory_failed")]


async def test_a_second_route_that_fails_again_gets_a_letter_of_its_own(store):
    await journal_event(store)
    await take(store, Element(1, 0, Rejected("invalid_json", "d")))
    twice = [Element(1, 0, Rejected("mapping_failed", "d", route=route)) for route in ("r", "s")]
    assert (await retry(store, *twice)).rejected == 2
    assert await fetch_letters(store) == [("open", "mapping_failed"), ("open", "mapping_failed")]


async def test_what_was_dropped_may_land_in_a_replay_and_once(store):
    await take(store, Element(1, 0, Dropped("filtered", "r")))
    assert await replay(store, fires(1)) == [("landed", None)]
    assert await replay(store, fires(1)) == [("landed_before", None)]


async def test_a_drop_that_fails_in_a_replay_stays_a_drop(store):
    await take(store, Element(1, 0, Dropped("filtered", "r")))
    assert await replay(store, DEAD) == [("dropped", "filtered")]
    assert await fetch_letters(store) == []


async def test_a_letter_that_lands_in_a_replay_is_settled(store):
    await take(store, DEAD)
    assert await replay(store, fires(1)) == [("landed", None)]
    assert await fetch_letters(store) == [("retried", "mapping_failed")]
