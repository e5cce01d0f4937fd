import orjson
import pytest

from itop_bridge.alert import Event, State
from itop_bridge.errors import ConfigurationError, JournalFullError
from itop_bridge.journal.landing import Landing
from itop_bridge.journal.source import Source
from itop_bridge.log import Alarms
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.heartbeat import Heartbeat, find_heard
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import map_event

BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
routes:
"""
WATCHED = """\
  - {name: a, topic: "siem/+/a", format: wazuh, factory: incident-siem, organization: EXC, when: "false",
     expect_every: 10m, silence_incident: true}
  - {name: b, topic: "siem/#", format: generic, factory: incident-siem, organization: EXC, expect_every: 1h,
     heartbeat: alert.title == 'Watchdog', when: alert.severity >= 'high'}
  - {name: c, topic: other, format: generic, factory: incident-siem, organization: EXC}
"""


def load(tmp_path, text=WATCHED):
    path = tmp_path / "bridge.yaml"
    path.write_text(BASE + text)
    return load_routing(load_settings(path)).routes


@pytest.fixture
def routes(tmp_path):
    return load(tmp_path)


def event(topic, received=1000.0, payload=b"{}"):
    return Event(1, topic.encode(), payload, received)


class FakeJournal:
    """Keeps what it was asked, and answers that every source is lost."""

    def __init__(self, error=None):
        self.listened = []
        self.events = []
        self.error = error

    async def advance(self, watched, listened_s):
        if self.error:
            raise self.error
        self.listened.append(listened_s)
        sources = [Source(each.route, 1000.0, each.within_s, 1600.0, "lost") for each in watched]
        self.events += [w.describe(s) for w, s in zip(watched, sources, strict=True) if w.describe]
        return sources


class Clock:
    now = 0.0
    connection = 1


def watch(journal, routes, clock):
    alarms = Alarms(clock=lambda: clock.now)
    heartbeat = Heartbeat(
        journal, alarms, lambda: routes, lambda: clock.connection, monotonic=lambda: clock.now, sleep=_stop
    )
    return heartbeat, alarms


class Stopped(Exception):  # noqa: N818 - no error: how a test ends a loop
    pass


async def _stop(_seconds):
    raise Stopped


async def test_only_time_on_one_connection_counts_once_it_has_settled(routes):
    journal, clock = FakeJournal(), Clock()
    heartbeat, _ = watch(journal, routes, clock)
    for now, connection in ((0, 1), (15, 1), (45, 1), (60, 1), (75, None), (500, None), (600, 2), (640, 2), (650, 3)):
        clock.now, clock.connection = float(now), connection
        await heartbeat.step()
    assert journal.listened == [0, 0, 15, 15, 0, 0, 0, 10, 0]


async def test_the_alarm_names_every_silent_route(routes):
    heartbeat, alarms = watch(FakeJournal(), routes, Clock())
    await heartbeat.step()
    alarm = alarms.active["source_silent"]
    assert alarm.facts["routes"] == ["a", "b"]
    assert alarm.facts["heard"] == "1970-01-01T00:16:40.000Z"
    assert "a since 1970" in alarm.detail


async def test_the_alarm_is_as_old_as_the_silence_and_not_as_the_daemon(routes):
    clock = Clock()
    clock.now = 1900.0
    heartbeat, alarms = watch(FakeJournal(), routes, clock)
    await heartbeat.step()
    assert alarms.active["source_silent"].since == 1600.0


async def test_a_full_disk_does_not_end_the_watch(routes):
    heartbeat, _ = watch(FakeJournal(JournalFullError("full")), routes, Clock())
    with pytest.raises(Stopped):
        await heartbeat.run()


async def test_without_a_watched_route_the_journal_is_left_alone_after_the_first_look(routes):
    journal = FakeJournal()
    heartbeat, _ = watch(journal, [route for route in routes if route.name == "c"], Clock())
    await heartbeat.step()
    await heartbeat.step()
    assert len(journal.listened) == 1


async def test_a_turn_is_read_as_an_alert_of_the_routes_own_incident(routes):
    journal = FakeJournal()
    heartbeat, _ = watch(journal, routes, Clock())
    await heartbeat.step()
    (received,) = journal.events
    (element,) = map_event(Event(7, received.topic, received.payload, received.received), routes)
    landing = element.result
    assert isinstance(landing, Landing)
    assert landing.route == "a"
    assert (landing.state, landing.one_shot) == (State.FIRING, False)
    assert orjson.loads(landing.intents[0].case_key) == ["code:EXC", "silence/a", "itop-bridge", "source_silent"]


@pytest.mark.parametrize("topic", ["$itop-bridge/silence/b", "$itop-bridge/silence/none", "$itop-bridge/other"])
def test_a_topic_of_the_bridges_own_has_no_other_route(routes, topic):
    (element,) = map_event(event(topic), routes)
    assert isinstance(element.result, Rejected)
    assert element.result.reason == "no_route"


def test_every_watched_route_of_an_events_topic_is_heard(routes):
    events = [event("siem/x/a", 5.0), event("siem/x/a", 3.0), event("siem/y", 4.0), event("other", 9.0)]
    assert find_heard(events, routes) == {"a": 5.0, "b": 5.0}
    assert find_heard(events, [route for route in routes if route.name == "c"]) == {}


def test_a_heartbeat_is_dropped_before_when_is_asked(routes):
    own = [route for route in routes if route.name == "b"]
    (watchdog,) = map_event(event("siem/x", payload=b'{"title": "Watchdog", "severity": "low"}'), own)
    (other,) = map_event(event("siem/x", payload=b'{"title": "Other", "severity": "low"}'), own)
    assert watchdog.result == Dropped("heartbeat", "b")
    assert other.result == Dropped("filtered")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("organization: EXC, silence_incident: true", "is of no use without expect_every"),
        ('organization: "{{ topic.o }}", expect_every: 5m, silence_incident: true', "no template"),
        ("organization: EXC, expect_every: 5s", "must be 1m or more"),
        ("organization: EXC, heartbeat: alert.titel", "titel"),
        ("organization: EXC, flapping: {changes: 1, within: 5m}", "flapping.changes"),
        ("organization: EXC, flapping: {changes: 5}", "flapping.within"),
    ],
)
def test_what_cannot_be_watched_is_told(tmp_path, keys, problem):
    with pytest.raises(ConfigurationError, match=problem):
        load(tmp_path, f'  - {{name: a, topic: "siem/{{o}}/a", format: generic, factory: incident-siem, {keys}}}\n')


def test_no_route_may_read_the_bridges_own_topics(tmp_path):
    text = "  - {name: a, topic: $itop-bridge/#, format: generic, factory: incident-siem, organization: EXC}\n"
    with pytest.raises(ConfigurationError, match="bridge's own"):
        load(tmp_path, text)
