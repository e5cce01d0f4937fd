"""A journal that has something to show: for tests of operators' commands."""

from landing import PROFILE, fires

from itop_bridge.journal.landing import Element
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.repeat import decide_landing

HOSTILE = b"{not json\nstate  open\x1b[31m\xff"

_EVENT = """
    INSERT INTO events (connection, seen, received, topic, payload, size, digest, qos, retain)
    VALUES (1, 1, 1000, ?, ?, ?, x'00', 1, 0)
"""


async def fill(store, letters=3):
    """Three letters of rubbish (events 1 to 3), an alert of case `g` (event 4), one that is dropped (event 5)."""
    payloads = [HOSTILE] * letters + [b'{"id": "a1"}', b"{}"]
    rows = [(b"siem/EXC/wazuh", payload, len(payload)) for payload in payloads]
    await store.write(lambda sql: sql.executemany(_EVENT, rows).rowcount)
    triage = TriageJournal(store, lambda: 1000.0)
    await triage.record_profile(PROFILE.hash, PROFILE.body)
    elements = [Element(n, 0, Rejected("invalid_json", "line 1\x1b[2J", "payload")) for n in range(1, letters + 1)]
    elements += [fires(letters + 1, "a1", route="r"), Element(letters + 2, 0, Dropped("filtered"))]
    await triage.record(elements, decide_landing, through=letters + 2)


async def park(store, reason="organization_unknown"):
    """The case waits for a person."""
    await store.write(
        lambda sql: [
            sql.execute("UPDATE cases SET parked = ?, due = NULL WHERE id = 1", (reason,)).rowcount,
            sql.execute(
                "INSERT INTO dead_letters (case_id, reason, detail, at, route) VALUES (1, ?, 'x', 1000, 'r')", (reason,)
            ).rowcount,
        ]
    )


async def deliver(store, ref="I-000007"):
    """The case has its incident."""
    await store.write(
        lambda sql: [
            sql.execute(
                "INSERT INTO attempts (id, case_id, kind, token, incident, through, state, sent, message, effect)"
                " VALUES (1, 1, 'create', 't', 7, 1, 'confirmed', 1001, 'm', '{}')"
            ).rowcount,
            sql.execute("UPDATE cases SET incident = 7, ref = ?, due = NULL, oldest = NULL", (ref,)).rowcount,
            sql.execute("UPDATE intents SET state = 'delivered', reason = 'created', attempt = 1").rowcount,
        ]
    )
