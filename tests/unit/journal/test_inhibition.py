import dataclasses
import sqlite3

import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.journal.inhibition import is_inhibited, prune_inhibitors, record_bearing, release_alerts
from itop_bridge.journal.landing import Bearing, Tie
from itop_bridge.journal.schema import load_migrations, migrate
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped
from itop_bridge.triage.repeat import decide_landing


@pytest.fixture
def sql():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations())
    yield connection
    connection.close()


def source(alert_id="s", *, key="k", mutual=False, received=100.0, hold_s=50.0):
    return Bearing("EXC|r", alert_id, received, sources=(Tie(key, mutual, hold_s),))


def target(alert_id="t", *, key="k", mutual=False, received=100.0):
    return Bearing("EXC|r", alert_id, received, targets=(Tie(key, mutual),))


def nothing(alert_id="s", received=100.0):
    return Bearing("EXC|r", alert_id, received)


def test_a_source_inhibits_the_targets_with_its_key_for_a_time(sql):
    assert not is_inhibited(sql, target())
    record_bearing(sql, source())
    assert is_inhibited(sql, target(received=149.9))
    assert not is_inhibited(sql, target(received=150.0))
    assert not is_inhibited(sql, target(key="other"))


def test_a_source_that_is_heard_of_again_inhibits_for_longer(sql):
    record_bearing(sql, source())
    record_bearing(sql, source(received=140.0))
    assert is_inhibited(sql, target(received=180.0))


def test_what_no_longer_matches_or_fires_inhibits_no_longer(sql):
    record_bearing(sql, source())
    record_bearing(sql, nothing("another"))
    assert is_inhibited(sql, target())
    record_bearing(sql, nothing())
    assert not is_inhibited(sql, target())


def test_an_alert_on_both_sides_inhibits_neither_itself_nor_its_like(sql):
    record_bearing(sql, source(mutual=True))
    assert not is_inhibited(sql, target("s", mutual=True))
    assert not is_inhibited(sql, target("t", mutual=True))
    assert is_inhibited(sql, target("t"))


def test_what_is_over_is_removed(sql):
    record_bearing(sql, source("a"))
    record_bearing(sql, source("b", hold_s=51.0))
    prune_inhibitors(sql, 150.0)
    assert sql.execute("SELECT id FROM inhibitors").fetchall() == [("b",)]


# as triage lands alerts


class Journal:
    def __init__(self, store):
        self.store = store
        self.triage = TriageJournal(store, lambda: 1.0)
        self.events = 0

    async def land(self, *elements):
        numbered = [dataclasses.replace(each, event_id=self.events + n) for n, each in enumerate(elements, 1)]
        self.events += len(elements)
        await self.triage.record(numbered, decide_landing, through=self.events)
        return await self.drops()

    async def drops(self):
        return await self.rows("SELECT event_id, reason FROM drops ORDER BY event_id")

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


@pytest.fixture
async def journal(store):
    journal = Journal(store)
    await journal.triage.record_profile(PROFILE.hash, PROFILE.body)
    return journal


def bearing(element, bearing):
    return dataclasses.replace(element, bearing=bearing)


DOWN = bearing(fires(0, "s"), source())
UP = bearing(resolves(0, "s"), nothing())
FOLLOWS = bearing(fires(0, "t"), target())


async def test_the_order_within_a_batch_counts(journal):
    assert await journal.land(FOLLOWS, DOWN, bearing(fires(0, "t2"), target("t2"))) == [(3, "inhibited")]
    assert await journal.rows("SELECT id FROM alerts ORDER BY id") == [("s",), ("t",)]


async def test_a_source_ends_with_its_resolve_within_a_batch(journal):
    assert await journal.land(DOWN, UP, FOLLOWS) == []


async def test_a_resolve_of_a_target_passes(journal):
    await journal.land(FOLLOWS, DOWN)
    await journal.land(bearing(resolves(0, "t"), nothing("t")))
    assert await journal.rows("SELECT kind FROM intents ORDER BY seq") == [("create",), ("create",), ("resolve",)]


async def test_a_target_that_fires_already_is_heard_of_while_it_is_inhibited(journal):
    await journal.land(FOLLOWS, DOWN)
    again = bearing(fires(0, "t", received=5000.0), target(received=120.0))
    assert await journal.land(again) == [(3, "inhibited")]
    assert await journal.rows("SELECT state, heard FROM alerts WHERE id = 't'") == [("firing", 5000.0)]


async def test_a_source_that_is_silenced_inhibits_until_its_resolve(journal):
    silenced = dataclasses.replace(DOWN, result=Dropped("silenced", "r"))
    assert await journal.land(silenced, FOLLOWS) == [(1, "silenced"), (2, "inhibited")]
    assert await journal.land(UP, FOLLOWS) == [(1, "silenced"), (2, "inhibited")]


async def test_an_old_firing_of_what_is_resolved_inhibits_nothing(journal):
    first = bearing(fires(0, "s", episode=100.0), source())
    up = bearing(resolves(0, "s", episode=100.0), nothing())
    await journal.land(first, up)
    assert await journal.land(dataclasses.replace(first), FOLLOWS) == [(3, "already_resolved")]


async def test_an_old_resolve_does_not_end_a_newer_firing(journal):
    newer = bearing(fires(0, "s", episode=200.0), source())
    await journal.land(newer, bearing(resolves(0, "s", episode=100.0), nothing()))
    assert (3, "inhibited") in await journal.land(FOLLOWS)


async def test_an_operator_who_resolves_a_case_ends_what_its_alerts_inhibit(journal):
    await journal.land(DOWN)
    await journal.store.write(lambda sql: release_alerts(sql, 1))
    assert await journal.land(FOLLOWS) == []
