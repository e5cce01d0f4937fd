import pytest
from filled import fill, park

from itop_bridge.control import letter
from itop_bridge.control.error import ControlError
from itop_bridge.control.operation import perform
from itop_bridge.control.request import DropLetters, ListLetters, RetryLetters, ShowLetter
from itop_bridge.journal.inquiry import LetterFilter

OPEN = LetterFilter()


async def states(daemon):
    letters = await daemon.controls.inquiry.fetch_letters(LetterFilter(state="all"))
    return {each["id"]: each["state"] for each in letters}


async def test_letters_are_listed_with_how_many_there_are(daemon):
    answer = await perform(ListLetters(LetterFilter(limit=2)), daemon.controls, daemon.tell)
    assert ([each["id"] for each in answer["letters"]], answer["total"]) == ([1, 2], 3)
    answer = await perform(ListLetters(LetterFilter(limit=2, after=2)), daemon.controls, daemon.tell)
    assert ([each["id"] for each in answer["letters"]], answer["total"]) == ([3], 3)


async def test_a_letter_is_shown_or_is_not_there(daemon):
    assert (await perform(ShowLetter(1), daemon.controls, daemon.tell))["reason"] == "invalid_json"
    with pytest.raises(ControlError, match="there is no dead letter 9"):
        await perform(ShowLetter(9), daemon.controls, daemon.tell)


async def test_a_retry_tells_what_became_of_each(daemon):
    daemon.results = {3: "open"}
    answer = await perform(RetryLetters(OPEN), daemon.controls, daemon.tell)
    assert (answer["found"], answer["changed"], answer["running"]) == (3, 3, True)
    assert (answer["landed"], answer["dead"], answer["dropped"], answer["retrying"]) == (2, 1, 0, 0)
    assert daemon.told == [(3, 3), (0, 3), (2, 3), (3, 3)]


async def test_without_a_daemon_it_waits_for_nothing(daemon):
    answer = await perform(RetryLetters(OPEN), daemon.stopped, daemon.tell)
    assert answer == {"found": 3, "changed": 3, "running": False}
    assert set((await states(daemon)).values()) == {"retrying"}


async def test_a_parked_case_has_its_turn_again(daemon):
    await park(daemon.store)
    answer = await perform(RetryLetters(LetterFilter(route="r")), daemon.controls, daemon.tell)
    assert (answer["changed"], answer["released"]) == (1, 1)


async def test_a_dry_run_only_counts(daemon):
    for request in (RetryLetters(OPEN, dry_run=True), DropLetters(OPEN, dry_run=True)):
        answer = await perform(request, daemon.controls, daemon.tell)
        assert (answer["found"], answer["changed"]) == (3, 0)
    assert (await perform(RetryLetters(OPEN, dry_run=True), daemon.controls, daemon.tell))["running"] is True
    assert set((await states(daemon)).values()) == {"open"}


async def test_only_those_that_are_named_are_changed(daemon):
    answer = await perform(DropLetters(LetterFilter(ids=(1, 3))), daemon.controls, daemon.tell)
    assert answer == {"found": 2, "changed": 2}
    assert await states(daemon) == {1: "dropped", 2: "open", 3: "dropped"}


async def test_what_is_done_already_is_left_alone(daemon):
    await perform(DropLetters(LetterFilter(ids=(1,))), daemon.controls, daemon.tell)
    for request in (DropLetters, RetryLetters):
        answer = await perform(request(LetterFilter(ids=(1,))), daemon.controls, daemon.tell)
        assert (answer["found"], answer["changed"]) == (0, 0)
    assert (await states(daemon))[1] == "dropped"


async def test_one_that_is_not_there_stops_all_before_anything_is_done(daemon):
    with pytest.raises(ControlError, match="there is no dead letter 8, 9; nothing was done"):
        await perform(DropLetters(LetterFilter(ids=(1, 8, 9))), daemon.controls, daemon.tell)
    assert set((await states(daemon)).values()) == {"open"}


async def test_many_go_in_parts_with_their_progress(daemon, monkeypatch):
    await fill(daemon.store, letters=5)
    monkeypatch.setattr(letter, "_PART", 3)
    answer = await perform(DropLetters(OPEN), daemon.controls, daemon.tell)
    assert answer["changed"] == 8
    assert daemon.told == [(3, 8), (6, 8), (8, 8)]


async def test_an_operator_who_goes_away_leaves_whole_parts_done(daemon, monkeypatch):
    monkeypatch.setattr(letter, "_PART", 2)

    async def hang_up(_done, _total):
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await perform(DropLetters(OPEN), daemon.controls, hang_up)
    assert await states(daemon) == {1: "dropped", 2: "dropped", 3: "open"}
