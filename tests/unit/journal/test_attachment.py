from dataclasses import replace

import pytest
from landing import PROFILE, fires

from itop_bridge.journal.attachment import AttachmentJournal
from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.settings.policy import Attach, Policy
from itop_bridge.triage.repeat import decide_landing

NOW = 1_000.0
ATTACHING = replace(PROFILE, policy=Policy(attach=Attach(3)))
CREATED = {"incident": 5, "ref": "I-000005"}


class Rig:
    """Two alerts of one case, whose payloads are {"n": 1} and {"n": 2}."""

    def __init__(self, store):
        self.store = store
        self.now = NOW
        self.cases = DeliveryJournal(store, lambda: self.now)
        self.journal = AttachmentJournal(store, lambda: self.now)

    async def land(self, profile=ATTACHING):
        triage = TriageJournal(self.store, lambda: self.now)
        await triage.record_profile(profile.hash, profile.body)
        for number in (1, 2):
            payload = b'{"n": %d}' % number
            await self.add_event(number, payload)
            element = fires(number, f"a{number}", profile=profile.hash)
            await triage.record([element], decide_landing, through=number)

    async def add_event(self, number, payload):
        added = (
            "INSERT INTO events (id, connection, seen, received, topic, payload, size, digest, qos, retain)"
            " VALUES (?, 1, 1, ?, 't', ?, ?, 'd', 1, 0)"
        )
        await self.store.write(lambda sql: sql.execute(added, (number, NOW, payload, len(payload))).rowcount)

    async def settle(self, kind="create", through=2, state="delivered", **changes):
        draft = Draft(1, kind, f"{kind}{through}", None, through, "", {})
        attempt = await self.cases.record_attempt(draft)
        await self.cases.settle(Settlement(1, through, state, kind, attempt.id, changes=changes or CREATED))

    async def rows(self, columns="state, due, tries, detail"):
        return await self.store.read(lambda sql: sql.execute(f"SELECT {columns} FROM attachments").fetchall())


@pytest.fixture
async def rig(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield Rig(store)
    await store.close()


async def test_the_first_alert_of_a_created_incident_is_owed_to_it(rig):
    await rig.land()
    await rig.settle()
    owed = await rig.journal.fetch_next()
    assert (owed.event_id, owed.iclass, owed.incident, owed.ref) == (1, "Incident", 5, "I-000005")
    assert (owed.payload, owed.size, owed.most, owed.is_unknown) == (b'{"n', 8, 3, False)
    assert (owed.case_id, owed.route) == (1, "r")


@pytest.mark.parametrize(
    ("kind", "state", "changes"),
    [
        ("append", "delivered", {}),
        ("create", "dropped", {}),
        ("create", "delivered", {"incident": -5, "ref": "shadow-5"}),
    ],
)
async def test_what_creates_no_incident_owes_nothing(rig, kind, state, changes):
    await rig.land()
    await rig.settle(kind, state=state, **changes)
    assert await rig.rows() == []


async def test_a_route_that_does_not_attach_owes_nothing(rig):
    await rig.land(PROFILE)
    await rig.settle()
    assert await rig.rows() == []


async def test_an_incident_has_one_however_often_its_creation_is_settled(rig):
    await rig.land()
    await rig.settle(through=1)
    await rig.settle(through=2)
    assert await rig.rows("event_id") == [(1,)]


async def test_another_incident_by_the_same_number_is_owed_its_own(rig):
    """iTop was restored from a dump, and gave the number out once more."""
    await rig.land()
    await rig.settle(through=1)
    await rig.settle(through=2, incident=5, ref="I-000006")
    assert await rig.rows("event_id, ref, state") == [(2, "I-000006", "pending")]


async def test_it_is_owed_in_the_commit_that_settles_the_creation(rig):
    await rig.land()
    draft = await rig.cases.record_attempt(Draft(1, "create", "t", None, 2, "", {}))
    with pytest.raises(ValueError, match="no such columns"):
        await rig.cases.settle(Settlement(1, 2, "delivered", "create", draft.id, changes={**CREATED, "nope": 1}))
    assert await rig.rows() == []


async def test_what_is_settled_is_not_due_any_more(rig):
    await rig.land()
    await rig.settle()
    await rig.journal.settle(1, "unknown", due=NOW + 60, tries=2, detail="why")
    assert await rig.rows() == [("unknown", NOW + 60, 2, "why")]
    assert await rig.journal.fetch_next() is None
    rig.now = NOW + 60
    assert (await rig.journal.fetch_next()).is_unknown
    await rig.journal.settle(1, "done", due=None)
    assert await rig.journal.fetch_next() is None


async def test_a_payload_that_was_pruned_is_none(rig):
    await rig.land()
    await rig.settle()
    await rig.store.write(lambda sql: sql.execute("UPDATE events SET payload = NULL").rowcount)
    assert (await rig.journal.fetch_next()).payload is None
    await rig.store.write(lambda sql: sql.execute("DELETE FROM events").rowcount)
    assert (await rig.journal.fetch_next()).payload is None


@pytest.mark.parametrize("route", ["r", None])
async def test_what_operators_hold_back_is_not_taken(rig, route):
    await rig.land()
    await rig.settle()
    await Operations(rig.store, lambda: NOW).pause(route)
    assert await rig.journal.fetch_next() is None
    assert not await rig.journal.may_send(1)


async def test_what_a_route_owes_that_is_in_the_shadow_now_waits(rig):
    await rig.land()
    await rig.settle()
    shadow = replace(ATTACHING, policy=Policy(attach=Attach(3), shadow=True))
    await TriageJournal(rig.store, lambda: NOW).record_profile(shadow.hash, shadow.body)
    await rig.store.write(lambda sql: sql.execute("UPDATE cases SET profile = ?", (shadow.hash,)).rowcount)
    assert await rig.journal.fetch_next() is None


async def test_a_case_that_waits_for_its_turn_is_told(rig):
    await rig.land()
    assert await rig.journal.has_due_cases()
    await rig.settle()
    assert not await rig.journal.has_due_cases()


async def test_after_a_start_what_may_be_under_way_is_not_looked_for_too_soon(rig):
    await rig.land()
    await rig.settle()
    for state, due, after in (
        ("unknown", 0.0, 90.0),
        ("pending", 0.0, 0.0),
        ("pending", 9e9, 90.0),
        ("done", None, None),
    ):
        await rig.journal.settle(1, state, due=due)
        assert await rig.journal.recover(90.0) == (state == "unknown")
        assert await rig.rows("due") == [(after,)]


async def test_a_case_takes_what_it_owed_with_it(rig):
    await rig.land()
    await rig.settle()
    await rig.store.write(lambda sql: sql.execute("DELETE FROM cases").rowcount)
    assert await rig.rows() == []
