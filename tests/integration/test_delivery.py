"""Delivery's rules, on a real SQLite file against the simulator."""

import asyncio

import pytest
from rig import TIME_LIMIT_S, Rig, profile_of
from structlog.testing import capture_logs

from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.schema import load_datamodel

MINUTE = 60.0
HOUR = 3600.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


# the ordinary way


async def test_an_alert_becomes_an_incident(path):
    async with Rig.open(path) as rig:
        await rig.fires(title="Brute force <b>", host="srv-01")
        await rig.settle()
        incident = rig.incident()
        assert incident["title"].endswith("] Brute force <b> on srv-01")
        assert incident["title"].startswith("[SIEM-")
        assert "Brute force &lt;b&gt;" in incident["description"]
        assert (incident["org_id"], incident["origin"], incident["impact"], incident["urgency"]) == (
            "2",
            "monitoring",
            "2",
            "2",
        )
        assert await rig.intents() == [("delivered", "create")]
        assert await rig.attempts() == [("create", "confirmed")]


async def test_many_alerts_of_a_case_are_one_incident_and_few_calls(path):
    async with Rig.open(path) as rig:
        for number in range(500):
            await rig.fires(f"a{number}")
        await rig.settle()
        for number in range(500, 1000):
            await rig.fires(f"a{number}")
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert len(rig.entries()) == 2
        assert "500 alerts" in rig.entries()[0]
        assert "500 alerts" in rig.entries()[1]
        assert len(rig.simulator.calls) <= 10


async def test_reads_are_shared_by_many_cases(path):
    async with Rig.open(path) as rig:
        for number in range(20):
            await rig.fires(f"a{number}", group=f"g{number}")
        await rig.settle()
        assert rig.simulator.count("core/create") == 20
        assert rig.simulator.count("core/get") <= 3  # the organisation, the look-up, the tokens


async def test_a_resolve_resolves(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(MINUTE)
        await rig.resolves()
        await rig.settle()
        incident = rig.incident()
        assert incident["status"] == "resolved"
        assert "no longer fires" in incident["solution"]
        assert "[sb:" in incident["solution"]
        assert set(rig.tokens().values()) == {1}


async def test_create_and_resolve_both_pending_leave_a_trace(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.resolves()
        await rig.settle(MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "resolved"
        assert len(rig.entries()) == 2


async def test_tenants_with_the_same_alert_id_stay_apart(path):
    async with Rig.open(path) as rig:
        await rig.fires("1", org="EXC", title="of EXC")
        await rig.fires("1", org="OTH", title="of OTH")
        await rig.settle()
        by_org = {incident["org_id"]: incident["title"] for incident in rig.incidents}
        assert "of EXC" in by_org["2"]
        assert "of OTH" in by_org["3"]
        assert len(rig.incidents) == 2


async def test_an_unknown_organisation_is_a_dead_letter_and_others_go_on(path):
    async with Rig.open(path) as rig:
        await rig.fires("1", org="NOPE")
        await rig.fires("2", org="EXC")
        await rig.settle()
        assert await rig.dead_letters() == [("organization_unknown", None)]
        assert rig.incident()["org_id"] == "2"
        calls = len(rig.simulator.calls)
        await rig.fires("3", org="NOPE")
        await rig.settle()
        assert len(rig.simulator.calls) == calls
        assert len(await rig.dead_letters()) == 1


async def test_an_incident_that_the_journal_does_not_know_is_found_by_its_key(path, tmp_path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle()
        await rig.store.write(lambda sql: sql.execute("UPDATE cases SET incident = NULL, ref = NULL").rowcount)
        rig.advance(HOUR)
        await rig.fires("a2")
        await rig.settle()
        assert len(rig.entries()) == 2


async def test_an_optional_reference_that_itop_refuses_is_left_out_and_told(path):
    async with Rig.open(path, profile_of(team="SOC", service="No such service")) as rig:
        await rig.fires()
        await rig.settle()
        assert rig.incident()["team_name"] == "SOC"
        assert "service_id" in rig.entries()[0]
        assert "reference_refused" in rig.alarms.active
        await rig.fires("b", group="other")
        await rig.settle()
        assert rig.simulator.count("core/create") == 3, "the refusal is remembered"


async def test_hostile_text_stays_text(path):
    hostile = "{{7*7}} ' OR 1=1 -- <script>alert(1)</script> %s \\' \x1b[31m"
    async with Rig.open(path) as rig:
        await rig.fires(title=hostile, host=hostile, description=hostile, link="javascript:alert(1)")
        await rig.settle()
        incident = rig.incident()
        assert "{{7*7}}" in incident["title"]
        assert "<script" not in incident["description"]
        assert "{{7*7}}" in incident["description"]
        assert hostile in rig.entries()[0]


# unknown outcomes


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TRUNCATE, Kind.BAD_GZIP, Kind.TIMEOUT_AFTER])
async def test_a_create_whose_reply_was_lost_is_verified_never_repeated(path, kind):
    async with Rig.open(path) as rig:
        rig.simulator.faults.add(Fault(kind, operation="core/create"))
        await rig.fires()
        await rig.deliver()
        assert await rig.attempts() == [("create", "unknown")]
        assert await rig.intents() == [("pending", None)]
        await rig.fires("a2")
        await rig.deliver()
        assert rig.simulator.count("core/create") == 1, "nothing is sent before the look"
        with capture_logs() as logged:
            await rig.settle(TIME_LIMIT_S + 5)
        [created] = [line for line in logged if line["event"] == "incident.created"]
        facts = [created[name] for name in ("incident", "route", "alerts", "urgency", "verified")]
        assert facts == [rig.incident()["ref"], "wazuh", 1, 2, True]
        await rig.settle(6 * MINUTE)
        await rig.settle()
        assert rig.simulator.count("core/create") == 1
        assert len(rig.entries()) == 2
        assert [state for state, _ in await rig.intents()] == ["delivered", "delivered"]


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.HTTP_500, Kind.HTTP_502, Kind.LOCK_WAIT])
async def test_a_create_that_did_not_happen_is_sent_again_after_the_look(path, kind):
    async with Rig.open(path) as rig:
        rig.simulator.faults.add(Fault(kind, operation="core/create"))
        await rig.fires()
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert len(rig.incidents) == 1
        assert await rig.intents() == [("delivered", "create")]


