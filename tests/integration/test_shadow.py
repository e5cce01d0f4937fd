"""Shadow, on a real SQLite file against the simulator: decisions as ever, and iTop sees nothing of them."""

import contextlib

import pytest
from rig import TIME_LIMIT_S, Rig, profile_of
from structlog.testing import capture_logs

from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.journal.inquiry import CaseFilter, Inquiry
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Fault, Kind

MINUTE = 60.0
HOUR = 3600.0
SHADOW = profile_of(Policy(shadow=True))
LIVE = profile_of(Policy())


class Shaded(Rig):
    """A rig whose delivery may be in the shadow as a whole."""

    everything = False

    async def start(self):
        await super().start()
        pace = Pace(10.0, 60.0, self.clock, self.clock, lambda: 0.5, self.sleep)
        self.delivery = Delivery(self.journal, self.gate, self.alarms, pace, shadow=self.everything)
        await self.delivery.recover()

    async def restart(self, *, everything=False):
        self.everything = everything
        await self.crash()

    async def use(self, profile):
        """What a reload does: the next alerts come with another profile."""
        self.profile = profile
        await self.triage.record_profile(profile.hash, profile.body)

    async def cases(self):
        return await Inquiry(self.store, self.clock).fetch_cases(CaseFilter())

    async def case(self):
        (only,) = await self.cases()
        return only

    async def kept(self):
        """What would have been written."""
        life = await Inquiry(self.store, self.clock).fetch_case((await self.case())["digest"])
        return [(attempt["kind"], attempt["state"]) for attempt in reversed(life["attempts"])]

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])

    @property
    def writes(self):
        return {name: count for name, count in self.gate.calls.items() if name not in ("core/get", "list_operations")}


@pytest.fixture
def opened(tmp_path):
    @contextlib.asynccontextmanager
    async def open_rig(profile=SHADOW):
        async with Shaded.open(tmp_path / "journal.db", profile) as rig:
            yield rig

    return open_rig


async def test_what_would_be_created_is_kept_and_iTop_sees_nothing_of_it(opened):  # noqa: N802 - its name
    async with opened() as rig:
        await rig.fires()
        await rig.settle()
        case = await rig.case()
        assert (case["ref"], case["state"], case["entries"], case["pending"]) == ("shadow-1", "open", 1, 0)
        assert await rig.kept() == [("create", "shadowed")]
        assert (rig.incidents, rig.writes) == ([], {})
        assert rig.gate.calls["core/get"] > 0


async def test_a_shadow_incident_lives_as_a_real_one_would(opened):
    async with opened() as rig:
        await rig.fires("a1", urgency=3)
        await rig.settle()
        rig.advance(MINUTE)
        await rig.fires("a2", urgency=1)
        await rig.settle()
        assert (await rig.case())["urgency"] == 1
        rig.advance(HOUR)
        for name in ("a1", "a2"):
            await rig.resolves(name)
        await rig.settle()
        assert (await rig.case())["state"] == "resolved"
        rig.advance(HOUR)
        await rig.fires("a1")
        await rig.settle()
        case = await rig.case()
        assert (case["ref"], case["state"]) == ("shadow-1", "open")
        rig.advance(HOUR)
        await rig.resolves("a1")
        await rig.settle()
        rig.advance(48 * HOUR)
        await rig.fires("a1")
        await rig.settle()
        assert (await rig.case())["ref"] == "shadow-2"
        assert await rig.rows("SELECT id FROM shadows") == [(2,)]
        assert await rig.kept() == [
            ("create", "shadowed"),
            ("append", "shadowed"),
            ("resolve", "shadowed"),
            ("reopen", "shadowed"),
            ("resolve", "shadowed"),
            ("create", "shadowed"),
        ]
        assert (rig.incidents, rig.writes) == ([], {})


async def test_a_restart_goes_on_in_the_same_shadow_incident(opened):
    async with opened() as rig:
        await rig.fires("a1")
        await rig.settle()
        await rig.restart()
        rig.advance(HOUR)
        await rig.fires("a2")
        await rig.settle()
        assert (await rig.case())["ref"] == "shadow-1"
        assert await rig.kept() == [("create", "shadowed"), ("append", "shadowed")]
        assert rig.incidents == []


