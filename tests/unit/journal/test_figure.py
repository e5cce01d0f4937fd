import json

import pytest
from landing import PROFILE, fires

from itop_bridge.journal.figure import _BACKLOG, _LATE, Figures
from itop_bridge.journal.landing import Element
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing


@pytest.fixture
def figures(store):
    return Figures(store, lambda: 1000.0)


async def test_an_empty_journal_owes_nothing(figures):
    backlog = await figures.fetch_backlog()
    assert backlog.pop("oldest") is None
    assert backlog.pop("late") == {}
    assert set(backlog.values()) == {0}


async def test_what_is_owed_is_counted(store, figures):
    triage = TriageJournal(store, lambda: 1000.0)
    await triage.record_profile(PROFILE.hash, PROFILE.body)
    elements = [fires(1, "a", received=900.0), fires(2, "b"), fires(3, "c", group="h"), Element(4, 0, Rejected("bad"))]
    await triage.record(elements, decide_landing, through=4)
    backlog = await figures.fetch_backlog()
    assert (backlog["pending"], backlog["cases"], backlog["oldest"], backlog["dead_letters"]) == (3, 2, 900.0, 1)


async def test_events_that_triage_has_not_mapped_wait(store, figures):
    columns = "connection, seen, received, topic, payload, size, digest, qos, retain"
    insert = f"INSERT INTO events ({columns}) VALUES (1, 1, 1, x'', x'', 0, x'', 1, 0)"
    await store.write(lambda sql: [sql.execute(insert).rowcount for _ in range(3)])
    assert (await figures.fetch_backlog())["waiting"] == 3
    await TriageJournal(store, lambda: 1.0).record([Element(1, 0, Dropped("filtered"))], decide_landing, through=2)
    assert (await figures.fetch_backlog())["waiting"] == 1


async def test_writes_of_unknown_outcome_are_counted_apart_from_those_under_way(store, figures):
    states = ("in_flight", "unknown", "applied", "absent", "confirmed", "failed")
    columns = "case_id, kind, token, through, state, sent, message, effect"
    rows = [(state, state) for state in states]
    await store.write(
        lambda sql: (
            sql.executemany(
                f"INSERT INTO attempts ({columns}) VALUES (1, 'append', ?, 1, ?, 1.0, '', '{{}}')", rows
            ).rowcount
        )
    )
    backlog = await figures.fetch_backlog()
    assert (backlog["unverified"], backlog["in_flight"]) == (1, 1)
    plan = await store.read(lambda sql: [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {_BACKLOG}")])
    assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step and "CONSTANT" not in step]


async def test_what_is_late_never_waits_by_design(store, figures):
    """The clock stands at 1000; group_wait is 30 s."""
    columns = "key, digest, organization, profile, opened, incident, rank, due, oldest, parked"
    cases = [
        ("new and due", None, 1, 990.0, 960.0, None),
        ("new, and put off after a failure", None, 1, 1060.0, 600.0, None),
        ("in its group_wait", None, 2, 1010.0, 980.0, None),
        ("parked", None, 2, None, 100.0, "poison"),
        ("owes nothing", None, 2, None, None, None),
        ("waits for group_interval", 7, 2, 4600.0, 100.0, None),
        ("an entry that is due", 8, 3, 940.0, 100.0, None),
        ("came this moment", 9, 4, 0.0, 100.0, None),
    ]
    rows = [(name, name, "SOC", PROFILE.hash, 1.0, *state) for name, *state in cases]
    body = json.dumps({"policy": {"group_wait": 30.0}})
    await TriageJournal(store, lambda: 1.0).record_profile(PROFILE.hash, body)
    insert = f"INSERT INTO cases ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    await store.write(lambda sql: sql.executemany(insert, rows).rowcount)
    assert (await figures.fetch_backlog())["late"] == {
        "1": {"cases": 2, "oldest": 630.0},
        "3": {"cases": 0, "oldest": 940.0},
    }


async def test_what_is_late_is_found_by_the_turns_alone(store):
    values = {"now": 1.0, "backoff": 1.0}
    plan = await store.read(lambda sql: [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {_LATE}", values)])
    assert [step for step in plan if "INDEX cases_due" in step]


async def test_a_case_is_open_while_its_incident_is_not_resolved_by_us(store, figures):
    columns = "key, digest, organization, profile, opened, incident, resolved, parked"
    cases = [
        ("open", 7, 0, None),
        ("in the shadow", -7, 0, None),
        ("resolved", 8, 1, None),
        ("parked", 9, 0, "poison"),
        ("without an incident", None, 0, None),
    ]
    rows = [(name, name, "SOC", PROFILE.hash, 1.0, *state) for name, *state in cases]
    await TriageJournal(store, lambda: 1.0).record_profile(PROFILE.hash, PROFILE.body)
    await store.write(
        lambda sql: sql.executemany(f"INSERT INTO cases ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
    )
    assert (await figures.fetch_backlog())["open"] == 2


async def test_open_cases_are_counted_in_an_index_alone(store):
    plan = await store.read(lambda sql: [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {_BACKLOG}")])
    assert [step for step in plan if "COVERING INDEX cases_open" in step]


async def test_what_became_of_letters_is_counted(store, figures):
    triage = TriageJournal(store, lambda: 1000.0)
    await triage.record([Element(n, 0, Rejected("bad")) for n in range(1, 7)], decide_landing, through=6)
    await triage.record([Element(2, 0, Dropped("filtered"))], decide_landing, through=6)
    states = [("retried", 1), ("retried", 2), ("retrying", 3), ("dropped", 5)]
    await store.write(lambda sql: sql.executemany("UPDATE dead_letters SET state = ? WHERE id = ?", states).rowcount)
    outcomes = await figures.fetch_outcomes([1, 2, 3, 4, 5])
    assert outcomes == {"landed": 1, "dropped": 1, "released": 0, "dead": 1, "retrying": 1}


async def test_a_parked_case_that_is_tried_again_is_with_delivery(store, figures):
    await store.write(
        lambda sql: (
            sql.execute(
                "INSERT INTO dead_letters (case_id, reason, detail, at, state) VALUES (1, 'poison', '', 1, 'retried')"
            ).rowcount
        )
    )
    assert (await figures.fetch_outcomes([1]))["released"] == 1


async def test_what_parked_cases_owe_is_among_what_is_pending(store, figures):
    triage = TriageJournal(store, lambda: 1000.0)
    await triage.record_profile(PROFILE.hash, PROFILE.body)
    await triage.record([fires(1, "a"), fires(2, "b"), fires(3, "c", group="h")], decide_landing, through=3)
    parking = "UPDATE cases SET parked = 'poison', due = NULL WHERE id = (SELECT min(id) FROM cases)"
    await store.write(lambda sql: sql.execute(parking).rowcount)
    backlog = await figures.fetch_backlog()
    assert (backlog["pending"], backlog["pending_parked"], backlog["cases"], backlog["parked"]) == (3, 2, 1, 1)
