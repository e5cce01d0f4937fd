import dataclasses

import orjson
import pytest
from landing import PROFILE, fires, resolves

from itop_bridge.journal.case import Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.inquiry import (
    _EVENTS,
    MOST_PAYLOAD,
    MOST_TOPIC,
    CaseFilter,
    Inquiry,
    LetterFilter,
    show_bytes,
)
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Element
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing, decide_retry


class Rig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.triage = TriageJournal(store, self.clock)
        self.journal = DeliveryJournal(store, self.clock)
        self.operations = Operations(store, self.clock)
        self.inquiry = Inquiry(store, self.clock)

    def clock(self):
        return self.now

    async def publish(self, *payloads, topic=b"t"):
        intake = IntakeJournal(self.store)
        connection = await intake.open_connection(session_present=False)
        await intake.record_events(
            connection, [Received(topic, payload, self.now, len(payload)) for payload in payloads]
        )

    async def land(self, *elements):
        await self.triage.record_profile(PROFILE.hash, PROFILE.body)
        await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def reject(self, event_id, index=0, reason="no_route", route=None):
        await self.land(Element(event_id, index, Rejected(reason, "d" * 9_999, "topic", route)))

    async def attempt(self, case_id=1, through=99, token="a" * 16):
        return await self.journal.record_attempt(Draft(case_id, "create", token, None, through, "m", {}))

    async def deliver(self, attempt, **changes):
        await self.journal.settle(
            Settlement(attempt.case_id, attempt.through, "delivered", "create", attempt.id, changes=changes)
        )


@pytest.fixture
def rig(store):
    return Rig(store)


def assert_plain(answer):
    assert orjson.loads(orjson.dumps(answer)) == answer


# dead letters


async def test_a_letter_tells_its_element(rig):
    await rig.publish(b'{"a": 1}', topic=b"siem/\xff")
    await rig.reject(1, route="r")
    (letter,) = await rig.inquiry.fetch_letters(LetterFilter())
    assert letter == {
        "id": 1,
        "state": "open",
        "reason": "no_route",
        "field": "topic",
        "detail": "d" * 2_000,
        "at": 1000.0,
        "settled": None,
        "route": "r",
        "event_id": 1,
        "idx": 0,
        "case_id": None,
        "case": None,
        "topic": "siem/\\xff",
        "outcome": None,
    }
    assert await rig.inquiry.fetch_letter(1) == {**letter, "size": 8, "payload": '{"a": 1}'}
    assert_plain(letter)


async def test_a_letter_tells_its_case(rig):
    await rig.land(fires(1))
    await rig.journal.park(1, "poison", "why", None)
    letter = await rig.inquiry.fetch_letter(1)
    case = await rig.journal.fetch_case(1)
    assert (letter["case_id"], letter["case"], letter["route"]) == (1, case.digest, "r")
    assert (letter["event_id"], letter["topic"], letter["payload"]) == (None, None, None)


async def test_a_letter_that_is_not_there_is_none(rig):
    assert await rig.inquiry.fetch_letter(1) is None


async def test_of_a_payload_and_a_topic_the_head_is_shown(rig):
    await rig.publish(b"x" * 99_999, topic=b"y" * 9_999)
    await rig.reject(1)
    letter = await rig.inquiry.fetch_letter(1)
    assert (letter["payload"], letter["size"], letter["topic"]) == ("x" * MOST_PAYLOAD, 99_999, "y" * MOST_TOPIC)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (LetterFilter(), [1, 2, 4]),
        (LetterFilter(state="all"), [1, 2, 3, 4]),
        (LetterFilter(state="dropped"), [3]),
        (LetterFilter(route="one"), [1]),
        (LetterFilter(reason="no_route"), [1, 2]),
        (LetterFilter(ids=(2, 3, 99)), [2]),
        (LetterFilter(ids=()), []),
        (LetterFilter(ids=(2, 3), state="all"), [2, 3]),
        (LetterFilter(older_than_s=30.0), [1, 2]),
        (LetterFilter(newer_than_s=30.0), [4]),
        (LetterFilter(after=1, limit=1), [2]),
        (LetterFilter(limit=2), [1, 2]),
    ],
)
async def test_letters_are_found_by_what_is_asked(rig, wanted, ids):
    await rig.reject(1, route="one")
    await rig.reject(2, route="two")
    rig.now = 1050.0
    await rig.reject(3, reason="other")
    await rig.reject(4, reason="other", route="two")
    await rig.operations.drop_letters([3])
    rig.now = 1060.0
    assert await rig.inquiry.find_letters(wanted) == ids
    assert [letter["id"] for letter in await rig.inquiry.fetch_letters(wanted)] == ids
    assert await rig.inquiry.count_letters(wanted) >= len(ids)
    whole = dataclasses.replace(wanted, limit=None)
    assert await rig.inquiry.count_letters(whole) == len(await rig.inquiry.find_letters(whole))