async def test_live_again_the_next_alert_of_a_case_creates_its_incident(opened):
    async with opened() as rig:
        await rig.fires("a1")
        await rig.settle()
        await rig.use(LIVE)
        await rig.deliver()
        assert rig.incidents == []
        rig.advance(MINUTE)
        await rig.fires("a2")
        await rig.settle()
        case = await rig.case()
        assert case["ref"] == rig.incident()["ref"]
        assert await rig.rows("SELECT id FROM shadows") == []
        assert len(rig.entries()) == 1
        rig.advance(HOUR)
        await rig.resolves("a1")
        await rig.resolves("a2")
        await rig.settle()
        assert rig.incident()["status"] == "resolved"


async def test_live_again_a_resolve_of_what_only_would_have_been_is_dropped(opened):
    async with opened() as rig:
        await rig.fires("a1")
        await rig.settle()
        await rig.use(LIVE)
        rig.advance(MINUTE)
        await rig.resolves("a1")
        await rig.settle()
        assert (rig.incidents, rig.writes) == ([], {})
        assert (await rig.case())["incident"] is None
        assert await rig.rows("SELECT state, reason FROM intents WHERE kind = 'resolve'") == [
            ("dropped", "no_incident")
        ]


async def test_a_daemon_in_the_shadow_covers_routes_that_are_live(opened):
    async with opened(LIVE) as rig:
        await rig.restart(everything=True)
        await rig.fires("a1")
        await rig.settle()
        assert ((await rig.case())["ref"], rig.incidents) == ("shadow-1", [])
        await rig.fires("a2")
        await rig.restart()
        rig.advance(HOUR)
        await rig.settle()
        assert (await rig.case())["ref"] == rig.incident()["ref"]


async def test_an_incident_in_iTop_is_kept_and_what_its_case_owes_waits(opened):  # noqa: N802 - its name
    async with opened(LIVE) as rig:
        await rig.fires("a1")
        await rig.settle()
        ref = rig.incident()["ref"]
        await rig.restart(everything=True)
        before = dict(rig.incident())
        rig.advance(HOUR)
        await rig.fires("a2")
        await rig.settle()
        case = await rig.case()
        assert (case["ref"], case["pending"]) == (ref, 1)
        assert dict(rig.incident()) == before
        await rig.restart()
        rig.advance(HOUR)
        await rig.settle()
        assert ((await rig.case())["pending"], len(rig.entries())) == (0, 2)


async def test_an_entry_that_was_lost_is_written_again_only_once_live(opened):
    async with opened(LIVE) as rig:
        await rig.fires("a1")
        await rig.deliver()
        await rig.restart(everything=True)
        rig.simulator.store.get("Incident", 1).values["public_log"] = []
        rig.advance(MINUTE)
        await rig.deliver()
        assert rig.writes == {}
        await rig.restart()
        await rig.settle()
        assert rig.writes == {"core/update": 1}


async def test_a_late_create_of_before_the_shadow_wins_over_it(opened):
    async with opened(LIVE) as rig:
        late = rig.simulator.faults.add(Fault(Kind.LATE, operation="core/create"))
        await rig.fires("a1")
        await rig.deliver()
        await rig.use(SHADOW)
        await rig.fires("a2")
        await rig.settle(TIME_LIMIT_S + 5)
        await rig.settle()
        assert (await rig.case())["ref"] == "shadow-1"
        await late.release()
        writes = rig.writes
        await rig.settle(11 * MINUTE)
        await rig.settle()
        assert (await rig.case())["ref"] == rig.incident()["ref"]
        assert rig.writes == writes == {"core/create": 1}


async def test_every_planned_write_is_logged(opened):
    with capture_logs() as logs:
        async with opened() as rig:
            await rig.fires("a1")
            await rig.settle()
    [told] = [line for line in logs if line["event"] == "incident.shadowed"]
    assert (told["operation"], told["reason"]) == ("create", "new")
    assert "Brute force on srv-01" in told["title"]
