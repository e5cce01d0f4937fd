import pytest
from prometheus_client.parser import text_string_to_metric_families

from itop_bridge.metric.catalogue import METRICS, PREFIX
from itop_bridge.metric.meter import Meter, Sample


def read(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_was_told_and_what_was_read_are_one_text():
    meter = Meter()
    meter.record_commit(0.003)
    meter.record_call("core/get", "ok", 0.2)
    meter.record_call("core/get", "no_reply", 30.0)
    meter.record_wait(0.0)
    meter.record_mapped(0.04)
    meter.record_write("create", 12.0)
    values = read(meter.expose([Sample("ready", True), Sample("alarm_active", 1.0, {"alarm": "journal_full"})]))
    assert values["itop_bridge_ready",] == 1.0
    assert values["itop_bridge_alarm_active", ("alarm", "journal_full")] == 1.0
    assert values["itop_bridge_journal_commit_duration_seconds_count",] == 1.0
    assert values["itop_bridge_itop_calls_total", ("operation", "core/get"), ("outcome", "no_reply")] == 1.0
    assert values["itop_bridge_itop_call_duration_seconds_sum", ("operation", "core/get")] == pytest.approx(30.2)
    assert values["itop_bridge_delivery_delay_seconds_bucket", ("le", "30.0"), ("write", "create")] == 1.0
    assert values["itop_bridge_delivery_delay_seconds_bucket", ("le", "10.0"), ("write", "create")] == 0.0
    assert values["itop_bridge_triage_delay_seconds_bucket", ("le", "0.05")] == 1.0
    assert values["itop_bridge_triage_delay_seconds_bucket", ("le", "0.025")] == 0.0
    assert values["process_resident_memory_bytes",] > 0


def test_a_series_for_when_each_began_is_left_out():
    meter = Meter()
    meter.record_call("core/get", "ok", 0.2)
    assert b"_created" not in meter.expose([])


def test_a_metric_that_is_not_in_the_catalogue_or_misses_a_label_is_a_mistake():
    for sample in (Sample("nonsense", 1.0), Sample("alarm_active", 1.0)):
        with pytest.raises(KeyError):
            Meter().expose([sample])


def test_the_number_of_series_is_bounded_and_nothing_counted_is_lost():
    samples = [Sample("elements_mapped_total", 1.0, {"outcome": "dropped", "reason": f"r{n}"}) for n in range(5000)]
    values = read(Meter().expose(samples))
    series = {key: value for key, value in values.items() if key[0] == "itop_bridge_elements_mapped_total"}
    assert len(series) == 101
    assert sum(series.values()) == 5000
    assert series["itop_bridge_elements_mapped_total", ("outcome", "dropped"), ("reason", "other")] == 4900


def test_hostile_text_in_a_label_stays_in_its_line():
    text = Meter().expose([Sample("delivery_paused", 1.0, {"route": 'a"\n\\b'})])
    assert read(text)["itop_bridge_delivery_paused", ("route", 'a"\n\\b')] == 1.0


def test_two_meters_do_not_share_anything():
    first, second = Meter(), Meter()
    first.record_write("create", 1.0)
    assert b'write="create"' in first.expose([])
    assert b'write="create"' not in second.expose([])


def test_every_histogram_and_counter_that_is_told_is_of_the_catalogue():
    families = {family.name for family in text_string_to_metric_families(Meter().expose([]).decode())}
    ours = {name.removeprefix(PREFIX) for name in families if name.startswith(PREFIX)}
    assert ours <= {name.removesuffix("_total") for name in METRICS}
    assert {name for name, metric in METRICS.items() if metric.buckets} <= ours
    assert "itop_calls" in ours


def test_mails_are_counted_by_what_became_of_them_and_why():
    meter = Meter()
    meter.record_mail("failed", "unreachable")
    meter.record_mail("sent", "created")
    values = read(meter.expose([]))
    assert values["itop_bridge_mails_total", ("outcome", "failed"), ("reason", "unreachable")] == 1.0
    assert values["itop_bridge_mails_total", ("outcome", "sent"), ("reason", "created")] == 1.0


def test_results_are_counted_by_what_became_of_them():
    meter = Meter()
    meter.record_result("delivered")
    meter.record_lost_results("overflow", 500)
    meter.record_waiting_results(7)
    meter.record_refused_response("not_allowed")
    values = read(meter.expose([]))
    assert values["itop_bridge_results_published_total", ("outcome", "delivered")] == 1.0
    assert values["itop_bridge_results_lost_total", ("reason", "overflow")] == 500.0
    assert values["itop_bridge_results_waiting",] == 7.0
    assert values["itop_bridge_response_topics_refused_total", ("reason", "not_allowed")] == 1.0
