import pytest

from itop_bridge.errors import JournalError
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.source import Source, SourceJournal, Watched, record_heard
from itop_bridge.journal.store import Store

NOW = 1000.0
EVENT = Received(b"$itop-bridge/silence/a", b"{}", NOW, 2)


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


@pytest.fixture
def woken():
    return []


class Desk:
    """A watch that began at NOW; time passes as it is listened."""

    def __init__(self, store, woken):
        self.now = NOW
        self._journal = SourceJournal(store, lambda: self.now, lambda: woken.append("triage"))

    async def advance(self, watched, listened_s):
        self.now += listened_s
        return await self._journal.advance(watched, listened_s)


@pytest.fixture
async def journal(store, woken):
    desk = Desk(store, woken)
    await desk.advance([Watched("a", 60.0), Watched("b", 60.0)], 0.0)
    return desk


async def events(store):
    return await store.read(lambda sql: sql.execute("SELECT connection, topic FROM events").fetchall())


async def test_a_watch_begins_with_the_first_look(journal):
    assert await journal.advance([Watched("a", 60.0)], 0.0) == [Source("a", NOW, 0.0)]


async def test_a_source_is_lost_once_it_was_silent_for_as_long_as_it_may_be(journal):
    watched = [Watched("a", 60.0)]
    assert (await journal.advance(watched, 59.0))[0].turn is None
    assert await journal.advance(watched, 1.0) == [Source("a", NOW, 60.0, NOW + 60, "lost")]
    assert await journal.advance(watched, 1.0) == [Source("a", NOW, 61.0, NOW + 60)]


async def test_an_event_ends_the_silence(journal, store):
    watched = [Watched("a", 60.0)]
    await journal.advance(watched, 60.0)
    await store.write(lambda sql: record_heard(sql, {"a": NOW + 60}))
    assert await journal.advance(watched, 1.0) == [Source("a", NOW + 60, 1.0, NOW + 60, "heard")]
    assert await journal.advance(watched, 1.0) == [Source("a", NOW + 60, 2.0)]


async def test_a_source_that_speaks_in_time_is_never_lost_whenever_one_looks(journal, store):
    """It speaks every 50 s, one looks every 15 s, and it may be silent for 60 s."""
    watched = [Watched("a", 60.0)]
    most = 0.0
    for second in range(1, 600):
        if second % 50 == 0:
            await store.write(lambda sql, at=NOW + second: record_heard(sql, {"a": at}))
        if second % 15 == 0:
            [source] = await journal.advance(watched, 15.0)
            assert source.lost is None
            most = max(most, source.silent_s)
    assert most == 45.0


async def test_a_clock_that_was_set_back_does_not_stop_the_count(journal):
    journal.now -= 3_600.0
    assert (await journal.advance([Watched("a", 60.0)], 15.0))[0].silent_s == 15.0


async def test_an_older_event_does_not_set_the_clock_back(journal, store):
    await journal.advance([Watched("a", 60.0)], 0.0)
    await store.write(lambda sql: record_heard(sql, {"a": NOW - 500}))
    assert (await journal.advance([Watched("a", 60.0)], 0.0))[0].heard == NOW


async def test_a_turn_is_told_by_an_event_that_no_broker_brought(journal, store, woken):
    watched = [Watched("a", 60.0, lambda _source: EVENT)]
    await journal.advance(watched, 60.0)
    await journal.advance(watched, 1.0)
    assert await events(store) == [(0, EVENT.topic)]
    assert woken == ["triage"]


async def test_a_turn_whose_event_cannot_be_stored_has_not_happened(journal, store):
    def fail(_source):
        raise JournalError("no")

    with pytest.raises(JournalError):
        await journal.advance([Watched("a", 60.0, fail)], 60.0)
    assert await events(store) == []
    assert (await journal.advance([Watched("a", 60.0)], 60.0))[0].turn == "lost"


async def test_what_waits_to_be_mapped_stops_the_count(journal, store):
    intake = IntakeJournal(store)
    await intake.record_events(await intake.open_connection(session_present=False), [EVENT])
    assert (await journal.advance([Watched("a", 60.0)], 100.0))[0].silent_s == 0.0


async def test_a_route_that_is_not_watched_is_forgotten(journal):
    await journal.advance([Watched("a", 60.0), Watched("b", 60.0)], 60.0)
    await journal.advance([Watched("b", 60.0)], 0.0)
    assert await journal.advance([Watched("a", 60.0)], 0.0) == [Source("a", NOW + 60, 0.0)]


async def test_a_source_that_may_be_silent_for_longer_now_is_heard(journal):
    await journal.advance([Watched("a", 60.0)], 60.0)
    assert (await journal.advance([Watched("a", 600.0)], 1.0))[0].turn == "heard"
