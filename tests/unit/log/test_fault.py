from itop_bridge.log import Faults


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def seconds_that_are_logged(faults, clock, until_s):
    logged = []
    for second in range(until_s):
        clock.now = 1000.0 + second
        if faults.tell("itop.read_failed", "NoReplyError", reason="no answer"):
            logged.append(second)
    return logged


def test_a_fault_is_logged_when_it_begins_and_then_at_intervals_that_double_up_to_an_hour(lines):
    clock = Clock()
    logged = seconds_that_are_logged(Faults(clock=clock), clock, 16_000)
    assert logged == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10980, 14580]
    assert len(lines()) == len(logged)
    assert (lines()[0]["event"], lines()[0]["reason"], "count" in lines()[0]) == (
        "itop.read_failed",
        "no answer",
        False,
    )
    assert [line["count"] for line in lines()[1:3]] == [61, 181]


def test_the_end_of_a_fault_that_repeated_is_logged_with_its_count(lines):
    clock = Clock()
    faults = Faults(clock=clock)
    seconds_that_are_logged(faults, clock, 31)
    faults.end("itop.read_failed")
    faults.end("itop.read_failed")
    assert len(lines()) == 2
    ended = lines()[-1]
    assert (ended["event"], ended["fault"], ended["kind"]) == ("fault.ended", "itop.read_failed", "NoReplyError")
    assert (ended["count"], ended["lasted_s"]) == (31, 30.0)


def test_a_fault_that_happened_once_ends_without_a_word_and_begins_anew(lines):
    faults = Faults(clock=Clock())
    for _ in range(2):
        assert faults.tell("broker.refused", "BrokerRefusedError")
        faults.end("broker.refused")
    assert [line["event"] for line in lines()] == ["broker.refused"] * 2


def test_faults_of_another_kind_or_event_are_others(lines):
    faults = Faults(clock=Clock())
    assert faults.tell("attempt.failed", "not_sent")
    assert faults.tell("attempt.failed", "throttled")
    assert faults.tell("broker.refused", "not_sent")
    assert not faults.tell("attempt.failed", "throttled")
    faults.end("attempt.failed")
    assert not faults.tell("broker.refused", "not_sent")
    assert [line["event"] for line in lines()][-1] == "fault.ended"
