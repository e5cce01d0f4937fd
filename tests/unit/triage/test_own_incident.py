import orjson
import pytest

from itop_bridge.alert import Event, State
from itop_bridge.errors import ConfigurationError, JournalFullError
from itop_bridge.journal.landing import Landing
from itop_bridge.journal.letter_day import LetterDay, Report, RouteCount, Told
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.own_incident import APART_S, LetterWatch, decide_report, describe_report
from itop_bridge.triage.triage import map_event

DAY = "2026-11-24"
BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC, settings: {team: SOC}}
routes:
  - {name: a, topic: a, format: wazuh, factory: incident-siem, expect_every: 10m, silence_incident: true}
  - {name: b, topic: b, format: wazuh, factory: incident-siem, expect_every: 10m}
  - {name: c, topic: c, format: wazuh, factory: incident-siem}
"""


@pytest.fixture
def load(tmp_path):
    def load(section):
        path = tmp_path / "bridge.yaml"
        path.write_text(BASE + section)
        return load_routing(load_settings(path)).routes

    return load


def letters(count, *, newest=None, total=None, routes=()):
    own = routes or ((RouteCount("a", count, newest or count),) if count or newest else ())
    return LetterDay(DAY, "no_route", count, total or count, own)


# when


def test_the_first_letter_is_told_at_once():
    assert decide_report(letters(1, newest=7), None, 100.0) == Told(100.0, 100.0, 7, firing=True)


def test_what_was_settled_before_it_was_told_is_not_told():
    assert decide_report(letters(0, newest=7), None, 100.0) is None


@pytest.mark.parametrize(("passed", "due"), [(APART_S - 1, False), (APART_S, True), (-1.0, True)])
def test_further_letters_are_told_when_some_minutes_have_passed(passed, due):
    told = Told(100.0, 200.0, 7, firing=True)
    further = decide_report(letters(3, newest=9), told, 200.0 + passed)
    assert further == (Told(100.0, 200.0 + passed, 9, firing=True) if due else None)


def test_fewer_letters_are_no_news():
    assert decide_report(letters(1, newest=7), Told(100.0, 200.0, 7, firing=True), 9_000.0) is None


def test_the_end_is_told_once_and_as_that_of_the_same_firing():
    told = Told(100.0, 200.0, 7, firing=True)
    assert decide_report(letters(0), told, 201.0) is None
    ended = decide_report(letters(0), told, 9_000.0)
    assert ended == Told(100.0, 9_000.0, 7, firing=False)
    assert decide_report(letters(0), ended, 99_000.0) is None


@pytest.mark.parametrize(("now", "began"), [(9_000.0, 9_000.0), (50.0, 101.0)])
def test_letters_after_the_end_are_a_later_firing_whatever_the_clock_says(now, began):
    again = decide_report(letters(1, newest=8), Told(100.0, 200.0, 7, firing=False), now)
    assert again == Told(began, now, 8, firing=True)


# what


def test_a_report_tells_counts_routes_ids_and_how_to_look():
    counts = (RouteCount("a", 9, 12), RouteCount("", 2, 14), RouteCount("z", 0, 3))
    received = describe_report(Report(letters(11, total=15, routes=counts), Told(100.0, 200.0, 14, firing=True)))
    body = orjson.loads(received.payload)
    head, *rest = body["description"].splitlines()
    assert head == (
        f"Alerts that cannot become incidents: 11 open of 15 dead letters that came on {DAY} (UTC)"
        " with the reason no_route."
    )
    assert rest == [
        "a: 9, the last is 12",
        "no route: 2, the last is 14",
        "Look: itop-bridge dead-letters list --reason no_route",
    ]
    assert (body["state"], body["time"]) == ("firing", "1970-01-01T00:01:40.000+00:00")
    assert received.received == 200.0


def test_a_report_names_only_some_of_many_routes():
    counts = tuple(RouteCount(f"r{n}", 1, n) for n in range(1, 100))
    body = orjson.loads(describe_report(Report(letters(99, routes=counts), Told(1.0, 1.0, 99, firing=True))).payload)
    assert body["description"].count("the last is") == 10
    assert "and 89 further routes" in body["description"]


def test_a_report_is_read_as_an_alert_of_the_own_route_by_reason_and_day(load):
    routes = load("own_incidents: {}")
    ends = []
    for firing in (True, False):
        received = describe_report(Report(letters(1), Told(100.0, 200.0, 1, firing=firing)))
        (element,) = map_event(Event(7, received.topic, received.payload, received.received), routes)
        landing = element.result
        assert isinstance(landing, Landing)
        assert (landing.route, landing.one_shot, landing.episode) == ("own-incidents", False, 100.0)
        assert orjson.loads(landing.intents[0].case_key) == ["code:EXC", "own/letters", "itop-bridge", "no_route", DAY]
        ends.append((landing.state, landing.identity))
    assert ends == [(State.FIRING, f"letters no_route {DAY}"), (State.RESOLVED, f"letters no_route {DAY}")]


# the section


def test_without_the_section_there_is_no_own_route(load):
    routes = load("")
    assert [route.name for route in routes] == ["a", "b", "c"]
    assert routes[0].silence.name == "a"


def test_the_silences_of_all_watched_routes_are_told_as_own(load):
    a, b, c, own = load("own_incidents: {organization: SOC, dead_letters: false}")
    assert (a.silence.name, b.silence.name, c.silence) == ("own-incidents", "own-incidents", None)
    assert a.silence.scope == b.silence.scope == "own/sources"
    assert a.silence.profile is own.profile
    assert (own.name, own.takes_letters) == ("own-incidents", False)


def test_silences_go_where_their_route_says_where_the_section_does_not_take_them(load):
    a, b, _, own = load("own_incidents: {sources: false}")
    assert (a.silence.name, b.silence) == ("a", None)
    assert own.takes_letters


def test_what_the_section_does_not_say_defaults_say(load):
    own = load("own_incidents: {settings: {service: Bridge}, group_interval: 1h}")[-1]
    assert own.policy.group_interval == 3600.0
    assert ("team_id", "Team", "SOC") in own.profile.writing.references
    assert ("service_id", "Service", "Bridge") in own.profile.writing.references


def test_its_texts_tell_the_reports_unless_settings_say_otherwise(load):
    texts = load("own_incidents: {settings: {append_log: mine}}")[-1].profile.writing.texts
    assert texts.append_log == "mine"
    assert "latest.description" in texts.create_log


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('own_incidents: {organization: "{{ topic.org }}"}', "own_incidents.organization: must be no template"),
        ("own_incidents: {factory: nope}", "own_incidents.factory: there is no factory 'nope'"),
        ("own_incidents: {settings: {tema: SOC}}", "own_incidents.settings.tema"),
        ("own_incidents: {topic: x}", "own_incidents.topic: unknown key"),
    ],
)
def test_a_section_that_cannot_be_used_is_told(load, section, problem):
    with pytest.raises(ConfigurationError, match=problem.replace("{", r"\{").replace(".", r"\.")):
        load(section)


# the watch


class FakeJournal:
    def __init__(self, error=None):
        self.calls = []
        self.error = error

    async def begin(self):
        self.calls.append("begin")

    async def end(self):
        self.calls.append("end")

    async def report(self, _decide, _describe, *, own):
        if self.error:
            raise self.error
        self.calls.append(own)
        return []


class Stopped(Exception):  # noqa: N818 - no error: how a test ends a loop
    pass


async def _stop(_seconds):
    raise Stopped


async def test_the_watch_follows_the_configuration_of_now(load):
    journal, routes = FakeJournal(), []
    watch = LetterWatch(journal, lambda: routes)
    for section in ("", "", "own_incidents: {}", "own_incidents: {}", "own_incidents: {dead_letters: false}"):
        routes = load(section)
        await watch.step()
    assert journal.calls == ["end", "begin", "own-incidents", "own-incidents", "end"]


async def test_a_full_disk_does_not_end_the_watch(load):
    routes = load("own_incidents: {}")
    watch = LetterWatch(FakeJournal(JournalFullError("full")), lambda: routes, sleep=_stop)
    with pytest.raises(Stopped):
        await watch.run()
