import asyncio
import json
from collections import Counter

import orjson
import pytest
from structlog.testing import capture_logs

from itop_bridge.alert import Event
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.landing import Landing, Tally
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Counters, Triage, map_event

BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC}
routes:
"""

USUAL = """\
  - {name: severe, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'high',
     factory: incident-siem, organization: "{{ topic.org }}"}
  - {name: minor, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'medium',
     factory: incident-siem, organization: "{{ topic.org }}", settings: {create_from: critical}}
  - {name: fixed, topic: fixed/generic, format: generic, factory: incident-siem, group_by: [rule, "alert.host | upper"]}
"""


def routes(tmp_path, text=USUAL):
    path = tmp_path / "bridge.yaml"
    path.write_text(BASE + text)
    return load_routing(load_settings(path)).routes


@pytest.fixture
def usual(tmp_path):
    return routes(tmp_path)


def mapped(usual, topic, alert, size=None):
    payload = alert if isinstance(alert, bytes) else json.dumps(alert).encode()
    event = Event(1, topic if isinstance(topic, bytes) else topic.encode(), payload, 1000.0, size or len(payload))
    return [element.result for element in map_event(event, usual)]


def alert(**changes):
    return {"id": "a1", "title": "T", "severity": "high", "host": "srv-01", "rule": "r", **changes}


def test_an_alert_goes_to_the_first_route_whose_when_holds(usual):
    (severe,) = mapped(usual, "siem/EXC/generic", alert())
    (minor,) = mapped(usual, "siem/EXC/generic", alert(severity="medium"))
    assert (severe.scope, severe.intents[0].kind) == ("code:EXC|severe", "create")
    assert (minor.scope, minor.intents[0].kind) == ("code:EXC|minor", "append")


def test_an_alert_that_no_route_wants_is_dropped(usual):
    assert mapped(usual, "siem/EXC/generic", alert(severity="low")) == [Dropped("filtered")]


@pytest.mark.parametrize(
    ("topic", "payload", "size", "reason"),
    [
        ("other/topic", b"{}", None, "no_route"),
        (b"siem/\xff/generic", b"{}", None, "invalid_topic"),
        ("siem/EXC/generic", b"head", 99_999_999, "too_large"),
        ("siem//generic", b'{"severity": "high"}', None, "organization_missing"),
    ],
)
def test_what_cannot_be_mapped_is_rejected_with_its_reason(usual, topic, payload, size, reason):
    (result,) = mapped(usual, topic, payload, size)
    assert isinstance(result, Rejected)
    assert result.reason == reason


def test_the_organisation_is_the_topics_whatever_the_payload_says(usual):
    (landing,) = mapped(usual, "siem/EXC/generic", alert(tenant="OTH", organization="OTH", org="OTH"))
    assert landing.intents[0].organization == "code:EXC"


def test_a_topic_that_looks_like_a_path_or_a_template_is_data(usual):
    (landing,) = mapped(usual, "siem/{{7*7}} ' OR 1=1/generic", alert())
    assert landing.intents[0].organization == "code:{{7*7}} ' OR 1=1"


def test_group_by_makes_the_case(usual):
    (one,) = mapped(usual, "fixed/generic", alert(host="a"))
    (same,) = mapped(usual, "fixed/generic", alert(host="A", id="a2", title="other"))
    (other,) = mapped(usual, "fixed/generic", alert(host="b"))
    assert one.intents[0].case_key == same.intents[0].case_key
    assert one.intents[0].case_key != other.intents[0].case_key


def test_routes_and_organisations_never_share_a_case(usual):
    keys = {
        mapped(usual, topic, alert())[0].intents[0].case_key
        for topic in ("siem/EXC/generic", "siem/OTH/generic", "fixed/generic")
    }
    assert len(keys) == 3


def test_a_key_without_values_is_the_contents_hash(usual):
    (one,) = mapped(usual, "fixed/generic", {"severity": "high", "description": "one"})
    (two,) = mapped(usual, "fixed/generic", {"severity": "high", "description": "two"})
    assert one.intents[0].case_key != two.intents[0].case_key
    assert "case_key_weak" in orjson.loads(one.intents[0].facts)["notes"]


@pytest.mark.parametrize(
    ("payload", "identity"),
    [
        (alert(), "a1"),
        ({"title": "T", "rule": "r", "time": "2026-11-24T10:00:00Z"}, "content "),
        ({"title": "T", "rule": "r", "status": "firing"}, "case "),
    ],
)
def test_what_tells_a_repeat_from_a_new_alert(usual, payload, identity):
    (landing,) = mapped(usual, "fixed/generic", payload)
    assert landing.identity.startswith(identity)


def test_an_undated_alert_without_id_is_always_new(usual):
    (landing,) = mapped(usual, "fixed/generic", {"title": "T", "rule": "r"})
    assert landing.identity is None


def test_one_element_never_affects_its_neighbours(usual):
    results = mapped(usual, "fixed/generic", b'[{"title": "1"}, 7, {"title": "2"}]')
    assert [type(result) for result in results] == [Landing, Rejected, Landing]


def test_a_factory_that_raises_costs_only_its_alert(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "fragile.py").write_text(
        "from dataclasses import dataclass\n"
        "from itop_bridge.factory import CreateIncident, Texts, Writing\n"
        "NAME = 'fragile'\n"
        "@dataclass(frozen=True)\n"
        "class Settings:\n    x: int = 1\n"
        "def handle(alert, case, settings):\n"
        "    return [CreateIncident(case, alert, 1, 1 // (alert.title != 'bad'))]\n"
        "def describe_writing(settings):\n    return Writing(Texts('t', 'd', 'c', 'a', 'r', 's'))\n"
    )
    path = tmp_path / "bridge.yaml"
    path.write_text("factories: [own]\n" + BASE + "  - {name: r, topic: t, format: generic, factory: fragile}\n")
    fragile = load_routing(load_settings(path)).routes
    results = mapped(fragile, "t", b'[{"title": "good"}, {"title": "bad"}]')
    assert isinstance(results[0], Landing)
    assert results[1].reason == "factory_failed"
    assert "ZeroDivisionError" in results[1].detail


async def test_events_are_mapped_in_order_and_the_cursor_moves(tmp_path, usual):
    store = await Store.open(tmp_path / "j.db")
    intake = IntakeJournal(store)
    batch = [Received(b"fixed/generic", orjson.dumps(alert(id=f"a{n}")), 1.0, 9) for n in range(300)]
    await intake.record_events(await intake.open_connection(session_present=False), batch)
    triage = Triage(TriageJournal(store, lambda: 1.0), usual, Alarms())
    while await triage.step():
        pass
    assert triage.counters.accepted == 300
    ids = await store.read(lambda sql: [row[0] for row in sql.execute("SELECT alert_id FROM intents ORDER BY seq")])
    assert ids == [f"a{n}" for n in range(300)]
    await store.close()


async def test_triage_is_woken_by_intake_and_ends_when_asked(tmp_path, usual):
    store = await Store.open(tmp_path / "j.db")
    landed = asyncio.Event()
    triage = Triage(TriageJournal(store, lambda: 1.0, landed.set), usual, Alarms())
    stop = asyncio.Event()
    running = asyncio.create_task(triage.run(stop))
    await asyncio.sleep(0)
    intake = IntakeJournal(store, triage.wake)
    batch = [Received(b"fixed/generic", orjson.dumps(alert()), 1.0, 9)]
    await intake.record_events(await intake.open_connection(session_present=False), batch)
    await asyncio.wait_for(landed.wait(), 5)
    assert triage.counters.accepted == 1
    stop.set()
    await asyncio.wait_for(running, 5)
    assert running.done()
    await store.close()


async def test_what_is_not_told_yet_is_told_at_the_stop(tmp_path, usual):
    store = await published(tmp_path, b"fixed/generic", orjson.dumps(alert()), orjson.dumps(alert(id="a2")))
    triage = Triage(TriageJournal(store, lambda: 1.0), usual, Alarms(), clock=lambda: 1000.0)
    triage._sums.add(Tally(accepted=5))
    stop = asyncio.Event()
    with capture_logs() as logs:
        await triage.step()
        stop.set()
        await triage.run(stop)
    await store.close()
    assert [entry["accepted"] for entry in logs if entry["event"] == "alerts.mapped"] == [2]


async def published(tmp_path, topic, *payloads):
    """A journal with these messages."""
    store = await Store.open(tmp_path / "j.db")
    intake = IntakeJournal(store)
    batch = [Received(topic, payload, 1.0, len(payload)) for payload in payloads]
    await intake.record_events(await intake.open_connection(session_present=False), batch)
    return store


async def rows(store, query):
    return await store.read(lambda sql: [tuple(row) for row in sql.execute(query)])


async def test_a_case_and_a_dead_letter_know_their_route(tmp_path, usual):
    batch = [orjson.dumps([alert(), 7]), b"rubbish"]
    store = await published(tmp_path, b"siem/EXC/generic", *batch)
    triage = Triage(TriageJournal(store, lambda: 1.0), usual, Alarms())
    await triage.step()
    assert await rows(store, "SELECT route FROM cases") == [("severe",)]
    assert await rows(store, "SELECT reason, route FROM dead_letters") == [
        ("not_an_object", "severe"),
        ("invalid_json", "severe"),
    ]
    await store.close()


async def test_what_no_route_has_knows_none(tmp_path, usual):
    store = await published(tmp_path, b"other", b"{}")
    await Triage(TriageJournal(store, lambda: 1.0), usual, Alarms()).step()
    assert await rows(store, "SELECT route FROM dead_letters") == [(None,)]
    await store.close()


def test_a_failure_of_a_later_route_is_that_routes(usual):
    (result,) = mapped(usual, "siem//generic", alert(severity="medium"))
    assert (result.reason, result.route) == ("organization_missing", "minor")


async def test_many_letters_are_worked_off_in_parts(tmp_path, usual):
    store = await published(tmp_path, b"other", *[orjson.dumps(alert(id=f"a{n}")) for n in range(1_100)])
    triage = Triage(TriageJournal(store, lambda: 1.0), usual, Alarms())
    while await triage.step():
        pass
    assert triage.counters.rejected == 1_100
    await store.write(lambda sql: sql.execute("UPDATE dead_letters SET state = 'retrying'").rowcount)
    await store.write(lambda sql: sql.execute("UPDATE events SET topic = CAST('fixed/generic' AS BLOB)").rowcount)
    assert await triage.step()
    assert not await triage.step()
    assert await rows(store, "SELECT state, count(*) FROM dead_letters GROUP BY state") == [("retried", 1_100)]
    assert await rows(store, "SELECT count(*) FROM intents") == [(1_100,)]
    assert (triage.counters.accepted, triage.counters.rejected) == (1_100, 1_100)
    await store.close()


def test_an_alert_of_format_auto_has_the_case_of_the_format_that_it_is(tmp_path):
    text = "  - {name: all, topic: all, format: auto, factory: incident-siem}\n"
    auto = routes(tmp_path, text)
    named = routes(tmp_path, text.replace("auto", "wazuh"))
    wazuh = {"id": "1.2", "rule": {"id": "5710", "level": 12, "description": "d"}, "agent": {"id": "003"}}
    (told,) = mapped(auto, "all", wazuh)
    (known,) = mapped(named, "all", wazuh)
    assert told.intents[0].case_key == known.intents[0].case_key
    assert json.loads(told.intents[0].facts)["format"] == "wazuh"


def test_what_auto_does_not_recognise_is_a_dead_letter(tmp_path):
    auto = routes(tmp_path, "  - {name: all, topic: all, format: auto, factory: incident-siem}\n")
    (rejected,) = mapped(auto, "all", b"hello")
    assert (rejected.reason, rejected.route) == ("unrecognised_shape", "all")


# what it took


async def test_every_event_tells_how_long_it_waited_and_what_mapping_cost(tmp_path, usual):
    store = await Store.open(tmp_path / "j.db")
    intake = IntakeJournal(store)
    batch = [Received(b"fixed/generic", orjson.dumps(alert(id=f"a{n}")), 990.0 + n, 9) for n in range(3)]
    await intake.record_events(await intake.open_connection(session_present=False), batch)
    clock = [1000.0]

    def tick():
        clock[0] += 1.0
        return clock[0]

    triage = Triage(TriageJournal(store, lambda: 1.0), usual, Alarms(), clock=tick)
    delays = []
    triage.on_mapped = delays.append
    assert await triage.step()
    mapped_at = delays[0] + 990.0
    assert delays == [mapped_at - 990.0, mapped_at - 991.0, mapped_at - 992.0]
    assert 1000.0 < mapped_at <= clock[0]
    assert triage.counters.mapping_s == 1.0, "from one look at the clock to the next"
    await store.close()


# several routes, silences, inhibition

FORKED = """\
  - {name: soc, topic: t, format: generic, factory: incident-siem, continue: true, when: alert.rule != 'quiet'}
  - {name: broken, topic: t, format: generic, factory: incident-siem, continue: true, organization: "{{ raw.site }}"}
  - {name: net, topic: t, format: generic, factory: incident-siem}
  - {name: never, topic: t, format: generic, factory: incident-siem}
