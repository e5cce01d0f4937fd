import dataclasses

from prometheus_client.parser import text_string_to_metric_families

from itop_bridge.console.console import Status
from itop_bridge.console.exposition import KEEP_S, Exposition, read_status
from itop_bridge.intake.intake import IntakeState
from itop_bridge.itop.gate import State
from itop_bridge.log import Alarms
from itop_bridge.metric.catalogue import METRICS, PREFIX
from itop_bridge.metric.meter import Meter
from itop_bridge.triage.triage import Counters

BACKLOG = {
    "waiting": 7,
    "pending": 3,
    "cases": 2,
    "oldest": 900.0,
    "open": 6,
    "parked": 1,
    "unverified": 4,
    "dead_letters": 5,
    "late": {"1": {"cases": 12, "oldest": 657.0}, "3": {"cases": 0, "oldest": 940.0}},
}


def status(*, backlog=BACKLOG, pauses=(), reason=None):
    """As the daemon makes it, of the stages' own values."""
    alarms = Alarms(clock=lambda: 1.0)
    alarms.raise_("journal_full", "the disk is full")
    intake = IntakeState(connected=True, received=10, journaled=8, redelivered=2, retained_ignored=3, copies_ignored=1)
    intake.acknowledged = 14
    counters = Counters(events=8, accepted=4, dropped=3, rejected=1, drops={"repeat": 3}, rejections={"no_route": 1})
    counters.mapping_s = 0.25
    itop = dataclasses.asdict(State(reachable=reason is None, since=1.0, reason=reason))
    return Status(
        ready=False,
        version="9.9",
        broker=dataclasses.asdict(intake),
        itop={**itop, "not_sent": {"turn": 2}},
        triage=dataclasses.asdict(counters),
        alarms={name: {"since": alarm.since} for name, alarm in alarms.active.items()},
        journal=dict(backlog),
        pauses=dict(pauses),
    )


def read(now=1000.0, **of):
    return {(sample.name, *sample.labels.values()): float(sample.value) for sample in read_status(status(**of), now)}


def test_the_status_becomes_samples():
    values = read(pauses={"wazuh": 1.0}, reason="maintenance")
    assert values["ready",] == 0.0
    assert values["alarm_active", "journal_full"] == 1.0
    assert values["delivery_paused", "wazuh"] == 1.0
    assert values["itop_reachable",] == 0.0
    assert values["itop_trouble", "maintenance"] == 1.0
    assert (values["broker_connected",], values["broker_subscribed",]) == (1.0, 0.0)
    assert (values["messages_received_total",], values["events_journaled_total",]) == (10.0, 8.0)
    assert values["messages_acknowledged_total",] == 14.0
    assert values["messages_ignored_total", "retained"] == 3.0
    assert values["itop_calls_not_sent_total", "turn"] == 2.0
    assert values["triage_mapping_seconds_total",] == 0.25
    assert values["cases_open",] == 6.0
    assert values["elements_mapped_total", "dropped", "repeat"] == 3.0
    assert values["elements_mapped_total", "rejected", "no_route"] == 1.0
    assert values["elements_mapped_total", "accepted", ""] == 4.0
    assert (values["events_waiting",], values["dead_letters_open",], values["cases_parked",]) == (7.0, 5.0, 1.0)


def test_the_age_of_the_oldest_is_of_now_and_nothing_pending_has_none():
    assert read(now=1000.0)["oldest_pending_age_seconds",] == 100.0
    assert read(now=500.0)["oldest_pending_age_seconds",] == 0.0
    assert read(backlog={**BACKLOG, "oldest": None})["oldest_pending_age_seconds",] == 0.0


def test_what_is_late_is_told_by_urgency_and_nothing_late_is_0():
    values = read(now=1000.0)
    assert [values["cases_without_incident", urgency] for urgency in "1234"] == [12.0, 0.0, 0.0, 0.0]
    assert [values["oldest_undelivered_age_seconds", urgency] for urgency in "1234"] == [343.0, 0.0, 60.0, 0.0]
    assert read(now=500.0)["oldest_undelivered_age_seconds", "1"] == 0.0  # a clock that was put back


async def test_asking_often_costs_one_look_in_some_seconds(tmp_path):
    asked = []
    clock = [0.0]

    async def fetch_status():
        asked.append(1)
        return status()

    exposition = Exposition(fetch_status, Meter(), tmp_path / "journal.db", monotonic=lambda: clock[0])
    first = await exposition.fetch()
    clock[0] = KEEP_S - 0.1
    assert await exposition.fetch() is first
    clock[0] = KEEP_S
    await exposition.fetch()
    assert len(asked) == 2


async def test_every_metric_of_the_catalogue_is_exposed_with_its_kind_and_labels(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"x" * 4096)
    meter = Meter()
    meter.record_call("core/get", "ok", 0.1)
    meter.record_write("create", 1.0)
    meter.record_result("delivered")
    meter.record_lost_results("refused", 1)
    meter.record_refused_response("outside")
    meter.record_mail("sent", "created")

    async def fetch_status():
        return status(pauses={"*": 1.0}, reason="no_answer")

    text = (await Exposition(fetch_status, meter, tmp_path / "journal.db").fetch()).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name, metric in METRICS.items():
        family = families[(PREFIX + name).removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in family.samples)
        assert family.samples
    assert 'itop_bridge_journal_bytes{file="database"} 4096.0' in text
    assert 'itop_bridge_journal_bytes{file="log"} 0.0' in text
