"""What random timelines (test_delivery_model.py) and reading the code found: each as the shortest timeline for it."""

import dataclasses

import pytest
from rig import TIME_LIMIT_S, Rig, profile_of
from world import World

from itop_bridge.alert import State
from itop_bridge.errors import JournalFullError
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Fault, Kind

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


# a new incident for a case that had one


async def test_a_replacement_whose_reply_was_lost_is_not_made_twice(path):
    """Its token was looked for in the incident before, was not there, and another one was created."""
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Bob Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await rig.fires("F2")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert len(rig.incidents) == 2
        assert rig.simulator.count("core/create") == 2


async def test_the_first_entry_of_a_replacement_is_not_written_into_the_incident_before(path):
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Bob Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        await rig.fires("F2")
        await rig.settle()
        await rig.settle()
        assert set(rig.tokens().values()) == {1}


async def test_the_first_entry_of_an_incident_is_written_again_if_it_was_lost(path):
    async with World.open(path) as world:
        await world.fires()
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts")
        world.overwrite(world.incident()["id"], token)
        await world.settle()
        await world.settle()
        assert world.standing() == {f"[sb:{token}]": 1}


async def test_a_create_tells_what_it_settles_and_no_more(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.resolves()
        await rig.settle(MINUTE)
        assert [entry.split(" alert")[0].split()[-1] for entry in rig.entries()] == ["1", "1"]


# episodes and cases


async def test_an_update_stays_in_the_case_of_its_episode_when_group_by_changed(path):
    async with Rig.open(path) as rig:
        start = rig.now
        await rig.fires("F", group="old", episode=start, content="1")
        await rig.settle(10 * MINUTE)
        await rig.fires("F", group="new", episode=start, content="2")
        await rig.resolves("F", group="new")
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "resolved"


async def test_an_alert_that_expires_is_resolved_in_its_own_case(path):
    """The resolve went to the case of the first firing, which was not given a turn: pending for ever."""
    policy = Policy(expired="resolve", firing_expires=HOUR)
    async with World.open(path, profile_of(policy)) as world:
        await world.fires("F", group="old", dated=False, content="1")
        await world.fires("F", group="new", dated=False, content="2")
        await world.live(2 * HOUR)
        await world.live(20 * MINUTE)
        assert {state for state, _ in await world.intents()} == {"delivered"}
        assert {incident["status"] for incident in world.incidents} == {"resolved"}


# unknown outcomes


async def test_an_alert_that_expired_is_resolved_when_its_resolve_comes_after_all(path):
    async with World.open(path, profile_of(Policy(firing_expires=2 * DAY))) as world:
        await world.fires()
        await world.live(3 * DAY)
        assert world.incident()["status"] == "new"
        await world.resolves()
        await world.live(HOUR)
        assert world.incident()["status"] == "resolved"


@pytest.mark.parametrize("twice", [False, True])
async def test_a_resolve_that_lands_while_its_case_is_read_resolves(path, monkeypatch, twice):
    """It was settled as a log entry, since its alert was still counted as firing: the incident stayed open for ever."""
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        fold, landed = rig.journal.fold_pending, []

        async def land_first(*args, **kwargs):
            if not landed:
                landed.append(await rig.resolves())
            return await fold(*args, **kwargs)

        await rig.fires(content="more")
        if twice:
            await rig.fires("a2", content="another")
            await rig.resolves("a2")
        monkeypatch.setattr(rig.journal, "fold_pending", land_first)
        await rig.settle()
        await rig.settle(MINUTE)
        assert landed
        assert rig.incident()["status"] == "resolved"


async def test_a_case_whose_look_is_due_does_not_keep_delivery_busy(path):
    """A second before its look was made, it was planned again and again."""
    async with World.open(path) as world:
        world.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await world.fires()
        await world.deliver()
        world.advance(TIME_LIMIT_S + 1.5)
        await world.deliver(most=5)
        assert await world.attempts() == [("create", "unknown")]


async def test_an_agent_who_took_the_incident_before_the_look_holds_it(path):
    async with Rig.open(path) as rig:
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await rig.fires()
        await rig.deliver()
        rig.simulator.person("Bob Agent").assign(rig.incident()["id"])
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.resolves()
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "assigned"


async def test_the_agent_that_we_named_holds_nothing_though_the_reply_was_lost(path):
    async with Rig.open(path, profile_of(agent="Alice Agent", team="SOC")) as rig:
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await rig.fires()
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.resolves()
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "resolved"


async def test_a_late_create_is_the_cases_incident_while_its_alert_is_still_pending(path):
    """Later than iTop's time limit, and nothing else was made meanwhile: no twin, though the case had one before."""
    async with World.open(path) as world:
        await world.fires("F1")
        await world.settle()
        world.simulator.person("Bob Agent").close(world.incident()["id"])
        world.advance(HOUR)
        world.break_("late", "core/create", 1, delay=10 * MINUTE - 2)
        world.break_("maintenance", "core/create", 1)
        await world.fires("F2")
        await world.deliver()
        down = world.simulator.faults.add(Fault(Kind.HTTP_500, times=4, operation="core/create"))
        await world.live(20 * MINUTE)
        assert down.hits
        assert len(world.incidents) == 2
        assert "incident_twin" not in world.alarms.active
        assert {state for state, _ in await world.intents()} == {"delivered"}


async def test_a_twin_is_noted_in_both_though_itop_fails_meanwhile(path):
    async with World.open(path) as world:
        world.break_("late", "core/create", 1, delay=2 * TIME_LIMIT_S)
        await world.fires()
        await world.live(9 * MINUTE)
        world.simulator.faults.add(Fault(Kind.HTTP_502, times=1, operation="core/update"))
        await world.live(HOUR)
        first, second = world.logs().values()
        assert "created late" in "\n".join(first)
        assert "late" in "\n".join(second)
        assert len(first) == len(second) == 2


# what people did


async def test_an_update_of_what_a_person_closed_opens_nothing_though_its_alert_has_ended(path):
    async with Rig.open(path) as rig:
        start = rig.now
        await rig.fires("F", episode=start, content="1")
        await rig.settle()
        await rig.fires("F", episode=start, content="2")
        rig.advance(2)
        rig.simulator.person("Bob Agent").close(rig.incident()["id"])
        await rig.resolves("F")
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert len(rig.incidents) == 1
        assert [reason for _, reason in await rig.intents()] == ["create", "handled_by_person", "closed"]


async def test_what_was_told_after_the_resolution_is_a_persons_once_they_close(path):
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Bob Agent").resolve(rig.incident()["id"], "done")
        rig.advance(6 * MINUTE)
        start = rig.now
        await rig.fires("F2", episode=start, content="1")  # within the grace: told in the resolved incident
        await rig.settle()
        rig.simulator.person("Bob Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        await rig.fires("F2", episode=start, content="2")
        await rig.settle(10 * MINUTE)
        assert len(rig.incidents) == 1


async def test_an_alert_that_began_after_the_resolution_reopens_when_it_goes_on(path):
    """It was told within the grace, and an update of it was dropped as dealt with, by a person who never saw it."""
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Bob Agent").resolve(rig.incident()["id"], "done")
        rig.advance(6 * MINUTE)
        start = rig.now
        await rig.fires("F2", episode=start, content="1")
        await rig.settle()
        rig.advance(HOUR)
        await rig.fires("F2", episode=start, content="2")
        await rig.settle()
        assert rig.incident()["status"] == "assigned"


async def test_what_a_person_resolved_once_more_is_theirs(path):
    """We resolved, a person reopened and resolved: taken for our own resolution, and reopened for an older alert."""
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle(MINUTE)
        await rig.resolves("F1")
        await rig.settle()
        await rig.fires("F2")
        rig.advance(2)
        person = rig.simulator.person("Bob Agent")
        person.reopen(rig.incident()["id"])
        rig.advance(2)
        person.resolve(rig.incident()["id"], "done")
        await rig.settle(15 * MINUTE)
        await rig.settle(15 * MINUTE)
        assert rig.incident()["status"] == "resolved"


async def test_a_resolution_is_noticed_after_the_group_interval_however_long_the_repeat_interval(path):
    async with World.open(path) as world:
        start = world.now
        for number in range(6):  # nothing new: the distance grows to hours
            await world.fires("F", episode=start, content=f"{number}")
            await world.live(4 * HOUR)
        await world.fires("F", episode=start, content="last")
        await world.deliver()
        assert len(world.entries()) == 7
        world.simulator.person("Bob Agent").resolve(world.incident()["id"], "done")
        world.advance(11 * MINUTE)
        await world.fires("F")
        await world.live(6 * MINUTE)
        assert world.incident()["status"] == "assigned"


async def test_an_alert_below_the_threshold_reopens_nothing(path):
    """It made an alert from before the resolution look like one from after it."""
    async with World.open(path, profile_of(Policy(resolve_grace=0.0))) as world:
        await world.fires("F1")
        await world.settle()
        await world.fires("F2")
        world.advance(2)
        world.simulator.person("Bob Agent").resolve(world.incident()["id"], "done")
        world.advance(2)
        await world.land(
            "M", "low", State.FIRING, case=("EXC", "g"), kind="append", episode=None, content="x", urgency=3,
            host="srv-01", one_shot=True,
        )  # fmt: skip
        await world.live(HOUR)
        assert world.incident()["status"] == "resolved"
        assert {state for state, _ in await world.intents()} == {"delivered"}


# what we resolved


async def test_what_fires_right_after_our_own_resolve_reopens_once_the_grace_is_over(path):
    """It was only added to the log of the resolved incident, and fired on unseen."""
    async with World.open(path) as world:
        await world.fires("F1")
        await world.settle(MINUTE)
        await world.resolves("F1")
        await world.settle()
        await world.fires("F2")
        await world.live(5 * MINUTE)
        assert world.incident()["status"] == "resolved"
        await world.live(6 * MINUTE)
        assert world.incident()["status"] == "assigned"


async def test_what_ends_within_the_grace_reopens_nothing(path):
    async with World.open(path) as world:
        await world.fires("F1")
        await world.settle(MINUTE)
        await world.resolves("F1")
        await world.settle()
        await world.fires("F2")
        await world.live(5 * MINUTE)
        await world.resolves("F2")
        await world.live(HOUR)
        assert world.incident()["status"] == "resolved"
        assert {state for state, _ in await world.intents()} == {"delivered"}


@pytest.mark.parametrize("answered", [True, False])
async def test_itops_clock_is_known_after_a_restart(path, answered):
    """Until the next write, nothing was known to be later than a resolution, so nothing was reopened."""
    async with World.open(path) as world:
        if not answered:
            world.simulator.faults.add(Fault(Kind.RESET_AFTER, times=1, operation="core/create"))
        await world.fires("F1")
        await world.live(2 * MINUTE)
        world.simulator.person("Bob Agent").resolve(world.incident()["id"], "done")
        await world.crash()
        await world.live(HOUR)
        await world.fires("F2")
        await world.deliver()
        assert world.incident()["status"] == "assigned"


# entries that were lost


async def test_a_resolves_entry_that_was_lost_is_written_again(path):
    """Its token stood in the solution, which was taken for the entry."""
    async with World.open(path) as world:
        await world.fires()
        await world.settle(MINUTE)
        await world.resolves()
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts WHERE kind = 'resolve'")
        world.overwrite(world.incident()["id"], token)
        await world.settle()
        await world.settle()
        assert set(world.standing().values()) == {1}
        assert len(world.entries()) == 2


async def test_writing_a_lost_entry_again_costs_no_try_while_itop_is_down(path):
    async with World.open(path) as world:
        await world.fires()
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts")
        world.overwrite(world.incident()["id"], token)
        world.simulator.faults.add(Fault(Kind.MAINTENANCE, times=9, operation="core/update"))
        await world.live(HOUR)
        assert len(world.entries()) == 1


async def test_an_entry_that_itop_never_keeps_is_a_dead_letter(path):
    async with World.open(path) as world:
        await world.fires()
        await world.deliver()
        ((token,),) = await world.rows("SELECT token FROM attempts")
        world.overwrite(world.incident()["id"], token)
        poison = world.simulator.faults.add(Fault(Kind.HTTP_500, times=None, operation="core/update"))
        await world.live(HOUR)
        assert poison.hits == 5
        assert [reason for reason, _ in await world.dead_letters()] == ["entry_lost"]


# whose incident it is


async def test_a_ticket_of_another_origin_that_bears_the_key_is_not_taken_for_ours(path):
    """The key can be guessed: a portal user's ticket could have taken a case's alerts."""
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle()
        await rig.store.write(lambda sql: sql.execute("UPDATE cases SET incident = NULL, ref = NULL").rowcount)
        rig.simulator.person("Bob Agent").edit(rig.incident()["id"], origin="portal")
        rig.advance(HOUR)
        await rig.fires("F2")
        await rig.settle()
        assert len(rig.incidents) == 2


# the worker


async def test_a_full_disk_when_alerts_expire_does_not_end_delivery(path):
    async with World.open(path) as world:
        world.full_until = world.now + 60.0
        await world.deliver()
        await world.fires()
        await world.deliver()
        assert len(world.incidents) == 1


async def test_the_alarm_of_a_full_disk_ends_with_it(path):
    async with World.open(path) as world:
        world.full_until = world.now + 60.0
        await world.fires()
        await world.deliver()
        assert "journal_full" not in world.alarms.active


async def test_a_disk_that_is_full_when_the_answer_comes_does_not_shift_itops_clock(path):
    async with World.open(path) as world:
        original = world.life.write
        calls = []

        async def fill(query):
            calls.append(world.simulator.count("core/create"))
            if calls[-1] and calls.count(1) <= 60:
                raise JournalFullError
            return await original(query)

        world.life.write = fill
        await world.fires()
        await world.settle()
        await world.settle()
        assert abs(world.delivery._server_clock.offset_s - HOUR * 2) < 5.0


async def test_a_text_that_fails_parks_its_case_and_others_go_on(path):
    async with Rig.open(path, profile_of(append_log="{{ backlog.count + alert.title }}")) as rig:
        await rig.fires("F1")
        await rig.settle(10 * MINUTE)
        await rig.fires("F2")
        await rig.settle()
        assert await rig.dead_letters() == [("text_failed", None)]
        await rig.fires("G", group="other")
        await rig.settle()
        assert len(rig.incidents) == 2


async def test_texts_that_this_version_does_not_take_park_their_cases(path):
    async with Rig.open(path) as rig:
        texts = dataclasses.replace(rig.profile.writing.texts, title="{% nonsense %}")
        rig.profile = dataclasses.replace(rig.profile, writing=dataclasses.replace(rig.profile.writing, texts=texts))
        await rig.triage.record_profile(rig.profile.hash, rig.profile.body)
        await rig.fires("F1")
        await rig.settle()
        assert await rig.dead_letters() == [("text_failed", None)]


async def test_a_class_that_itop_does_not_show_keeps_no_other_waiting(path):
    async with World.open(path) as world:
        usual, odd = world.profile, profile_of(**{"class": "UserRequest", "origin": ""})
        await world.triage.record_profile(odd.hash, odd.body)
        refused = Fault(Kind.HTTP_500, times=None, operation="core/get", when=lambda r: r["class"] == "UserRequest")
        world.simulator.faults.add(refused)
        world.profile = odd
        await world.fires("U", group="u")
        world.profile = usual
        await world.fires("I", group="i")
        start = world.now
        await world.deliver()
        assert len(world.incidents) == 1
        assert world.now - start < 1.0, "nobody waited"
        assert "itop_read_refused" in world.alarms.active
        await world.live(10 * MINUTE)
        assert refused.hits <= 21, "asked twice a minute"
        world.simulator.faults.remove(refused)
        await world.live(MINUTE)
        assert {state for state, _ in await world.intents()} == {"delivered"}
        assert "itop_read_refused" not in world.alarms.active


async def test_a_storm_of_resolves_that_cannot_be_done_is_not_a_storm_of_reads(path):
    async with World.open(path) as world:
        await world.fires("F0")
        await world.settle(10 * MINUTE)
        world.simulator.person("Bob Agent").assign(world.incident()["id"])
        await world.fires("F1")
        await world.resolves("F1")
        await world.settle()
        reads = world.simulator.count("core/get")
        for number in range(100):
            world.advance(0.1)
            await world.fires(f"G{number}", dated=False)
            await world.resolves(f"G{number}", dated=False)
            await world.deliver()
        assert world.simulator.count("core/get") - reads <= 3


async def test_what_itop_refuses_to_everyone_is_left_alone_for_a_minute(path):
    """Cases that came back each second filled the places of those whose calls iTop takes."""
    async with World.open(path) as world:
        await world.fires()
        await world.settle(10 * MINUTE)
        held = world.simulator.faults.add(Fault(Kind.READ_ONLY, times=None, operation="core/apply_stimulus"))
        await world.resolves()
        await world.deliver()
        assert await world.journal.next_due() >= world.now + MINUTE - 1
        world.simulator.faults.remove(held)
        await world.live(10 * MINUTE)
        assert world.incident()["status"] == "resolved"