"""


def forked(tmp_path, *alerts, text=FORKED):
    payload = json.dumps(alerts).encode()
    return list(map_event(Event(1, b"t", payload, 1000.0, len(payload)), routes(tmp_path, text)))


def test_an_alert_goes_on_while_the_route_that_takes_it_says_continue(tmp_path):
    elements = forked(tmp_path, alert(site="EXC"), alert(site="EXC", rule="quiet"))
    taken = [(element.index, element.route) for element in elements]
    assert taken == [(0, "soc"), (0, "broken"), (0, "net"), (1, "broken"), (1, "net")]
    assert len({element.result.intents[0].case_key for element in elements}) == 5


def test_a_route_that_fails_takes_nothing_from_the_others(tmp_path):
    soc, broken, net = forked(tmp_path, alert())
    assert (broken.result.reason, broken.route) == ("organization_missing", "broken")
    assert [soc.route, net.route] == ["soc", "net"]
    assert isinstance(soc.result, Landing)
    assert isinstance(net.result, Landing)


SILENT = """\
  - {name: soc, topic: t, format: generic, factory: incident-siem, continue: true,
     silences: [{name: lab, matchers: {host: lab-01}}]}
  - {name: net, topic: t, format: generic, factory: incident-siem}
silences:
  - {name: db1, matchers: {host: db1, rule: [5710, r]}, until: 1970-01-01T00:16:41Z, routes: [net]}
