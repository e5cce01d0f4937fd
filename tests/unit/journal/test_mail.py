from dataclasses import replace

import pytest
from rig import Rig, profile_of

from itop_bridge.journal import mail
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.mail import MailJournal
from itop_bridge.journal.operation import Operations
from itop_bridge.settings.policy import Policy

NOW = 1_790_000_000.0


@pytest.fixture
async def rig(tmp_path):
    async with Rig.open(tmp_path / "journal.db", profile_of(Policy(group_wait=30.0, resolve_grace=60.0))) as opened:
        opened.mail = MailJournal(opened.store, opened.clock)
        await opened.mail.record_use(used=True)
        yield opened


async def fetch(rig, after=(0, 0)):
    return await rig.mail.fetch_late(after, rig.now)


async def test_what_waits_for_an_incident_is_found_with_what_tells_whether_it_may(rig):
    await rig.fires(severity="critical", urgency=1)
    ((late,), after) = await fetch(rig)
    assert after is None
    assert (late.route, late.severity, late.received, late.urgency) == ("wazuh", "critical", rig.now, 1)
    assert (late.group_wait_s, late.resolve_grace_s) == (30.0, 60.0)
    assert (late.has_incident, late.held, late.told_seq < late.episode) == (0, 0, True)


async def test_what_is_in_itop_ended_or_is_no_reason_for_an_incident_is_not_found(rig):
    await rig.fires("a1", group="told")
    rig.advance(30)
    await rig.deliver()
    await rig.fires("a2", group="ended")
    await rig.resolves("a2", group="ended")
    await rig.resolves("a3", group="never fired")
    assert await fetch(rig) == ([], None)


async def test_an_alert_without_states_does_not_end(rig):
    await rig.fires(one_shot=True)
    assert len((await fetch(rig))[0]) == 1


async def test_what_an_operator_or_a_person_holds_up_is_told(rig):
    await rig.fires(org="NOWHERE")
    rig.advance(30)
    await rig.deliver()
    await rig.fires("a2", group="other")
    assert [late.held for late in (await fetch(rig))[0]] == [1, 0]
    await Operations(rig.store, rig.clock).pause("wazuh")
    assert [late.held for late in (await fetch(rig))[0]] == [1, 1]


async def test_what_was_received_later_is_left_for_later(rig):
    await rig.fires()
    assert (await rig.mail.fetch_late((0, 0), rig.now - 1))[0] == []


async def test_a_long_backlog_is_looked_through_in_portions(rig, monkeypatch):
    monkeypatch.setattr(mail, "MOST_READ", 2)
    for number in range(5):
        await rig.fires(f"a{number}", group=f"g{number % 2}")
    found, after, portions = [], (0, 0), 0
    while after is not None:
        late, after = await fetch(rig, after)
        found += [each.seq for each in late]
        portions += 1
    assert (sorted(found), portions) == ([1, 2, 3, 4, 5], 3)


async def test_a_portion_is_found_by_its_index(rig):
    explained = await rig.store.read(lambda sql: list(sql.execute(f"EXPLAIN QUERY PLAN {mail._PORTION}", (0, 0, 10))))
    assert "intents_open" in str([tuple(row) for row in explained])


async def test_an_episode_is_escalated_once(rig):
    await rig.fires(content="one")
    await rig.fires(content="two", episode=rig.now)
    late, _ = await fetch(rig)
    assert len({each.episode for each in late}) == 1
    assert await rig.mail.claim(late) == 1
    assert await rig.mail.claim(late) == 0
    assert await fetch(rig) == ([], None)
    ((kind, last),) = [(pile.kind, pile.last) for pile in await rig.mail.fetch_piles()]
    assert (kind, last) == ("escalated", 1)


@pytest.mark.parametrize(("is_mailed", "arrived"), [(True, 1), (False, 0)])
async def test_what_was_mailed_is_told_when_it_is_in_itop(rig, is_mailed, arrived):
    await rig.fires()
    await rig.mail.claim((await fetch(rig))[0])
    if is_mailed:
        await rig.mail.settle("escalated", ["wazuh"], 1)
    assert await rig.mail.settle_arrived() == 0
    rig.advance(30)
    await rig.deliver()
    assert await rig.mail.settle_arrived() == arrived
    assert await rig.mail.settle_arrived() == 0
    told = await rig.mail.fetch_contents("arrived", ["wazuh"], 99, 10)
    assert told.count == arrived
    rows = await rig.store.read(lambda sql: sql.execute("SELECT count(*) FROM escalations").fetchone())
    assert rows == (0,)


async def test_piles_are_counted_by_kind_and_route(rig):
    await rig.mail.claim([replace(late, route="r", episode=n) for n in (7, 8) for late in [await _late(rig)]])
    (pile,) = await rig.mail.fetch_piles()
    assert (pile.kind, pile.route, pile.oldest, pile.last) == ("escalated", "r", rig.now, 2)


async def _late(rig):
    await rig.fires()
    return (await fetch(rig))[0][0]


async def test_events_that_nobody_has_read_are_counted_when_they_are_old(rig):
    journal = IntakeJournal(rig.store)
    connection = await journal.open_connection(session_present=False)
    for number in range(3):
        received = Received(f"t/{number % 2}".encode(), b"%d" % number, rig.now + number, 1)
        await journal.record_events(connection, [received])
    assert await rig.mail.fetch_unmapped(rig.now - 1) is None
    unmapped = await rig.mail.fetch_unmapped(rig.now)
    assert (unmapped.count, unmapped.oldest, sorted(unmapped.topics)) == (3, rig.now, ["t/0", "t/1"])


async def test_outages_that_were_told_are_kept(rig):
    assert await rig.mail.fetch_outages() == {}
    await rig.mail.record_outages({"itop_unreachable": 5.0})
    assert await rig.mail.fetch_outages() == {"itop_unreachable": 5.0}
    await rig.mail.record_use(used=False)
    assert await rig.mail.fetch_outages() == {}


async def test_the_newest_intent_is_known(rig):
    assert await rig.mail.fetch_newest() == 0
    await rig.fires()
    assert await rig.mail.fetch_newest() == 1
