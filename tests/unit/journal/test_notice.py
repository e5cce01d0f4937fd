import json

import pytest

from itop_bridge.journal.mail import MailJournal
from itop_bridge.journal.notice import fetch_contents, leave_notice, settle_notices

NOW = 5_000.0
CASE = """
    INSERT INTO cases (id, key, digest, organization, profile, opened, incident, ref)
    VALUES (?, ?, ?, '', 'p', 0, ?, ?)
"""
ALERT = """
    INSERT INTO alerts (scope, id, case_id, state, one_shot, content, received, first_seq)
    VALUES ('', 'a', 1, ?, 0, '', 0, 1)
"""
INTENT = """
    INSERT INTO intents (event_id, idx, n, case_id, kind, state, received, urgency, impact, alert_id, first_seq, facts)
    VALUES (?, 0, 0, 1, 'create', ?, ?, 1, 1, 'a', ?, ?)
"""


def facts(severity="high"):
    return json.dumps({"severity": severity, "title": "t"})


@pytest.fixture
async def sql(store):
    """Runs statements in a journal that has a case with the incident 7, and mail."""
    await MailJournal(store, lambda: NOW).record_use(used=True)

    async def run(*work):
        async def each(step):
            return await store.write(step if callable(step) else lambda sql: sql.execute(*step).rowcount)

        return [await each(step) for step in work][-1]

    await run(
        ("INSERT INTO profiles VALUES ('p', ?)", (json.dumps({"writing": {"iclass": "Incident"}}),)),
        (CASE, (1, "k", "abc", 7, "I-7")),
    )
    return run


def contents(kind, most=10, routes=("",)):
    return lambda sql: fetch_contents(sql, kind, json.dumps(routes), 10**6, most)


ATTEMPT = """
    INSERT INTO attempts (id, case_id, kind, token, incident, through, state, sent, message, effect)
    VALUES (?, 1, ?, ?, 7, 1, 'in_flight', 10.0, '', '{}')
"""


@pytest.mark.parametrize(
    "states", [("applied", "confirmed"), ("unknown", "confirmed"), ("unknown", "absent", "applied")]
)
async def test_an_incident_that_was_made_leaves_one_notice(sql, states):
    await sql((ATTEMPT, (1, "create", "t1")), (ATTEMPT, (2, "append", "t2")))
    for state in states:
        await sql(("UPDATE attempts SET state = ?", (state,)))
    told = await sql(contents("created"))
    assert (told.count, told.items[0]["ref"], told.items[0]["iclass"]) == (1, "I-7", "Incident")


@pytest.mark.parametrize("state", ["failed", "absent", "shadowed"])
async def test_what_was_not_written_leaves_none(sql, state):
    await sql((ATTEMPT, (1, "create", "t1")), ("UPDATE attempts SET state = ?", (state,)))
    assert (await sql(contents("created"))).count == 0


LETTER = "INSERT INTO dead_letters (reason, detail, at, route, state) VALUES (?, '', 1.0, ?, 'open')"


async def test_a_dead_letter_leaves_a_notice_that_is_over_when_it_is_settled(sql):
    await sql((LETTER, ("no_route", None)), (LETTER, ("invalid_json", "r")), (LETTER, ("no_route", None)))
    told = await sql(contents("dead_letters", 1, ("", "r")))
    assert (len(told.items), told.count, told.counts) == (1, 3, {"no_route": 2, "invalid_json": 1})
    assert told.items[0]["id"] == 3  # the newest
    await sql(("UPDATE dead_letters SET state = 'dropped' WHERE id = 3",))
    assert (await sql(contents("dead_letters"))).counts == {"no_route": 1}


async def test_without_mail_there_are_no_notices(store, sql):
    await MailJournal(store, lambda: NOW).record_use(used=False)
    await sql((LETTER, ("no_route", None)))
    assert (await sql(contents("dead_letters"))).count == 0


async def late(sql, state="pending", firing="firing"):
    await sql(
        (INTENT, (1, state, 1.0, 1, facts())),
        (ALERT, (firing,)),
        ("INSERT INTO escalations (episode, seq, route) VALUES (1, 1, '')",),
        lambda sql: leave_notice(sql, "escalated", "", 1, NOW),
    )


async def mailed(sql):
    def read(sql):
        return sql.execute("SELECT mailed FROM escalations").fetchone()[0]

    return await sql(lambda sql: settle_notices(sql, "escalated", '[""]', 10**6), read)


async def test_a_late_alert_is_told_and_then_known_to_be(sql):
    await late(sql)
    told = await sql(contents("escalated"))
    assert (told.items[0]["alert"]["title"], told.items[0]["parked"], told.counts) == ("t", None, {"high": 1})
    assert await mailed(sql) == 1
    assert (await sql(contents("escalated"))).count == 0


@pytest.mark.parametrize(("state", "firing"), [("delivered", "firing"), ("pending", "resolved")])
async def test_what_is_over_before_its_mail_is_not_told_nor_known_to_be(sql, state, firing):
    await late(sql, state, firing)
    assert (await sql(contents("escalated"))).count == 0
    assert await mailed(sql) == 0


async def test_only_the_notices_that_were_read_are_settled(sql):
    await sql((LETTER, ("one", None)), (LETTER, ("other", "r")), (LETTER, ("third", None)))
    await sql(lambda sql: settle_notices(sql, "dead_letters", '[""]', 2))
    assert (await sql(contents("dead_letters", 9, ("", "r")))).counts == {"other": 1, "third": 1}
