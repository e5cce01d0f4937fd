"""Who hangs is told from who waits, by a clock that the test moves."""

import pytest

from itop_bridge.beat import Beats


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_who_moved_in_time_does_not_hang(clock: Clock) -> None:
    beats = Beats(clock)
    beat = beats.begin("delivery", 60.0)
    clock.now += 60.0
    assert beats.find_stalled() == {}
    beat.move()
    clock.now += 60.0
    assert beats.find_stalled() == {}


def test_who_does_not_move_is_named_with_how_long(clock: Clock) -> None:
    beats = Beats(clock)
    beats.begin("delivery", 60.0)
    writer = beats.begin("writer", 30.0)
    clock.now += 61.0
    writer.move()
    assert beats.find_stalled() == {"delivery": 61.0}


def test_the_longest_comes_first_and_stands_for_others_of_its_name(clock: Clock) -> None:
    beats = Beats(clock)
    beats.begin("task", 10.0)
    clock.now += 5.0
    beats.begin("writer", 10.0)
    clock.now += 5.0
    beats.begin("task", 10.0)
    clock.now += 11.0
    assert list(beats.find_stalled().items()) == [("task", 21.0), ("writer", 16.0)]


def test_the_time_of_who_is_known_to_wait_begins_when_the_wait_is_over(clock: Clock) -> None:
    beats = Beats(clock)
    beat = beats.begin("delivery", 60.0)
    beat.wait_for(3600.0)
    beat.wait_for(10.0)  # a shorter wait does not end a longer one
    beat.move()
    clock.now += 3660.0
    assert beats.find_stalled() == {}
    clock.now += 1.0
    assert beats.find_stalled() == {"delivery": 3661.0}


def test_who_has_ended_need_not_move(clock: Clock) -> None:
    beats = Beats(clock)
    beat = beats.begin("task", 10.0)
    beats.end(beat)
    beats.end(beat)
    clock.now += 100.0
    assert beats.find_stalled() == {}


def test_where_the_process_stood_still_everyones_time_begins_anew(clock: Clock) -> None:
    beats = Beats(clock)
    beats.begin("delivery", 10.0)
    clock.now += 100.0
    beats.forgive()
    clock.now += 10.0
    assert beats.find_stalled() == {}
    clock.now += 1.0
    assert beats.find_stalled() == {"delivery": 11.0}
