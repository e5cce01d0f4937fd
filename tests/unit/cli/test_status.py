import json
import time

from itop_bridge.cli.status import describe_status

BACKLOG = {
    "waiting": 3,
    "pending": 12,
    "pending_parked": 0,
    "cases": 2,
    "oldest": 940.0,
    "parked": 1,
    "unverified": 0,
    "dead_letters": 4,
    "late": {},
}
RUNNING = {
    "running": True,
    "ready": False,
    "version": "1.2",
    "broker": {"connected": True, "ready": True, "since": 0.0, "received": 7, "journaled": 6},
    "itop": {"reachable": False, "since": 0.0, "reason": "no_answer", "detail": "a\x1b[1m", "calls": {"core/get": 3}},
    "triage": {"events": 5, "accepted": 4, "dropped": 1, "rejected": 0},
    "alarms": {"itop_unreachable": {"since": 0.0, "detail": "timed out\nx"}},
    "journal": BACKLOG,
    "pauses": {"*": 0.0, "wazuh": 60.0},
}


def test_what_the_daemon_does_is_a_line_each():
    assert describe_status(RUNNING, 1000.0) == [
        "daemon        degraded, version 1.2",
        "broker        subscribed since 1970-01-01 00:00:00; 7 messages, 6 journaled",
        "itop          unreachable, 3 calls (no_answer: a\\x1b[1m)",
        "triage        5 events: 4 accepted, 1 dropped, 0 rejected",
        "waiting       3 events",
        "pending       12 intents of 2 cases",
        "oldest        1970-01-01 00:15:40, 1m ago",
        "unverified    0 writes",
        "parked        1 case",
        "dead letters  4",
        "paused        everything since 1970-01-01 00:00:00",
        "paused        wazuh since 1970-01-01 00:01:00",
        "alarm         itop_unreachable since 1970-01-01 00:00:00 timed out\\nx",
    ]


def test_when_an_itop_that_is_away_is_asked_next_is_told():
    lines = describe_status({**RUNNING, "itop": {**RUNNING["itop"], "probe_in_s": 39.7}}, 1000.0)
    assert lines[2].startswith("itop          unreachable, next probe in 40 s, 3 calls (")


def test_that_itop_asks_to_be_left_alone_is_told():
    told = {"reachable": True, "reason": None, "detail": "", "calls": {}, "probe_in_s": None, "throttled_s": 25.2}
    lines = describe_status({**RUNNING, "itop": told}, 1000.0)
    assert lines[2] == "itop          reachable, throttled for 25 s more, 0 calls"


def test_what_is_late_is_told_where_anything_is():
    def told(**late):
        lines = describe_status({**RUNNING, "journal": {**BACKLOG, "late": late}}, 1000.0)
        return [line for line in lines if line.startswith("late ")]

    assert told(**{"1": {"cases": 12, "oldest": 657.0}, "2": {"cases": 76, "oldest": 900.0}}) == [
        "late          88 cases without incident (12 critical), oldest 5m43s"
    ]
    assert told(**{"3": {"cases": 1, "oldest": 940.0}})[0].endswith("1 case without incident, oldest 1m00s")
    assert told(**{"2": {"cases": 0, "oldest": 0.0}}) == ["late          entries of incidents, oldest 16m40s"]
    assert told(**{"1": {"cases": 5, "oldest": 950.0}}) == []  # they are being made


def test_a_daemon_that_does_not_run_leaves_what_its_journal_holds():
    status = {"running": False, "ready": False, "journal": {**BACKLOG, "oldest": None}, "pauses": {}}
    lines = describe_status(status, 1000.0)
    assert lines[0] == "daemon        does not run; this is what its journal holds"
    assert [line.split()[0] for line in lines[1:]] == ["waiting", "pending", "unverified", "parked", "dead"]


def test_without_a_daemon_the_exit_code_is_1(operator):
    code, out, _ = operator.run("status")
    assert code == 1
    assert "dead letters  3" in out.splitlines()
    assert json.loads(operator.run("status", "--json")[1])["journal"]["pending"] == 1


def test_it_is_watched_until_it_is_interrupted(operator, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    code, out, _ = operator.run("status", "--watch")
    assert (code, waits) == (130, [2.0] * 3)
    assert out.count("does not run") == 3


def test_what_parked_cases_owe_is_told_apart():
    owed = {**BACKLOG, "waiting": 1, "pending": 2, "pending_parked": 1, "cases": 0}
    lines = describe_status({**RUNNING, "journal": owed}, 1000.0)
    assert "waiting       1 event" in lines
    assert "pending       1 intent of 0 cases, 1 of parked ones" in lines


def test_in_a_pipe_a_cause_is_whole():
    long = "refused " * 40 + "by the proxy"
    lines = describe_status({**RUNNING, "itop": {**RUNNING["itop"], "detail": long}}, 1000.0)
    assert lines[2].endswith(f"{long})")
