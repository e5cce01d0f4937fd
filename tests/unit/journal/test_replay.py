import pytest

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.replay import MOST_REMEMBERED, ElementTraces, Rehearsal, Replays, Span, decide_left
from itop_bridge.journal.store import Store

R = frozenset({"r"})


@pytest.mark.parametrize(
    ("traces", "left"),
    [
        (ElementTraces(), None),
        (ElementTraces(landed=R), "landed_before"),
        (ElementTraces(landed=frozenset({"other"})), "landed_before"),
        (ElementTraces(landed=frozenset({""})), "landed_before"),
        (ElementTraces(landed=R, drops={"r": "repeat"}), "landed_before"),
        (ElementTraces(landed=frozenset({"other"}), drops={"r": "filtered"}), None),
        (ElementTraces(landed=frozenset({"other"}), letters=(1,), open=R), None),
        (ElementTraces(drops={"": "filtered"}), None),
        (ElementTraces(letters=(1,), open=frozenset({""})), None),
        (ElementTraces(given_up=R), "given_up"),
        (ElementTraces(given_up=frozenset({""})), "given_up"),
        (ElementTraces(given_up=frozenset({"other"})), None),
        (ElementTraces(given_up=R, letters=(1,), open=R), None),
    ],
)
def test_what_became_of_an_element_decides_whether_it_is_left_alone(traces, left):
    assert decide_left(traces, "r") == left


def test_a_rehearsal_remembers_no_more_than_fits():
    rehearsal = Rehearsal({("s", str(number)): None for number in range(MOST_REMEMBERED)})
    rehearsal.forget_if_large()
    assert len(rehearsal.seen) == MOST_REMEMBERED
    rehearsal.seen["s", "one more"] = None
    rehearsal.forget_if_large()
    assert rehearsal.seen == {}


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    rows = [Received(b"t", b"x" * 10, float(moment), 10) for moment in range(100, 110)]
    await IntakeJournal(store).record_events(1, rows)
    yield store
    await store.close()


def change(store, query, *values):
    return store.write(lambda sql: sql.execute(query, values).rowcount)


async def test_a_span_is_found_by_the_time_of_receipt_among_gaps(store):
    await change(store, "INSERT INTO meta (name, value) VALUES ('triaged', 9)")
    await change(store, "DELETE FROM events WHERE id IN (1, 4, 5)")
    replays = Replays(store)
    assert await replays.find_span(0, 1e11) == Span(2, 9)
    assert await replays.find_span(103, 107) == Span(4, 7)
    assert await replays.find_span(105, 106) == Span(4, 6)
    assert await replays.find_span(500, 1e11) == Span(11, 9)


async def test_an_empty_journal_has_no_span(tmp_path):
    store = await Store.open(tmp_path / "empty.db")
    try:
        assert await Replays(store).find_span(0, 1e11) == Span(1, 0)
    finally:
        await store.close()


async def test_events_come_in_portions_that_fit(store):
    replays = Replays(store)
    portion = await replays.fetch_events(Span(2, 5), 3, 1_000)
    assert ([event.id for event in portion.events], portion.last) == ([2, 3, 4], 4)
    portion = await replays.fetch_events(Span(2, 5), 9, 25)
    assert ([event.id for event in portion.events], portion.last) == ([2, 3], 3)
    portion = await replays.fetch_events(Span(2, 5), 9, 1)
    assert [event.id for event in portion.events] == [2]
    await change(store, "UPDATE events SET payload = NULL WHERE id < 4")
    portion = await replays.fetch_events(Span(2, 5), 9, 1_000)
    assert ([event.id for event in portion.events], portion.pruned, portion.last) == ([4, 5], 2, 5)
