from structlog.testing import capture_logs

from itop_bridge.outward.refusal import QUIET_S, Refusals


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def refusals():
    clock = Clock()
    return clock, Refusals("presence.refused", monotonic=clock)


def test_a_refused_kind_is_not_tried_for_a_while_and_others_are():
    clock, told = refusals()
    assert not told.holds("a")
    told.note_refused("a", detail="no")
    assert (told.holds("a"), told.holds("b")) == (True, False)
    clock.now += QUIET_S - 1
    told.note_refused("a", detail="given up")
    assert told.holds("a")
    clock.now += 1
    assert not told.holds("a")


def test_one_that_is_refused_for_what_it_is_keeps_no_other_back():
    _, told = refusals()
    with capture_logs() as logs:
        told.note_one("a", detail="too large")
    assert not told.holds("a")
    assert [line["event"] for line in logs] == ["presence.refused"]


def test_it_is_logged_when_it_begins_and_when_all_kinds_are_taken_again():
    _, told = refusals()
    with capture_logs() as logs:
        for kind in ("a", "b", "a", "b"):
            told.note_refused(kind, detail="no")
        told.note_taken("a")
        told.note_taken("c")
        assert [line["event"] for line in logs] == ["presence.refused"] * 2
        told.note_taken("b")
    assert [(line["event"], line.get("count")) for line in logs[2:]] == [("fault.ended", 2)] * 2


def test_after_a_reload_all_are_tried_again():
    _, told = refusals()
    told.note_refused("a", detail="no")
    told.forgive()
    assert not told.holds("a")