async def test_a_retried_letter_tells_whether_it_landed(rig):
    await rig.publish(b"1", b"2", b"3")
    for event_id in (1, 2, 3):
        await rig.reject(event_id)
    await rig.operations.retry_letters([1, 2, 3])
    retries = await rig.triage.fetch_retries(9, 999)
    answers = [fires(1), Element(2, 0, Dropped("filtered")), Element(3, 0, Rejected("again"))]
    answered = [(retry, [answer]) for retry, answer in zip(retries, answers, strict=True)]
    await rig.triage.record_retries(answered, decide_retry, routes=())
    letters = await rig.inquiry.fetch_letters(LetterFilter(state="all"))
    assert [(letter["state"], letter["outcome"]) for letter in letters] == [
        ("retried", "landed"),
        ("retried", "dropped"),
        ("open", None),
    ]


# cases


async def test_a_case_in_a_list(rig):
    await rig.land(fires(1), fires(2, "b"))
    (case,) = await rig.inquiry.fetch_cases(CaseFilter())
    digest = (await rig.journal.fetch_case(1)).digest
    assert case == {
        "id": 1,
        "digest": digest,
        "key": '["code:EXC","r","generic","g"]',
        "organization": "code:EXC",
        "route": "r",
        "incident": None,
        "ref": None,
        "state": "waiting",
        "urgency": None,
        "firing": 2,
        "pending": 2,
        "due": 1000.0,
        "oldest": 1000.0,
        "opened": 1000.0,
        "failures": 0,
        "parked": None,
        "entries": 0,
    }


async def test_the_states_of_cases(rig):
    await rig.land(*(fires(n, f"a{n}", group=f"g{n}") for n in range(1, 6)))
    await rig.deliver(await rig.attempt(2, token="b"), incident=2)
    await rig.deliver(await rig.attempt(3, token="c"), incident=3, resolved=1)
    await rig.journal.park(4, "poison", "d", None)
    await rig.journal.settle(Settlement(5, 99, "dropped", "no_incident"))
    states = {case["id"]: case["state"] for case in await rig.inquiry.fetch_cases(CaseFilter())}
    assert states == {1: "waiting", 2: "open", 3: "resolved", 4: "parked", 5: "idle"}
    assert [case["id"] for case in await rig.inquiry.fetch_cases(CaseFilter(state="parked"))] == [4]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (CaseFilter(), [1, 2, 3]),
        (CaseFilter(route="r"), [1, 2, 3]),
        (CaseFilter(route="other"), []),
        (CaseFilter(organization="EXC"), [1, 3]),
        (CaseFilter(organization="code:OTH"), [2]),
        (CaseFilter(since=1500.0), [3]),
        (CaseFilter(after=1, limit=1), [2]),
    ],
)
async def test_cases_are_found_by_what_is_asked(rig, wanted, ids):
    await rig.land(fires(1, group="a"), fires(2, "b", org="OTH"))
    rig.now = 2000.0
    await rig.land(fires(3, "c", group="c"))
    assert [case["id"] for case in await rig.inquiry.fetch_cases(wanted)] == ids


async def test_a_case_is_found_by_each_of_its_names(rig):
    await rig.land(fires(1), fires(2, "b", group="other"))
    await rig.deliver(await rig.attempt(), incident=7, ref="I-000007")
    digest = (await rig.journal.fetch_case(1)).digest
    for name in (digest, "I-000007", "1"):
        assert (await rig.inquiry.fetch_case(name))["id"] == 1
    assert await rig.inquiry.fetch_case("I-000008") is None
    assert await rig.inquiry.fetch_case("' OR 1=1 --") is None


async def test_the_life_of_a_case(rig):
    await rig.land(fires(1), fires(2, "b"))
    await rig.deliver(await rig.attempt(), incident=7, ref="I-000007")
    await rig.land(fires(3, "c"), resolves(4, "zz"))
    await rig.journal.park(1, "poison", "d", None)
    case = await rig.inquiry.fetch_case("1")
    assert [(each["id"], each["state"]) for each in case["alerts"]] == [
        ("a", "firing"),
        ("b", "firing"),
        ("c", "firing"),
        ("zz", "waiting"),
    ]
    assert [(each["seq"], each["state"], each["title"]) for each in case["intents"]] == [
        (4, "waiting", "t"),
        (3, "pending", "t"),
        (2, "delivered", "t"),
        (1, "delivered", "t"),
    ]
    assert {(each["state"], each["reason"]): each["count"] for each in case["counts"]} == {
        ("delivered", "create"): 2,
        ("pending", None): 1,
        ("waiting", None): 1,
    }
    assert [(each["kind"], each["state"], each["ref"]) for each in case["attempts"]] == [
        ("create", "confirmed", "I-000007")
    ]
    assert [each["reason"] for each in case["letters"]] == ["poison"]
    assert_plain(case)


