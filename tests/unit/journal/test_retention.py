import asyncio
import dataclasses
from collections import Counter

import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.errors import JournalFullError
from itop_bridge.journal import retention as module
from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Element
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.result import ResultJournal
from itop_bridge.journal.retention import Retention
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.policy import Policy
from itop_bridge.triage.repeat import decide_landing

KEEP = 100.0
EXPIRY = 500.0
LATER = 5000.0
"""When everything of the start is old."""


class Rig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.intake = IntakeJournal(store)
        self.triage = TriageJournal(store, lambda: self.now)
        self.delivery = DeliveryJournal(store, lambda: self.now)
        self.operations = Operations(store, lambda: self.now)
        self.slept = 0

    async def receive(self, count=1, payload=b"{}"):
        connection = await self.intake.open_connection(session_present=False)
        messages = [Received(b"t", payload + b"%d" % n, self.now, len(payload)) for n in range(count)]
        await self.intake.record_events(connection, messages)

    async def land(self, *elements, profile=PROFILE):
        await self.triage.record_profile(profile.hash, profile.body)
        await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def deliver(self, case_id=1, kind="create", token="t", **changes):
        through = (await self.rows("SELECT max(seq) FROM intents"))[0][0]
        draft = Draft(case_id, kind, token * 16, None, through, "text", {})
        attempt = await self.delivery.record_attempt(draft)
        told = {"told_at": self.now, **changes}
        await self.delivery.settle(Settlement(case_id, through, "delivered", kind, attempt.id, changes=told))

    async def prune(self):
        return await Retention(self.store, KEEP, EXPIRY, clock=lambda: self.now, sleep=self.sleep).prune()

    async def sleep(self, _seconds):
        self.slept += 1

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])

    async def count(self, table):
        return (await self.rows(f"SELECT count(*) FROM {table}"))[0][0]


