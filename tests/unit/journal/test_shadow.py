import pytest
from landing import PROFILE, fires

from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.shadow import ShadowIncident, ShadowWrite, is_shadow
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.triage.repeat import decide_landing

CREATED = ShadowIncident(0, "new", 3, 2, "T", 1000.0, None)


def write(kind="create", incident=None, created=CREATED, changes=None, through=1, **case):
    draft = Draft(1, kind, f"token {kind}", incident, through, "entry", {})
    return ShadowWrite(draft, Settlement(1, through, "delivered", kind, changes=case), created, changes or {})


@pytest.fixture
async def journal(store):
    triage = TriageJournal(store, lambda: 1000.0)
    await triage.record_profile(PROFILE.hash, PROFILE.body)
    await triage.record([fires(1)], decide_landing, through=1)
    return DeliveryJournal(store, lambda: 1000.0)


@pytest.mark.parametrize(("incident", "shadow"), [(None, False), (7, False), (-7, True)])
def test_only_a_shadow_has_an_id_below_zero(incident, shadow):
    assert is_shadow(incident) is shadow


async def test_a_create_is_kept_and_its_case_settled(journal, store):
    await journal.record_shadow(write(urgency=2))
    case = await journal.fetch_case(1)
    assert (case.incident, case.ref, case.urgency, case.told_seq) == (-1, "shadow-1", 2, 1)
    assert (await journal.fetch_shadows([-1, 5]))[-1].title == "T"
    rows = await store.read(lambda sql: list(sql.execute("SELECT state, incident, look FROM attempts")))
    assert rows == [("shadowed", -1, None)]
    assert await journal.next_due() is None


async def test_a_change_shows_in_the_shadow_incident(journal):
    await journal.record_shadow(write())
    await journal.record_shadow(write("resolve", -1, None, {"status": "resolved", "resolved": 5.0}))
    shadow = (await journal.fetch_shadows([-1]))[-1]
    assert (shadow.status, shadow.resolved) == ("resolved", 5.0)


async def test_a_case_that_leaves_the_shadow_begins_anew(journal):
    await journal.record_shadow(write(urgency=2, entries=1, told={"count": 1}))
    await journal.leave_shadow(1)
    case = await journal.fetch_case(1)
    assert (case.incident, case.ref, case.urgency, case.entries, case.told) == (None, None, None, 0, {})
    assert await journal.fetch_shadows([-1]) == {}


async def test_a_case_with_an_incident_in_itop_keeps_it(journal):
    await journal.change(1, incident=7, ref="I-000007", urgency=2)
    await journal.leave_shadow(1)
    case = await journal.fetch_case(1)
    assert (case.incident, case.ref, case.urgency) == (7, "I-000007", 2)