"""


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, [None, None]),
        ({"host": "lab-01"}, ["silenced", None]),
        ({"host": "db1"}, [None, "silenced"]),
        ({"host": "db1", "rule": "other"}, [None, None]),
        ({"host": "db1", "status": "resolved"}, [None, None]),
    ],
)
def test_a_silence_drops_what_fires_in_its_routes(tmp_path, changes, reasons):
    elements = forked(tmp_path, alert(**changes), text=SILENT)
    assert [getattr(element.result, "reason", None) for element in elements] == reasons
    told = [element.result for element in elements if isinstance(element.result, Dropped)]
    assert [(each.route, each.detail) for each in told] == [
        ("soc", "lab") if reason == first else ("net", "db1")
        for reason, first in zip(reasons, ("silenced", None), strict=True)
        if reason
    ]


def test_a_silence_is_asked_for_the_moment_at_which_the_alert_came(tmp_path):
    late = routes(tmp_path, SILENT)
    payload = json.dumps(alert(host="db1")).encode()
    _, net = map_event(Event(1, b"t", payload, 1001.0), late)
    assert isinstance(net.result, Landing)


INHIBITING = """\
  - {name: r, topic: t, format: generic, factory: incident-siem, firing_expires: 1h,
     silences: [{name: known, matchers: {title: planned}}]}
