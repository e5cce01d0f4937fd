import pytest

from itop_bridge.errors import JournalError
from itop_bridge.journal.intake import Received
from itop_bridge.journal.letter_day import LetterDay, LetterDayJournal, RouteCount, Told
from itop_bridge.journal.store import Store

DAY_S = 86_400.0
NOW = 20_000 * DAY_S + 3600.0
TODAY, YESTERDAY, TOMORROW = "2024-10-04", "2024-10-03", "2024-10-05"
OWN = "own-incidents"


class Clock:
    now = NOW


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    yield store
    await store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def woken():
    return []


@pytest.fixture
async def journal(store, clock, woken):
    journal = LetterDayJournal(store, lambda: clock.now, lambda: woken.append("triage"))
    await journal.begin()
    return journal


@pytest.fixture
def write(store):
    async def write(statement, *values):
        return await store.write(lambda sql: sql.execute(statement, values).fetchall())

    return write


@pytest.fixture
def die(write):
    async def die(reason="no_route", route=None, at=NOW):
        added = "INSERT INTO dead_letters (event_id, reason, route, detail, at) VALUES (1, ?, ?, '', ?) RETURNING id"
        return (await write(added, reason, route, at))[0][0]

    return die


@pytest.fixture
def counted(write):
    async def counted():
        return await write("SELECT day, reason, route, open, total, newest FROM letter_days ORDER BY 1, 2, 3")

    return counted


@pytest.fixture
def report(journal):
    async def report():
        return [each.letters for each in await journal.report(tell, describe, own=OWN)]

    return report


def tell(letters, told, now):
    """Whatever is new."""
    if told is None and not letters.open:
        return None
    known = told and (told.newest, told.firing) == (max(letters.newest, told.newest), letters.open > 0)
    return None if known else Told(now, now, max(letters.newest, told.newest if told else 0), letters.open > 0)


def describe(report):
    return Received(f"$itop-bridge/letters/{report.letters.reason}".encode(), b"{}", NOW, 2)


# what is counted


async def test_letters_are_counted_by_day_reason_and_route(die, counted):
    for reason, route, at in (("a", "r", NOW), ("a", "r", NOW), ("a", None, NOW), ("b", "r", NOW + DAY_S)):
        await die(reason, route, at)
    assert await counted() == [(TODAY, "a", "", 1, 1, 3), (TODAY, "a", "r", 2, 2, 2), (TOMORROW, "b", "r", 1, 1, 4)]


@pytest.mark.parametrize(("state", "count"), [("retrying", 1), ("retried", 0), ("dropped", 0)])
async def test_a_letter_counts_as_open_until_it_is_settled(die, counted, write, state, count):
    letter = await die("a", "r")
    await write("UPDATE dead_letters SET state = ? WHERE id = ?", state, letter)
    assert await counted() == [(TODAY, "a", "r", count, 1, letter)]


async def test_a_letter_that_fails_anew_counts_for_its_new_reason(die, counted, write):
    letter = await die("a", None)
    await write("UPDATE dead_letters SET state = 'retrying' WHERE id = ?", letter)
    await write("UPDATE dead_letters SET state = 'open', reason = 'b', route = 'r' WHERE id = ?", letter)
    assert await counted() == [(TODAY, "b", "r", 1, 1, letter)]


async def test_a_letter_that_is_pruned_is_counted_no_more(die, counted, write):
    one, other = await die("a"), await die("a")
    await write("UPDATE dead_letters SET state = 'dropped'")
    await write("DELETE FROM dead_letters WHERE id = ?", one)
    assert await counted() == [(TODAY, "a", "", 0, 1, other)]
    await write("DELETE FROM dead_letters WHERE id = ?", other)
    assert await counted() == []


# what is told


async def test_a_reason_is_told_with_its_routes_those_with_the_most_first(die, report):
    for route in ("one", "two", "two", None):
        await die("a", route)
    routes = (RouteCount("two", 2, 3), RouteCount("", 1, 4), RouteCount("one", 1, 1))
    assert await report() == [LetterDay(TODAY, "a", 4, 4, routes)]


async def test_a_report_is_one_event_that_no_broker_brought(die, report, write, woken):
    await die("a")
    await report()
    await report()
    assert await write("SELECT connection, topic FROM events") == [(0, b"$itop-bridge/letters/a")]
    assert woken == ["triage"]


async def test_a_restart_tells_nothing_twice(die, report, store, clock):
    await die("a")
    assert len(await report()) == 1
    again = LetterDayJournal(store, lambda: clock.now, lambda: None)
    await again.begin()
    assert await again.report(tell, describe, own=OWN) == []


async def test_letters_of_its_own_route_are_never_told(die, report):
    await die("a", OWN)
    assert await report() == []
    await die("a", "other")
    (letters,) = await report()
    assert (letters.open, [each.route for each in letters.routes]) == (1, ["other"])


async def test_letters_of_days_before_the_first_are_left_alone(die, report):
    await die("a", at=NOW - DAY_S)
    assert await report() == []


async def test_a_day_that_was_told_is_told_to_its_end(die, report, clock, write):
    await die("a")
    await report()
    clock.now += 3 * DAY_S
    await write("UPDATE dead_letters SET state = 'dropped'")
    (letters,) = await report()
    assert (letters.day, letters.open) == (TODAY, 0)


async def test_what_came_while_nothing_was_told_stays_untold(die, report, journal, clock):
    await journal.end()
    await die("a")
    clock.now += DAY_S
    await journal.begin()
    assert await report() == []
    await die("a", at=clock.now)
    assert [letters.day for letters in await report()] == [TOMORROW]


async def test_letters_that_are_gone_are_told_as_settled_and_then_forgotten(die, report, write):
    await die("a")
    await report()
    await write("UPDATE dead_letters SET state = 'dropped'")
    await write("DELETE FROM dead_letters")
    assert await report() == [LetterDay(TODAY, "a", 0, 0)]
    assert await write("SELECT count(*) FROM letter_reports") == [(0,)]


async def test_a_report_whose_event_cannot_be_stored_is_not_told(die, journal, write):
    def fail(_report):
        raise JournalError("no")

    await die("a")
    with pytest.raises(JournalError):
        await journal.report(tell, fail, own=OWN)
    assert await write("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM letter_reports)") == [(0,)]
    assert len(await journal.report(tell, describe, own=OWN)) == 1