async def test_a_crash_after_the_mark_is_verified_first(path):
    async with Rig.open(path) as rig:
        fault = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/create"))
        await rig.fires()
        step = asyncio.create_task(rig.deliver())
        while not fault.hits:  # noqa: ASYNC110 - the simulator counts, it does not call
            await asyncio.sleep(0.01)
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
        await rig.crash()
        await fault.release()
        assert await rig.attempts() == [("create", "unknown")]
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert rig.simulator.count("core/create") == 1
        assert await rig.intents() == [("delivered", "create")]


async def test_a_late_create_settles_only_what_its_token_proves(path):
    """create{F1} given up, under way; verified "not there"; create{F1,F2} refused, reply lost; the first lands."""
    async with Rig.open(path) as rig:
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/create"))
        await rig.fires("F1")
        await rig.deliver()
        await rig.fires("F2")
        rig.simulator.faults.add(Fault(Kind.REFUSE, operation="core/create"))
        await rig.settle(TIME_LIMIT_S + 5)
        assert await rig.attempts() == [("create", "absent"), ("create", "unknown")]
        await late.release()
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle(6 * MINUTE)
        await rig.settle()
        assert len(rig.incidents) == 1
        assert [state for state, _ in await rig.intents()] == ["delivered", "delivered"]
        told = "\n".join(rig.entries())
        assert told.count("1 alert,") == 2, "F1 by the late create, F2 by a log entry"


async def test_a_create_found_by_its_key_without_its_token_proves_nothing(path):
    """create{F1}; a person closes; create{F2} not applied, reply lost."""
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Alice Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        rig.simulator.faults.add(Fault(Kind.REFUSE, operation="core/create"))
        await rig.fires("F2")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert len(rig.incidents) == 2
        assert rig.incidents[0]["ref"] in rig.incidents[1]["description"]


async def test_a_create_that_a_person_closed_before_the_look_is_found(path):
    async with Rig.open(path) as rig:
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
        await rig.fires()
        await rig.deliver()
        rig.simulator.person("Alice Agent").close(rig.incident()["id"])
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert len(rig.incidents) == 1
        assert await rig.intents() == [("delivered", "create")]


