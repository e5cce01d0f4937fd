import dataclasses

import pytest
from filled import deliver

from itop_bridge.control.error import ControlError
from itop_bridge.control.operation import perform
from itop_bridge.control.request import ListCases, ResolveCases, ShowCase
from itop_bridge.journal.inquiry import CaseFilter


async def ask(daemon, request, controls=None):
    return await perform(request, controls or daemon.controls, daemon.tell)


async def test_cases_are_listed(daemon):
    assert [each["state"] for each in (await ask(daemon, ListCases()))["cases"]] == ["waiting"]
    assert (await ask(daemon, ListCases(CaseFilter(state="open"))))["cases"] == []


async def test_a_case_is_shown_or_is_not_there(daemon):
    assert (await ask(daemon, ShowCase("1")))["route"] == "r"
    with pytest.raises(ControlError, match="there is no case 'I-000009'"):
        await ask(daemon, ShowCase("I-000009"))


async def test_a_dry_run_only_counts(daemon):
    await deliver(daemon.store)
    answer = await ask(daemon, ResolveCases("r", 0.0, dry_run=True))
    assert (answer["found"], answer["changed"]) == (1, 0)
    assert await daemon.controls.operations.count_owed([1]) == 0


async def test_nothing_to_resolve_is_an_answer(daemon):
    assert (await ask(daemon, ResolveCases("r", 0.0)))["found"] == 0


async def test_without_a_daemon_or_the_wish_nobody_waits(daemon):
    await deliver(daemon.store)
    answer = await ask(daemon, ResolveCases("r", 0.0, wait=False))
    assert answer == {"found": 1, "changed": 1, "owed": 1, "running": True}
    answer = await ask(daemon, ResolveCases("r", 0.0), daemon.stopped)
    assert (answer["found"], answer["owed"], answer["running"]) == (1, 1, False)


async def test_it_waits_until_delivery_has_done_it(daemon):
    await deliver(daemon.store)

    async def settle(_seconds):
        query = "UPDATE intents SET state = 'delivered' WHERE kind = 'resolve'"
        await daemon.store.write(lambda sql: sql.execute(query).rowcount)

    answer = await ask(daemon, ResolveCases("r", 0.0), dataclasses.replace(daemon.controls, sleep=settle))
    assert answer == {"found": 1, "changed": 1, "owed": 0, "running": True}
    assert daemon.told == [(0, 1), (1, 1)]


async def test_a_route_that_is_not_there_is_told_before_anything_is_done(daemon):
    with pytest.raises(ControlError, match="there is no route 'wazu'; did you mean wazuh"):
        await ask(daemon, ResolveCases("wazu", 0.0))
