"""A case that fires and resolves again and again is told once, and resolved when it has been quiet."""

import dataclasses

import pytest
from rig import Rig, profile_of

from itop_bridge.settings.policy import Flapping, Policy
from itop_bridge.simulator.fault import Fault, Kind

MINUTE = 60.0
RULE = Flapping(changes=4, within=10 * MINUTE)
POLICY = Policy(flapping=RULE, resolve_grace=0.0, spacing=0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


async def flap(rig, times, *, every=MINUTE):
    """Fire and resolve so often, delivering in between."""
    for _ in range(times):
        await rig.fires()
        await rig.settle()
        rig.advance(every)
        await rig.resolves()
        await rig.settle()
        rig.advance(every)


def told(rig):
    return [text for text in rig.entries() if "This case flaps" in text]


async def quiet(rig, minutes=11):
    for _ in range(minutes):
        rig.advance(MINUTE)
        await rig.deliver()


async def test_the_incident_is_told_once_and_stays_open(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 12)
        assert rig.incident()["status"] != "resolved"
        assert len(told(rig)) == 1


async def test_it_is_resolved_once_it_has_been_quiet(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 12)
        await quiet(rig)
        assert rig.incident()["status"] == "resolved"
        assert {state for state, _ in await rig.intents()} == {"delivered"}
        assert set(rig.tokens().values()) == {1}


async def test_without_the_rule_the_incident_goes_up_and_down(path):
    async with Rig.open(path, profile_of(dataclasses.replace(POLICY, flapping=None))) as rig:
        await flap(rig, 3)
        kinds = [kind for kind, _ in await rig.attempts()]
        assert kinds.count("reopen") == 2
        assert kinds.count("resolve") == 3


async def test_with_the_rule_it_is_reopened_no_more_than_until_it_counts_as_flapping(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 12)
        await quiet(rig)
        kinds = [kind for kind, _ in await rig.attempts()]
        assert kinds.count("reopen") <= 2
        assert kinds.count("create") == 1


async def test_what_ends_firing_is_not_resolved(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 6)
        await rig.fires()
        await rig.settle()
        await quiet(rig, 30)
        assert rig.incident()["status"] != "resolved"
        await rig.resolves()
        await rig.settle()
        assert rig.incident()["status"] == "resolved", "one change after a quiet time is no flapping"


async def test_many_alerts_that_fire_and_end_once_are_no_flapping(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        for number in range(10):
            await rig.fires(f"a{number}")
        await rig.settle()
        for number in range(10):
            await rig.resolves(f"a{number}")
        await rig.settle()
        assert rig.incident()["status"] == "resolved"
        assert told(rig) == []


async def test_after_a_restart_it_still_is_held_and_not_told_again(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 6)
        assert len(told(rig)) == 1
        await rig.crash()
        await flap(rig, 3)
        assert rig.incident()["status"] != "resolved"
        assert len(told(rig)) == 1
        await quiet(rig)
        assert rig.incident()["status"] == "resolved"


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.RESET_BEFORE])
async def test_an_entry_of_unknown_outcome_is_told_once(path, kind):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 2)
        fault = rig.simulator.faults.add(Fault(kind, operation="core/update"))
        await flap(rig, 4)
        assert fault.hits == 1
        rig.advance(2 * MINUTE)
        await rig.settle()
        assert len(told(rig)) == 1
        await quiet(rig)
        assert rig.incident()["status"] == "resolved"
        assert set(rig.tokens().values()) == {1}


async def test_when_it_flaps_again_later_it_is_told_again(path):
    async with Rig.open(path, profile_of(dataclasses.replace(POLICY, max_reopens=10))) as rig:
        await flap(rig, 8)
        await quiet(rig, 20)
        await flap(rig, 8)
        assert len(told(rig)) == 2


async def test_new_hosts_are_told_while_it_flaps(path):
    async with Rig.open(path, profile_of(POLICY)) as rig:
        await flap(rig, 8)
        await rig.fires("a2", host="srv-99")
        await quiet(rig, 6)
        assert any("srv-99" in text for text in rig.entries())


async def test_a_full_log_holds_the_resolve_all_the_same(path):
    policy = dataclasses.replace(POLICY, log_budget=1)
    async with Rig.open(path, profile_of(policy)) as rig:
        await flap(rig, 12)
        assert rig.incident()["status"] != "resolved"
        await quiet(rig)
        assert rig.incident()["status"] == "resolved"
        assert len(rig.entries()) == 1
