import dataclasses

import pytest
from landing import PROFILE, fires

from itop_bridge.journal.case import Settlement
from itop_bridge.settings.policy import Policy


async def test_a_person_takes_over_only_what_they_were_told(cases):
    await cases.land(fires(1, "told"), fires(2, "untold"))
    await cases.journal.settle(Settlement(1, 1, "delivered", "create"))
    assert await cases.journal.mark_handled(1, None)
    assert await cases.rows("SELECT id, handled FROM alerts ORDER BY id") == [("told", 1), ("untold", 0)]
    assert (await cases.journal.fetch_case(1)).firing == 1


async def test_pending_updates_of_what_a_person_took_over_are_dropped(cases):
    await cases.land(fires(1, content="1", episode=5.0))
    await cases.journal.settle(Settlement(1, 1, "delivered", "create"))
    await cases.land(fires(2, content="2", episode=5.0))
    await cases.journal.mark_handled(1, None)
    assert await cases.rows("SELECT state, reason FROM intents ORDER BY seq") == [
        ("delivered", "create"),
        ("dropped", "handled_by_person"),
    ]


@pytest.mark.parametrize(("manner", "intents"), [("note", 1), ("resolve", 2)])
async def test_episodes_that_nothing_is_heard_of_expire(cases, manner, intents):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0, expired=manner))
    await cases.land(fires(1, profile=profile.hash), profile=profile)
    cases.now = 1050.0
    assert await cases.journal.expire_firing() == 0
    cases.now = 1101.0
    assert await cases.journal.expire_firing() == 1
    assert (await cases.journal.fetch_case(1)).firing == 0
    assert len(await cases.rows("SELECT 1 FROM intents")) == intents


async def test_what_began_after_a_person_resolved_is_not_theirs(cases):
    await cases.land(fires(1, "before", received=900.0), fires(2, "after", received=990.0))
    await cases.journal.settle(Settlement(1, 2, "delivered", "create"))
    await cases.land(fires(3, "before", content="new"), fires(4, "after", content="new"))
    assert await cases.journal.mark_handled(1, 950.0)
    assert await cases.rows("SELECT id, handled FROM alerts ORDER BY id") == [("after", 0), ("before", 1)]
    assert await cases.rows("SELECT state FROM intents WHERE seq > 2 ORDER BY seq") == [("dropped",), ("pending",)]
    assert not await cases.journal.mark_handled(1, 950.0)


async def test_expiry_is_done_in_parts(cases):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0))
    await cases.land(*[fires(number, f"a{number}", profile=profile.hash) for number in range(1, 6)], profile=profile)
    cases.now = 1101.0
    assert [await cases.journal.expire_firing(3) for _ in range(3)] == [3, 2, 0]


async def test_where_nothing_expires_the_writer_is_not_kept_busy_with_the_question(cases, monkeypatch):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=100.0))
    await cases.land(fires(1, profile=profile.hash), profile=profile)
    monkeypatch.setattr(cases.store, "write", None)
    assert await cases.journal.expire_firing() == 0
