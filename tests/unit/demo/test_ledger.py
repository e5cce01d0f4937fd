import sqlite3
from dataclasses import replace

import pytest

from itop_bridge.demo.ledger import Entry, Ledger, Progress, Write, find_faults, read_ledger, read_progress
from itop_bridge.demo.story import RESOLVED, Fate, Message
from itop_bridge.journal.schema import load_migrations, migrate

SENT = [
    Message("t", b"1", (Fate("incident", "one"),)),
    Message("t", b"1", (Fate("dropped", "repeat"),)),
    Message("t", b"2", (Fate("incident", RESOLVED), Fate("incident", "one"))),
    Message("t", b"3", (Fate("dead", "invalid_json"),)),
]
LEDGER = Ledger(
    entries=(
        Entry("t", b"3", (Fate("dead", "invalid_json"),)),
        Entry("t", b"1", (Fate("incident", "I-1"),)),
        Entry("t", b"1", (Fate("dropped", "repeat"),)),
        Entry("t", b"2", (Fate("incident", "I-2"), Fate("incident", "I-1"))),
    ),
    writes=(Write("I-1", "aaaa", 2), Write("I-2", "bbbb", 1)),
    dead_letters=(),
)


def ticket(ref, status, *messages):
    return {"ref": ref, "status": status, "public_log": [{"message": text} for text in messages], "private_log": []}


TICKETS = [ticket("I-1", "new", "x\n[sb:aaaa]"), ticket("I-2", "resolved", "y\n[sb:bbbb]")]


@pytest.fixture
def sql():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations())
    yield connection
    connection.close()


def fill(sql):
    insert = sql.execute
    for number, payload in enumerate((b"1", b"2", b"3", b"4"), 1):
        insert(
            "INSERT INTO events (id, connection, seen, received, topic, payload, size, digest, qos, retain)"
            " VALUES (?, 1, 1, 0, ?, ?, 1, '', 1, 0)",
            (number, b"t", payload),
        )
    insert("INSERT INTO meta VALUES ('triaged', 3)")
    insert("INSERT INTO cases (id, key, digest, organization, profile, opened, incident, ref) VALUES"
           " (1, 'k', 'd', 'o', 'p', 0, 7, 'I-7'), (2, 'l', 'e', 'o', 'p', 0, NULL, NULL)")  # fmt: skip
    insert(
        "INSERT INTO attempts (id, case_id, kind, token, through, state, sent, message, effect) VALUES"
        " (1, 1, 'create', 'aaaa', 1, 'confirmed', 0, '', '{}'), (2, 1, 'append', 'b', 2, 'absent', 0, '', '{}')"
    )
    for event, index, state, reason, case, attempt in (
        (1, 0, "delivered", "create", 1, 1),
        (1, 2, "pending", None, 2, None),
        (2, 0, "dropped", "closed", 1, None),
        (2, 1, "dead", "poison", 1, None),
    ):
        insert(
            "INSERT INTO intents (event_id, idx, n, case_id, kind, state, reason, received, urgency, impact, facts,"
            " attempt) VALUES (?, ?, 0, ?, 'create', ?, ?, 0, 1, 1, '', ?)",
            (event, index, case, state, reason, attempt),
        )
    insert("INSERT INTO drops (event_id, idx, reason) VALUES (1, 1, 'repeat')")
    insert("INSERT INTO dead_letters (event_id, idx, reason, detail, at) VALUES (3, 0, 'invalid_json', 'why', 0)")


def test_an_empty_journal_is_done_only_if_nothing_was_sent(sql):
    assert read_progress(sql) == Progress()
    assert Progress().is_done(0)
    assert not Progress().is_done(1)
    assert read_ledger(sql) == Ledger((), (), ())


def test_progress_counts_each_stage(sql):
    fill(sql)
    assert read_progress(sql) == Progress(journaled=4, mapped=3, incidents=1, owed=1, unproved=0)


@pytest.mark.parametrize("late", [{"mapped": 1}, {"journaled": 1}, {"owed": 1}, {"unproved": 1}])
def test_nothing_may_be_left_over(late):
    done = Progress(journaled=2, mapped=2, incidents=1)
    assert done.is_done(2)
    assert not replace(done, **late).is_done(2)


def test_the_ledger_tells_the_fate_of_every_element_in_order(sql):
    fill(sql)
    ledger = read_ledger(sql)
    assert [entry.fates for entry in ledger.entries] == [
        (Fate("incident", "I-7"), Fate("dropped", "repeat"), Fate("pending", "pending")),
        (Fate("dropped", "closed"), Fate("dead", "poison")),
        (Fate("dead", "invalid_json"),),
        (),
    ]
    assert ledger.writes == (Write("I-7", "aaaa", 1),)
    assert [(letter.payload, letter.detail) for letter in ledger.dead_letters] == [(b"3", "why")]


def test_what_went_as_it_has_to_has_no_faults():
    assert find_faults(SENT, LEDGER, TICKETS) == []


def without(number):
    return replace(LEDGER, entries=LEDGER.entries[:number] + LEDGER.entries[number + 1 :])


def with_fates(number, *fates):
    changed = replace(LEDGER.entries[number], fates=fates)
    return replace(LEDGER, entries=(*LEDGER.entries[:number], changed, *LEDGER.entries[number + 1 :]))


@pytest.mark.parametrize(
    ("ledger", "tickets", "fault"),
    [
        (without(0), TICKETS, "was not journaled"),
        (replace(LEDGER, entries=(*LEDGER.entries, LEDGER.entries[0])), TICKETS, "1 messages are in the journal more"),
        (with_fates(0), TICKETS, "became nothing; expected dead (invalid_json)"),
        (with_fates(2, Fate("incident", "I-1")), TICKETS, "became incident (I-1); expected dropped (repeat)"),
        (with_fates(1, Fate("pending", "pending")), TICKETS, "became pending (pending)"),
        (with_fates(1, Fate("incident", "I-2")), TICKETS, "the case 'one' has 2 incidents: I-1, I-2"),
        (with_fates(3, Fate("incident", "I-1"), Fate("incident", "I-1")), TICKETS, "I-1 mixes 2 cases"),
        (LEDGER, TICKETS[:1], "I-2 is in the journal only"),
        (LEDGER, [*TICKETS, ticket("I-3", "new")], "I-3 is in iTop only"),
        (LEDGER, [TICKETS[0], ticket("I-2", "new", "[sb:bbbb]")], "I-2 is new, and its alerts are resolved"),
        (LEDGER, [ticket("I-1", "resolved", "[sb:aaaa]"), TICKETS[1]], "I-1 is resolved, and its alerts still fire"),
        (LEDGER, [ticket("I-1", "new"), TICKETS[1]], "a write to I-1 stands in iTop 0 times"),
        (LEDGER, [ticket("I-1", "new", "[sb:aaaa]", "[sb:aaaa]"), TICKETS[1]], "a write to I-1 stands in iTop 2 times"),
        (
            LEDGER,
            [ticket("I-1", "new"), ticket("I-2", "resolved", "[sb:bbbb]", "[sb:aaaa]")],
            "a write to I-1 stands in iTop 1 times, and not there",
        ),
    ],
)
def test_each_fault_is_found(ledger, tickets, fault):
    assert any(fault in each for each in find_faults(SENT, ledger, tickets)), find_faults(SENT, ledger, tickets)
