"""The line that `systemctl status` shows."""

from itop_bridge.console.console import Status
from itop_bridge.console.headline import describe_headline


def status(*, ready=True, alarms=(), reason=None, connected=True, subscribed=True):
    return Status(
        ready,
        "1",
        {"received": 1204, "connected": connected, "ready": subscribed},
        {"reachable": reason is None, "reason": reason},
        {},
        {name: {} for name in alarms},
        {"waiting": 1, "pending": 2, "dead_letters": 0},
        {},
    )


def test_a_daemon_that_is_ready_says_so_with_its_counts():
    assert describe_headline(status()) == ("ready; 1,204 messages received, 3 waiting, 0 dead letters; iTop reachable")


def test_an_alarm_is_named_also_where_it_is_ready():
    assert describe_headline(status(alarms=["case_parked"])).startswith("ready (case_parked); 1,204")


def test_a_daemon_that_is_degraded_says_why():
    line = describe_headline(status(ready=False, alarms=["itop_unreachable"], reason="credentials"))
    assert line.startswith("degraded (itop_unreachable); ")
    assert line.endswith("; iTop unreachable: credentials")


def test_a_daemon_that_has_just_begun_says_what_it_is_at():
    assert describe_headline(status(ready=False, connected=False)).startswith("connecting to the broker; ")
    assert describe_headline(status(ready=False, subscribed=False)).startswith("subscribing; ")
