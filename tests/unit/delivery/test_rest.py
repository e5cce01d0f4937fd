from itop_bridge.delivery import rest
from itop_bridge.delivery.rest import Rests


class Now:
    at = 100.0

    def __call__(self):
        return self.at


def test_a_case_rests_as_long_as_it_was_told_to():
    now = Now()
    rests = Rests(now)
    rests.note(1, 5.0)
    now.at = 103.0
    assert rests.left_s(1) == 2.0
    assert rests.left_s(2) <= 0


def test_those_that_have_rested_are_forgotten(monkeypatch):
    monkeypatch.setattr(rest, "_MOST", 2)
    now = Now()
    rests = Rests(now)
    rests.note(1, 5.0)
    rests.note(2, 50.0)
    now.at = 110.0
    rests.note(3, 5.0)
    assert sorted(rests.until) == [2, 3]