inhibit:
  - {source: {matchers: {rule: HostDown}}, target: {matchers: {rule: ServiceDown}}, equal: [host]}
"""


def test_what_inhibits_and_what_is_inhibited_is_told_to_the_journal(tmp_path):
    stated = {"status": "firing"}
    elements = forked(
        tmp_path,
        alert(rule="HostDown", **stated),
        alert(rule="ServiceDown", id="a2", **stated),
        alert(rule="HostDown", title="planned", **stated),
        alert(rule="HostDown", status="resolved"),
        text=INHIBITING,
    )
    source, target, silenced, resolved = (element.bearing for element in elements)
    assert (source.scope, source.alert_id, source.received) == ("code:EXC|r", "a1", 1000.0)
    assert [tie.hold_s for tie in source.sources] == [3600.0]
    assert target.targets[0].key == source.sources[0].key
    assert elements[2].result == Dropped("silenced", "r", "known")
    assert silenced == source
    assert (resolved.sources, resolved.targets) == ((), ())


async def test_silences_are_told_in_the_log_with_their_counts(tmp_path):
    silent = routes(tmp_path, SILENT)
    store = await published(tmp_path, b"t", orjson.dumps([alert(host="db1"), alert(host="db1", id="a2")]))
    now = [1000.0]
    triage = Triage(TriageJournal(store, lambda: 1.0), silent, Alarms(), clock=lambda: now[0])
    with capture_logs() as logs:
        await triage.step()
        now[0] = 1001.0
        await triage.step()
    await store.close()
    told = [entry for entry in logs if entry["event"].startswith("silence.")]
    assert [(entry["event"], entry["silence"], entry.get("dropped")) for entry in told] == [
        ("silence.began", "lab", None),
        ("silence.began", "db1", None),
        ("silence.ended", "db1", 2),
    ]
    (mapped,) = [entry for entry in logs if entry["event"] == "alerts.mapped"]
    assert (mapped["accepted"], mapped["reasons"]) == (2, {"silenced": 2})


async def test_rejected_alerts_are_told_with_their_routes_and_the_first_event(tmp_path, usual):
    store = await published(tmp_path, b"fixed/generic", b"{not json")
    with capture_logs() as logs:
        await Triage(TriageJournal(store, lambda: 1.0), usual, Alarms()).step()
    await store.close()
    (told,) = [entry for entry in logs if entry["event"] == "elements.rejected"]
    assert (told["event_id"], told["routes"], told["reasons"]) == (1, ["fixed"], {"invalid_json": 1})


def test_the_counters_add_up_by_reason_and_count_a_rejection_once():
    counters = Counters()
    counters.add(Tally(accepted=1, dropped=2, rejected=1, reasons=Counter(no_route=1), drops=Counter(repeat=2)))
    counters.add(Tally(dropped=1, drops=Counter(filtered=1), rejected=1, reasons=Counter(no_route=1)), retried=True)
    assert (counters.accepted, counters.dropped, counters.rejected) == (1, 3, 1)
    assert counters.drops == {"repeat": 2, "filtered": 1}
    assert counters.rejections == {"no_route": 1}
