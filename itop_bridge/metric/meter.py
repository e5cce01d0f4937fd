"""What is counted and timed where it happens; and all metrics as the text that Prometheus reads."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from itop_bridge.metric.catalogue import METRICS, PREFIX

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_VALUES = 100
"""So many sets of labels a metric has at most; the others are one."""
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that was read for a metric of the catalogue."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Meter:
    """Takes what the stages tell; from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._commits = self._histogram("journal_commit_duration_seconds")
        self._calls = self._histogram("itop_call_duration_seconds")
        self._waits = self._histogram("itop_limiter_wait_seconds")
        self._mapped = self._histogram("triage_delay_seconds")
        self._delays = self._histogram("delivery_delay_seconds")
        self._outcomes = self._counter("itop_calls_total")
        self._mails = self._counter("mails_total")
        self._results = self._counter("results_published_total")
        self._lost = self._counter("results_lost_total")
        self._refused = self._counter("response_topics_refused_total")
        waiting = METRICS["results_waiting"]
        self._waiting = Gauge(PREFIX + "results_waiting", waiting.meaning, registry=self._registry)

    def _counter(self, name: str) -> Counter:
        metric = METRICS[name]
        return Counter(PREFIX + name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, name: str) -> Histogram:
        metric = METRICS[name]
        return Histogram(PREFIX + name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self._registry)

    def record_commit(self, took_s: float) -> None:
        """The journal committed."""
        self._commits.observe(took_s)

    def record_call(self, operation: str, outcome: str, took_s: float) -> None:
        """A call to iTop ended."""
        self._outcomes.labels(operation, outcome).inc()
        self._calls.labels(operation).observe(took_s)

    def record_wait(self, waited_s: float) -> None:
        """A call had its turn."""
        self._waits.observe(waited_s)

    def record_mapped(self, delay_s: float) -> None:
        """What became of an event is on the disk, so long after its receipt."""
        self._mapped.observe(max(0.0, delay_s))

    def record_write(self, write: str, delay_s: float) -> None:
        """A write is in iTop, so long after its oldest alert was received."""
        self._delays.labels(write).observe(max(0.0, delay_s))

    def record_result(self, outcome: str) -> None:
        """A result is at the broker."""
        self._results.labels(outcome).inc()

    def record_lost_results(self, reason: str, count: int) -> None:
        """So many results were given up."""
        self._lost.labels(reason).inc(count)

    def record_waiting_results(self, count: int) -> None:
        """So many results wait for the broker."""
        self._waiting.set(count)

    def record_refused_response(self, reason: str) -> None:
        """A sender named a response topic that is not used."""
        self._refused.labels(reason).inc()

    def record_mail(self, outcome: str, reason: str) -> None:
        """What became of a mail."""
        self._mails.labels(outcome, reason).inc()

    def expose(self, samples: Iterable[Sample]) -> bytes:
        """All of it in Prometheus' text format, with what was read now. Raises KeyError for an unknown metric."""
        passing = CollectorRegistry()
        passing.register(_All(self._registry, list(samples)))
        return generate_latest(passing)


class _All(Collector):
    """What a registry holds, and samples."""

    def __init__(self, registry: CollectorRegistry, samples: list[Sample]) -> None:
        self._registry = registry
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            # when each series began is a series more, and nothing reads it
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family
        yield from self._read()

    def _read(self) -> Iterator[Family]:
        totals: dict[str, Tally[tuple[str, ...]]] = {}
        for sample in self._samples:
            labels = tuple(str(sample.labels[label]) for label in METRICS[sample.name].labels)
            series = totals.setdefault(sample.name, Tally())
            if labels not in series and len(series) >= _MOST_VALUES:
                labels = (*labels[:-1], _OTHER)
            series[labels] += sample.value  # type: ignore[assignment] # a Counter adds floats as well
        for name, series in totals.items():
            yield _family(name, series)


def _family(name: str, series: Mapping[tuple[str, ...], float]) -> Family:
    metric = METRICS[name]
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = make(PREFIX + name, metric.meaning, labels=metric.labels)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family
