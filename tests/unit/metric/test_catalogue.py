"""Names and units as Prometheus' conventions want them."""

import re

import pytest

from itop_bridge.metric.catalogue import METRICS, PREFIX, tabulate_metrics


@pytest.mark.parametrize("name", METRICS)
def test_a_name_tells_what_is_counted_and_its_unit(name):
    metric = METRICS[name]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert name.endswith("_total") is (metric.kind == "counter")
    assert bool(metric.buckets) is (metric.kind == "histogram")
    if metric.kind == "histogram":
        assert name.endswith("_seconds")
        assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.meaning.endswith(".")


def test_no_label_is_one_that_an_alert_chooses():
    labels = {label for metric in METRICS.values() for label in metric.labels}
    bounded_by_code = {"alarm", "reason", "outcome", "operation", "write", "file", "version", "python", "urgency"}
    assert labels == bounded_by_code | {"route"}


def test_the_table_has_a_row_for_each():
    head, _, *rows = tabulate_metrics()
    assert head.count("|") == 5
    assert [row.split("`")[1] for row in rows] == [PREFIX + name for name in METRICS]