# events


async def test_the_life_of_an_event(rig):
    await rig.publish(b'[{"a": "\xff"}]')
    alert = fires(1)
    bad = Element(1, 1, Rejected("mapping_failed", "d"))
    await rig.land(alert, bad, Element(1, 2, Dropped("filtered")))
    lost = await rig.attempt(token="b")
    await rig.journal.settle_attempt(lost.id, "absent", look=None)
    await rig.deliver(await rig.attempt(), incident=7, ref="I-000007")
    await rig.attempt(token="c")  # for what came later
    event = await rig.inquiry.fetch_event(1)
    assert (event["topic"], event["payload"], event["size"], event["qos"]) == ("t", '[{"a": "\\xff"}]', 12, 1)
    assert (event["received"], event["triaged"], event["elements_total"]) == (1000.0, True, 3)
    landed, dead, dropped = event["elements"]
    (intent,) = landed["intents"]
    assert (intent["alert_id"], intent["title"], intent["state"], intent["reason"], intent["ref"]) == (
        "a",
        "t",
        "delivered",
        "create",
        "I-000007",
    )
    assert [(each["state"], each["ref"]) for each in intent["attempts"]] == [
        ("absent", None),
        ("confirmed", "I-000007"),
    ]
    assert ([letter["reason"] for letter in dead["letters"]], dead["intents"]) == (["mapping_failed"], [])
    assert dropped["drops"] == [{"reason": "filtered", "route": ""}]
    assert_plain(event)


async def test_an_event_that_triage_has_not_seen_has_no_elements(rig):
    await rig.publish(b"x")
    event = await rig.inquiry.fetch_event(1)
    assert (event["triaged"], event["elements"]) == (False, [])
    assert await rig.inquiry.fetch_event(2) is None


async def test_what_is_pending_shows_what_was_sent_for_it(rig):
    await rig.publish(b"x")
    await rig.land(fires(1))
    await rig.attempt()
    event = await rig.inquiry.fetch_event(1)
    (intent,) = event["elements"][0]["intents"]
    assert [each["state"] for each in intent["attempts"]] == ["in_flight"]


async def test_a_pruned_event_has_no_payload(rig):
    await rig.publish(b"x")
    await rig.store.write(lambda sql: sql.execute("UPDATE events SET payload = NULL").rowcount)
    assert (await rig.inquiry.fetch_event(1))["payload"] is None


async def test_the_events_of_an_alert_are_found_in_every_scope_newest_first(rig):
    await rig.land(fires(1), fires(2, "b"), fires(3, org="OTH"), fires(4, received=9000.0, content="new"))
    assert await rig.inquiry.find_events("a") == [4, 3, 1]
    assert await rig.inquiry.find_events("nope") == []


async def test_the_events_of_an_alert_that_was_dropped_or_dead_are_found_whoever_is_answered(rig):
    named = [
        Element(1, 0, Dropped("filtered"), alert_id="a"),
        Element(1, 1, Dropped("filtered"), alert_id="a"),
        Element(2, 0, Rejected("no_route", "d"), alert_id="a"),
        dataclasses.replace(fires(3), alert_id="a"),
        dataclasses.replace(fires(4), alert_id="a"),  # a repeat
        Element(5, 0, Dropped("filtered"), alert_id="b"),
        Element(6, 0, Dropped("filtered")),
    ]
    await rig.land(*named)
    assert await rig.inquiry.find_events("a") == [4, 3, 2, 1]


async def test_of_many_events_of_an_alert_the_newest_are_found(rig):
    await rig.land(*(Element(number, 0, Dropped("filtered"), alert_id="a") for number in range(1, 31)))
    assert await rig.inquiry.find_events("a") == list(range(30, 10, -1))


async def test_letters_are_found_by_an_index_and_drops_without_sorting_them(rig):
    def explain(sql):
        return [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {_EVENTS}", {"id": "a", "most": 20})]

    plan = await rig.store.read(explain)
    assert any("dead_letters USING COVERING INDEX dead_letters_alert" in step for step in plan)
    after_drops = plan[plan.index("SCAN drops") + 1]
    assert "TEMP B-TREE" not in after_drops


async def test_the_routes_of_cases_are_known(rig):
    await rig.land(fires(1), fires(2, "b", group="other", route="s"))
    assert sorted(await rig.inquiry.fetch_routes()) == ["r", "s"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, None), ("text", "text"), (b"a\x00\xff\n", "a\x00\\xff\n"), ("abcdé".encode(), "abcd\\xc3")],
)
def test_bytes_are_shown_as_text(value, shown):
    assert show_bytes(value, 5) == shown