@pytest.fixture
def rig(store, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_FLIGHT", 0)
    return Rig(store)


async def test_a_payload_goes_once_it_is_old_and_its_event_is_settled(rig, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_FLIGHT", 65_535)
    await rig.receive(3)
    await rig.land(fires(1), Element(2, 0, Dropped("filtered")), fires(3, "c"))
    await rig.deliver()
    rig.now += KEEP
    assert await rig.prune() == {}
    rig.now += 1
    assert await rig.prune() == {"payloads": 3}
    assert await rig.rows("SELECT payload, size > 0 FROM events") == [(None, 1)] * 3
    assert await rig.count("intents") == 2


@pytest.mark.parametrize("state", ["pending", "waiting"])
async def test_what_is_owed_stays_whatever_its_age(rig, state):
    await rig.receive()
    await rig.land(fires(1) if state == "pending" else resolves(1))
    rig.now = LATER
    assert await rig.prune() == {}
    assert await rig.rows("SELECT intents.state, payload FROM intents, events") == [(state, b"{}0")]


async def test_an_event_that_is_not_mapped_yet_stays(rig):
    await rig.receive()
    rig.now = LATER
    assert await rig.prune() == {}
    assert [event.payload for event in await rig.triage.fetch_waiting(9, 9)] == [b"{}0"]


async def test_a_dead_letter_keeps_its_event_and_the_traces_of_its_neighbours_until_it_is_closed_and_old(rig):
    await rig.receive()
    neighbours = [
        fires(1, one_shot=True),
        Element(1, 1, Rejected("no_route", "", "topic")),
        Element(1, 2, Dropped("filtered")),
    ]
    await rig.land(*neighbours, Element(1, 3, Rejected("no_route", "", "topic")))
    await rig.deliver()
    rig.now = LATER
    await rig.operations.drop_letters([1])
    assert set(await rig.prune()) <= {"alerts", "attempts"}
    assert [await rig.count(table) for table in ("events", "intents", "drops", "dead_letters")] == [1, 1, 1, 2]
    await rig.operations.drop_letters([2])
    assert (await rig.prune())["payloads"] == 1
    assert await rig.count("dead_letters") == 2
    rig.now += KEEP + 1
    await rig.prune()
    assert [await rig.count(table) for table in ("events", "intents", "drops", "dead_letters")] == [0, 0, 0, 0]


async def test_a_letter_that_is_being_tried_again_keeps_its_payload(rig):
    await rig.receive()
    await rig.land(Element(1, 0, Rejected("no_route", "", "topic")))
    await rig.operations.retry_letters([1])
    rig.now = LATER
    assert await rig.prune() == {}
    (retry,) = await rig.triage.fetch_retries(9, 9)
    assert retry.event.payload == b"{}0"


async def test_everything_of_a_settled_event_goes_but_the_newest_case_and_attempt(rig):
    await rig.receive(2)
    await rig.land(fires(1, group="g1", one_shot=True), fires(2, "b", group="g2", one_shot=True))
    await rig.deliver(1)
    await rig.deliver(2, token="u")
    rig.now = LATER
    pruned = await rig.prune()
    assert pruned | {"pages": 0} == {
        "payloads": 2, "intents": 2, "events": 2, "attempts": 1, "alerts": 2, "cases": 1, "pages": 0
    }  # fmt: skip
    # their numbers would be given again otherwise
    assert await rig.rows("SELECT id FROM cases") == [(2,)]
    assert await rig.rows("SELECT id FROM attempts") == [(2,)]


async def test_the_newest_events_stay_since_the_broker_may_send_them_again(rig, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_FLIGHT", 2)
    await rig.receive(5)
    await rig.land(*[Element(n, 0, Dropped("filtered")) for n in range(1, 6)])
    rig.now = LATER
    pruned = await rig.prune()
    assert (pruned["payloads"], pruned["events"], pruned["drops"]) == (5, 3, 3)
    again = IntakeJournal(rig.store)
    connection = await again.open_connection(session_present=True)
    assert await again.record_events(connection, [Received(b"t", b"{}%d" % n, LATER, 3) for n in (3, 4)]) == 0


async def test_an_id_outlives_what_the_broker_may_keep(rig):
    await rig.receive(2)
    await rig.land(fires(1, one_shot=True, content="same"))
    await rig.deliver()
    rig.now = 1000.0 + 2 * EXPIRY
    assert (await rig.prune())["payloads"] == 1
    await rig.land(fires(2, one_shot=True, content="same", received=rig.now))
    assert await rig.rows("SELECT reason FROM drops") == [("repeat",)]


async def test_an_id_lives_on_from_when_it_was_last_heard_of(rig):
    await rig.receive(3)
    await rig.land(fires(1, one_shot=True, content="same"))
    await rig.deliver()
    for event_id in (2, 3):
        rig.now += 2 * EXPIRY
        await rig.prune()
        await rig.land(fires(event_id, one_shot=True, content="same", received=rig.now))
    assert await rig.rows("SELECT reason FROM drops WHERE event_id = 3") == [("repeat",)]
    rig.now += 2 * EXPIRY + 1
    assert (await rig.prune())["alerts"] == 1


async def test_an_alert_that_fires_is_remembered_and_its_case_with_it(rig):
    await rig.receive(2)
    await rig.land(fires(1))
    await rig.deliver(incident=7, ref="I-7")
    rig.now = 1_000_000.0
    await rig.prune()
    await rig.land(resolves(2, received=rig.now))
    assert (await rig.delivery.fetch_due(9))[0].incident == 7
    assert await rig.rows("SELECT kind, state FROM intents ORDER BY seq") == [
        ("create", "delivered"),
        ("resolve", "pending"),
    ]


async def test_an_episode_is_not_a_persons_because_its_first_intent_is_old(rig):
    """The incident was resolved by a person, then the episode began: it is not theirs, pruned or not."""
    await rig.receive(3)
    await rig.land(fires(1, episode=1.0, content="one", received=1000.0))
    await rig.deliver(incident=7)
    rig.now = LATER
    await rig.prune()
    await rig.land(fires(2, episode=1.0, content="two", received=LATER))
    assert not await rig.delivery.mark_handled(1, dealt_at=900.0)
    # and the same where the alert has ended meanwhile, and its update is still pending
    await rig.land(resolves(3, episode=1.0, received=LATER))
    await rig.prune()
    assert not await rig.delivery.mark_handled(1, dealt_at=900.0)
    assert await rig.rows("SELECT kind, state FROM intents ORDER BY seq") == [
        ("create", "delivered"),
        ("create", "pending"),
        ("resolve", "pending"),
    ]


async def test_an_episode_that_expires_is_resolved_although_its_first_intent_is_old(rig):
    profile = dataclasses.replace(PROFILE, policy=Policy(firing_expires=LATER, expired="resolve"))
    await rig.receive(2)
    await rig.land(dataclasses.replace(fires(1), result=dataclasses.replace(fires(1).result, profile=profile.hash)),
                   profile=profile)  # fmt: skip
    await rig.deliver(incident=7)
    rig.now = 1000.0 + LATER
    await rig.prune()
    rig.now += 1
    assert await rig.delivery.expire_firing() == 1
    assert await rig.rows("SELECT reason FROM intents WHERE kind = 'resolve'") == [("expired",)]


async def test_an_episodes_first_intent_goes_with_it(rig):
    await rig.receive(2)
    await rig.land(fires(1))
    await rig.deliver(token="t")
    await rig.land(resolves(2))
    await rig.deliver(kind="resolve", token="u")
    rig.now = LATER
    await rig.prune()
    assert [await rig.count(table) for table in ("events", "intents", "alerts")] == [0, 0, 0]


async def test_a_token_stays_while_what_it_was_sent_for_is_pending_or_it_is_to_be_looked_for(rig):
    await rig.receive(3)
    await rig.land(fires(1, group="a"), fires(2, "b", group="b"), fires(3, "c", group="c"))
    absent = await rig.delivery.record_attempt(Draft(1, "create", "a" * 16, None, 1, "text", {}))
    await rig.delivery.settle_attempt(absent.id, "absent", look=None)
    unknown = await rig.delivery.record_attempt(Draft(2, "create", "b" * 16, None, 2, "text", {}))
    await rig.delivery.settle_attempt(unknown.id, "unknown", look=LATER + 9)
    twin = await rig.delivery.record_attempt(Draft(3, "create", "c" * 16, None, 3, "text", {}))
    await rig.delivery.settle(Settlement(3, 3, "delivered", "create"))
    await rig.delivery.settle_attempt(twin.id, "absent", look=LATER + 9)
    await rig.delivery.record_attempt(Draft(3, "append", "d" * 16, 7, 3, "text", {}))
    rig.now = LATER
    await rig.prune()
    assert await rig.count("attempts") == 4


async def test_an_entry_that_was_lost_can_be_written_again_while_its_letter_is_open(rig):
    await rig.receive()
    await rig.land(fires(1))
    lost = await rig.delivery.record_attempt(Draft(1, "append", "a" * 16, 7, 1, "the lost entry", {}))
    await rig.delivery.record_lost(lost)
    await rig.deliver(token="b")
    rig.now = LATER
    await rig.prune()
    assert await rig.operations.retry_letters([1]) == 1


async def test_a_case_can_be_resolved_by_an_operator_as_long_as_it_is_there(rig):
    await rig.receive()
    await rig.land(fires(1, one_shot=True))
    await rig.deliver(incident=7)
    rig.now = 1000.0 + 2 * EXPIRY
    await rig.land(fires(2, "b", group="other"))
    assert "payloads" in await rig.prune()
    assert await rig.operations.resolve_cases([1]) == 1


HOLDS = {
    "an alert's id": "INSERT INTO alerts VALUES ('s', 'a', 1, 'resolved', 0, NULL, '', 0, 0, 1, 0, {now})",
    "an attempt to look for": "INSERT INTO attempts (case_id, kind, token, through, state, sent, look, message, effect)"
    " VALUES (1, 'create', 't', 1, 'applied', 0, {now}, '', '')",
    "an open letter": "INSERT INTO dead_letters (case_id, reason, detail, at) VALUES (1, '', '', 0)",
    "a letter that was closed just now": "INSERT INTO dead_letters (case_id, reason, detail, at, state, settled)"
    " VALUES (1, '', '', 0, 'dropped', {now})",
    "an intent": "INSERT INTO intents (event_id, idx, n, case_id, kind, state, received, urgency, impact, facts)"
    " VALUES (1, 0, 0, 1, 'create', 'pending', 0, 1, 1, '')",
    "a turn": "UPDATE cases SET due = 0 WHERE id = 1",
    "a person it waits for": "UPDATE cases SET parked = 'poison' WHERE id = 1",
    "a call not long ago": "UPDATE cases SET told_at = {now} WHERE id = 1",
}


@pytest.mark.parametrize("hold", [None, *HOLDS])
async def test_a_case_goes_when_nothing_is_left_of_it(rig, hold):
    await rig.land(fires(1, None, group="a"), fires(2, None, group="b"), fires(3, None, group="newest"))
    query = HOLDS[hold].format(now=LATER) if hold else "SELECT 1"
    for each in ("DELETE FROM intents", "UPDATE cases SET due = NULL", query):
        await rig.store.write(lambda sql, each=each: sql.execute(each).fetchall())
    rig.now = LATER
    await rig.prune()
    assert await rig.rows("SELECT id FROM cases") == ([(1,), (3,)] if hold else [(3,)])


async def test_a_case_that_is_parked_or_has_an_open_letter_stays(rig):
    await rig.receive(3)
    await rig.land(fires(1, group="a"), fires(2, "b", group="b"), fires(3, "c", group="c"))
    await rig.delivery.park(1, "poison", "detail", None)
    rig.now = 1_000_000.0
    await rig.prune()
    assert await rig.rows("SELECT parked FROM cases WHERE id = 1") == [("poison",)]
    await rig.operations.drop_letters([1])
    await rig.prune()
    assert await rig.count("cases") == 3
    rig.now += KEEP + 1
    assert (await rig.prune())["dead_letters"] == 1


async def test_a_commit_removes_so_many_rows_and_no_more(rig, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    await rig.receive(3, b"x" * 10)
    many = [fires(1, f"a{n}", one_shot=True) for n in range(37)]
    elements = [dataclasses.replace(each, index=n) for n, each in enumerate(many)]
    await rig.land(*elements, *[Element(2, n, Dropped("filtered")) for n in range(25)], fires(3, "b", one_shot=True))
    await rig.deliver()
    removed = []
    step = module._step
    monkeypatch.setattr(module, "_step", lambda *args, **named: removed.append(step(*args, **named)) or removed[-1])
    rig.now = LATER
    pruned = await rig.prune()
    assert (pruned["intents"], pruned["drops"], pruned["events"], pruned["alerts"]) == (38, 25, 3, 38)
    assert max(each.total() for each in removed) == 10
    assert rig.slept > len([each for each in removed if each.total()])
    assert sum(removed, Counter())["intents"] == 38


async def test_large_payloads_go_a_few_at_a_time_and_their_pages_are_given_back(rig, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    await rig.receive(20, b"x" * 50_000)
    await rig.land(*[Element(n, 0, Dropped("filtered")) for n in range(1, 21)])
    before = (await rig.rows("PRAGMA page_count"))[0][0]
    rig.now = LATER
    removed = []
    step = module._step
    monkeypatch.setattr(module, "_step", lambda *args, **named: removed.append(step(*args, **named)) or removed[-1])
    pruned = await rig.prune()
    assert max(each["payloads"] for each in removed) == 1
    assert 200 < pruned["pages"] <= 2 * module.MOST_PAGES
    assert rig.slept < 50, "pages are given back many at a time"
    assert (await rig.rows("PRAGMA page_count"))[0][0] == before - pruned["pages"]
    assert (await rig.rows("PRAGMA integrity_check")) == [("ok",)]


async def test_a_full_disk_is_waited_out(rig, monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    retention = Retention(rig.store, KEEP, EXPIRY, clock=lambda: rig.now, sleep=sleep)
    failures = [JournalFullError()]

    async def prune():
        if failures:
            raise failures.pop()
        return {}

    monkeypatch.setattr(retention, "prune", prune)
    with pytest.raises(asyncio.CancelledError):
        await retention.run()
    assert pauses == [module.FULL_S, 300.0]


async def test_what_still_fires_in_a_large_case_does_not_make_the_removal_of_the_rest_dear(rig):
    await rig.receive(600)
    await rig.land(*[fires(number, f"a{number:03}") for number in range(1, 501)])
    await rig.land(*[fires(number, f"b{number:03}", one_shot=True) for number in range(501, 601)])
    await rig.deliver()
    steps = Counter()

    def count(sql):
        sql.set_progress_handler(lambda: steps.update(hundreds=1), 100)
        try:
            return module._remove_events(sql, module.Limits(LATER, 0.0, 0.0), list(range(501, 551)))
        finally:
            sql.set_progress_handler(None, 0)

    assert (await rig.store.write(count))["intents"] == 50
    assert steps["hundreds"] < 200


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (module._DELETE_INTENTS, ["alerts_began", "intents_later", "sqlite_autoindex_intents_1", "intents_case"]),
        (module._DELETE_EVENT_LETTERS, ["dead_letters_event"]),
        (module._DELETE_ATTEMPT, ["intents_open", "dead_letters_case"]),
        (module._DELETE_CASE, ["alerts_case", "intents_case", "attempts_case", "dead_letters_case"]),
        (module._SETTLED, ["dead_letters_event", "sqlite_autoindex_intents_1"]),
    ],
)
async def test_no_step_reads_whole_tables(rig, query, indexes):
    values = dict.fromkeys(("ids", "settled", "most", "case"), 1) if ":" in query else (1,) * query.count("?")
    rows = await rig.store.read(lambda sql: sql.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall())
    plan = "\n".join(row[3] for row in rows)
    assert [index for index in indexes if index not in plan] == [], plan
    assert "SCAN" not in plan.replace("SCAN json_each VIRTUAL TABLE", ""), plan


async def test_an_event_stays_while_its_result_was_not_told_and_a_result_goes_told_or_not(rig):
    results = ResultJournal(rig.store)
    await results.record_answered(["r"], who_asks=False)
    await rig.receive(2)
    await rig.land(*(Element(event_id, 0, Dropped("silenced", "r")) for event_id in (1, 2)))
    await rig.store.write(lambda sql: sql.execute("UPDATE results SET settled = ?", (LATER - 1,)).rowcount)
    rig.now = LATER
    await rig.prune()
    assert await rig.count("results") == 2
    assert await rig.count("events") == 2
    await results.settle_through(1)
    await rig.prune()
    assert await rig.rows("SELECT id FROM events WHERE id = 1") == []
    rig.now = LATER + KEEP
    assert (await rig.prune())["results"] == 1
    assert await rig.count("results") == 0