async def test_a_resolve_that_a_person_reopened_before_the_look_is_not_done_again(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(MINUTE)
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/apply_stimulus"))
        await rig.resolves()
        await rig.deliver()
        assert rig.incident()["status"] == "resolved"
        rig.simulator.person("Alice Agent").reopen(rig.incident()["id"])
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle(HOUR)
        await rig.settle()
        assert rig.incident()["status"] == "assigned"
        assert rig.simulator.count("core/apply_stimulus") == 1


async def test_a_raise_that_a_person_lowered_before_the_look_is_not_done_again(path):
    async with Rig.open(path) as rig:
        await rig.fires(urgency=3, severity="medium")
        await rig.settle(10 * MINUTE)
        rig.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/update"))
        await rig.fires("a2", urgency=1, severity="critical")
        await rig.deliver()
        assert rig.incident()["urgency"] == "1"
        rig.simulator.person("Alice Agent").edit(rig.incident()["id"], urgency="3")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle(HOUR)
        await rig.settle()
        assert rig.incident()["urgency"] == "3"
        assert set(rig.tokens().values()) == {1}


async def test_a_resolve_that_a_person_did_instead_is_not_taken_for_ours(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(MINUTE)
        rig.simulator.faults.add(Fault(Kind.REFUSE, operation="core/apply_stimulus"))
        await rig.resolves()
        await rig.deliver()
        rig.simulator.person("Alice Agent").resolve(rig.incident()["id"], "done by hand")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert rig.incident()["solution"] in ("done by hand", "<p>done by hand</p>")
        assert await rig.intents() == [("delivered", "create"), ("dropped", "already_resolved")]


async def test_an_append_that_lands_late_is_not_doubled(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/update"))
        await rig.fires("a2")
        await rig.deliver()
        await rig.settle(TIME_LIMIT_S + 5)  # looked for, not there, sent again
        await rig.settle()
        await late.release()
        await rig.settle(HOUR)
        told = "\n".join(rig.entries())
        assert told.count("a2") <= 1
        assert len(rig.entries()) == 2, "the late one finds its condition no longer true"


async def test_a_resolve_that_lands_late_does_not_close_over_a_firing_alert(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/apply_stimulus"))
        await rig.resolves()
        await rig.deliver()
        await rig.fires("F2", host="srv-02")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle(6 * MINUTE)
        await rig.settle()
        await late.release()
        assert rig.incident()["status"] == "new"
        assert len(rig.entries()) == 2


async def test_an_entry_that_another_save_overwrote_is_written_again_once(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        await rig.fires("a2")
        await rig.deliver()
        row = rig.simulator.store.get("Incident", rig.incident()["id"])
        log = row.values["public_log"]
        row.values["public_log"] = type(log)(log.entries[:-1]) if hasattr(log, "entries") else log[:-1]
        assert len(rig.entries()) == 1
        await rig.settle()
        await rig.settle()
        assert len(rig.entries()) == 2
        assert set(rig.tokens().values()) == {1}


async def test_a_late_twin_is_noted_in_both_and_never_closed(path):
    async with Rig.open(path) as rig:
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/create"))
        await rig.fires()
        await rig.deliver()
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert len(rig.incidents) == 1
        await late.release()
        await rig.settle(11 * MINUTE)
        await rig.settle()
        first, second = rig.incidents
        assert "late" in "\n".join(rig.entries(second))
        assert second["ref"] in "\n".join(rig.entries(first))
        assert {first["status"], second["status"]} == {"new"}
        assert "incident_twin" in rig.alarms.active


# people


async def test_what_a_person_resolved_is_not_reopened_by_an_old_alert(path):
    """F1 creates, F2 waits for its turn; a person resolves; F2's turn."""
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        await rig.fires("F2", host="srv-02")
        rig.advance(10)
        rig.simulator.person("Alice Agent").resolve(rig.incident()["id"], "done")
        rig.advance(10 * MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "resolved"
        assert len(rig.entries()) == 2


async def test_an_episode_that_a_person_dealt_with_never_reopens(path):
    async with Rig.open(path) as rig:
        start = rig.now
        await rig.fires("F1", episode=start, content="1")
        await rig.settle()
        rig.simulator.person("Alice Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        await rig.fires("F1", episode=start, content="2", host="srv-09")
        await rig.settle()
        await rig.fires("F1", episode=start, content="3")
        await rig.settle(HOUR)
        assert len(rig.incidents) == 1
        assert await rig.intents() == [("delivered", "create"), ("dropped", "handled_by_person")]
        assert await rig.drops() == ["handled_by_person"]


async def test_a_new_episode_after_a_person_resolved_reopens(path):
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Alice Agent").resolve(rig.incident()["id"], "done")
        rig.advance(HOUR)
        await rig.fires("F1")
        await rig.settle()
        assert rig.incident()["status"] == "assigned"


async def test_an_alert_after_a_person_closed_opens_a_new_incident(path):
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.settle()
        rig.simulator.person("Alice Agent").close(rig.incident()["id"])
        rig.advance(HOUR)
        await rig.fires("F2")
        await rig.settle()
        assert len(rig.incidents) == 2


async def test_what_a_person_holds_gets_a_log_entry_instead_of_a_resolve(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        rig.simulator.person("Alice Agent").assign(rig.incident()["id"])
        await rig.resolves()
        await rig.settle()
        assert rig.incident()["status"] == "assigned"
        assert len(rig.entries()) == 2


async def test_an_incident_that_is_gone_is_replaced_once_then_parked(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle()
        for _ in range(2):
            rig.simulator.person("Alice Agent").delete(rig.incident()["id"])
            rig.advance(10 * MINUTE)
            await rig.fires(f"b{rig.now}")
            await rig.settle()
        assert rig.incidents == []
        assert ("incident_gone", None) in await rig.dead_letters()


async def test_a_title_that_a_person_changed_stays(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle()
        rig.simulator.person("Alice Agent").edit(rig.incident()["id"], title="Mine")
        rig.advance(HOUR)
        await rig.fires("a2", urgency=1, severity="critical")
        await rig.settle()
        assert rig.incident()["title"] == "Mine"
        assert len(rig.entries()) == 2


# order, repeats


async def test_a_resolve_before_its_alert_settles_both(path):
    async with Rig.open(path) as rig:
        start = rig.now
        await rig.resolves("R", episode=start)
        await rig.fires("R", episode=start)
        await rig.settle()
        assert rig.incidents == []
        assert await rig.drops() == ["already_resolved"]
        assert await rig.intents() == [("dropped", "already_resolved")]


async def test_a_resolve_whose_alert_never_comes_is_dropped(path):
    async with Rig.open(path) as rig:
        await rig.resolves("R", episode=rig.now)
        rig.advance(11 * MINUTE)
        assert await rig.triage.expire_waiting() == 1
        await rig.settle()
        assert await rig.intents() == [("dropped", "never_fired")]
        assert rig.simulator.calls == []


async def test_a_refire_byte_for_byte_is_not_taken_for_a_repeat(path):
    async with Rig.open(path) as rig:
        await rig.fires("F", dated=False, content="same")
        await rig.resolves("F", dated=False, content="r")
        await rig.fires("F", dated=False, content="same")
        await rig.settle(MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "new"
        assert await rig.drops() == []


async def test_a_resolve_follows_its_alert_when_group_by_changed(path):
    async with Rig.open(path) as rig:
        await rig.fires("F", group="old")
        await rig.settle(MINUTE)
        await rig.resolves("F", group="new")
        await rig.settle()
        assert rig.incident()["status"] == "resolved"


async def test_others_that_still_fire_keep_the_incident_open(path):
    async with Rig.open(path) as rig:
        await rig.fires("F1")
        await rig.fires("F2")
        await rig.settle(10 * MINUTE)
        await rig.resolves("F1")
        await rig.settle(10 * MINUTE)
        assert rig.incident()["status"] == "new"
        await rig.resolves("F2")
        await rig.settle()
        assert rig.incident()["status"] == "resolved"


# the log


async def test_a_full_log_leaves_state_changes_without_text(path):
    async with Rig.open(path) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        rig.simulator.faults.add(Fault(Kind.LOG_FULL, times=None))
        await rig.resolves()
        await rig.settle(MINUTE)
        await rig.settle()
        assert rig.incident()["status"] == "resolved"
        assert "log_full" in rig.alarms.active


async def test_the_budget_is_kept(path):
    async with Rig.open(path, profile_of(Policy(log_budget=2))) as rig:
        await rig.fires("a0")
        await rig.settle()
        for number in range(1, 5):
            rig.advance(HOUR)
            await rig.fires(f"a{number}", host=f"srv-{number}")
            await rig.settle()
        assert len(rig.entries()) == 2
        assert ("dropped", "log_budget") in await rig.intents()


# outages


async def test_an_outage_costs_no_attempts_and_loses_nothing(path):
    async with Rig.open(path) as rig:
        down = rig.simulator.faults.add(Fault(Kind.MAINTENANCE, times=3))
        await rig.fires()
        await rig.settle(10 * MINUTE)
        await rig.settle(10 * MINUTE)
        await rig.settle()
        assert down.hits == 3
        assert await rig.intents() == [("delivered", "create")]
        assert len(rig.incidents) == 1


async def test_a_call_that_fails_by_itself_is_poison_after_five_times(path):
    async with Rig.open(path) as rig:
        poison = Fault(Kind.HTTP_500, times=None, when=lambda request: "bad" in str(request.get("fields", "")))
        rig.simulator.faults.add(poison)
        await rig.fires("bad", title="bad", group="bad")
        await rig.fires("good", group="good")
        for _ in range(12):
            await rig.settle(TIME_LIMIT_S + 5)
        assert rig.incident()["title"].endswith("Brute force on srv-01")
        assert await rig.dead_letters() == [("poison", None)]
        assert poison.hits == 5


async def test_a_field_that_itop_refuses_parks_the_case_as_one_dead_letter(path):
    async with Rig.open(path, profile_of(fields={"nonsense": "x"})) as rig:
        await rig.fires("a1")
        await rig.settle()
        await rig.fires("a2")
        await rig.settle()
        assert await rig.dead_letters() == [("field_refused", "nonsense")]
        assert rig.simulator.count("core/create") == 1


async def test_what_was_read_of_a_case_while_its_task_ended_is_not_used(path):
    async with Rig.open(path) as rig:
        await rig.fires(org="NOPE")
        may_park = asyncio.Event()
        park, fetch_due = rig.journal.park, rig.journal.fetch_due

        async def park_later(*letter):
            await may_park.wait()
            await park(*letter)

        async def fetch_slowly(limit):
            cases = await fetch_due(limit)
            may_park.set()
            await rig.delivery.finish()
            return cases

        rig.journal.park = park_later
        await rig.delivery.step()
        rig.journal.fetch_due = fetch_slowly
        await rig.delivery.step()
        await rig.delivery.finish()
        assert await rig.dead_letters() == [("organization_unknown", None)]


async def test_a_configured_path_leads_to_resolved_and_is_learned_once(path):
    policy = Policy(resolve_path=("ev_assign", "ev_resolve"))
    async with Rig.open(path, profile_of(policy, team="SOC", agent="Alice Agent")) as rig:
        await rig.fires("a", group="a")
        await rig.fires("b", group="b")
        await rig.settle(MINUTE)
        await rig.resolves("a", group="a")
        await rig.settle(MINUTE)
        await rig.resolves("b", group="b")
        await rig.settle(MINUTE)
        assert [incident["status"] for incident in rig.incidents] == ["resolved", "resolved"]
        assert [incident["agent_name"] for incident in rig.incidents] == ["Agent", "Agent"]
        # a: ev_resolve (refused from new), ev_assign, ev_resolve; b knows the way
        assert rig.simulator.count("core/apply_stimulus") == 5
        assert set(rig.tokens().values()) == {1}


async def test_an_own_data_model_is_resolved_by_its_own_stimuli(path, tmp_path):
    policy = Policy(resolve_path=("ev_verify", "ev_resolve"))
    async with Rig.open(path, profile_of(policy)) as rig:
        new = rig.simulator.store.datamodel["Incident"].states["new"]
        model = tmp_path / "model.json"
        model.write_text(
            '{"Incident": {"states": {"new": {"transitions": {"ev_verify": "verified", "ev_autoresolve": null}},'
            ' "verified": {"transitions": {"ev_resolve": "resolved"}}}}}'
        )
        assert "ev_verify" not in new.transitions
        rig.simulator.store.datamodel = load_datamodel("3.2", "itil", model)
        await rig.fires()
        await rig.settle(MINUTE)
        await rig.resolves()
        await rig.settle(MINUTE)
        assert rig.incident()["status"] == "resolved"


async def test_where_no_stimulus_of_the_path_works_it_is_a_log_entry(path):
    async with Rig.open(path, profile_of(Policy(resolve_path=("ev_nonsense",)))) as rig:
        await rig.fires()
        await rig.settle(10 * MINUTE)
        await rig.resolves()
        await rig.settle(MINUTE)
        await rig.settle(MINUTE)
        assert rig.incident()["status"] == "new"
        assert len(rig.entries()) == 2
        assert "resolve_way_closed" in rig.alarms.active
