"""The catalogue: every metric of the bridge's own, its kind, labels and what it tells. Dashboards lean on it.

No label has a value that an alert chose: they are words of the code, of the configuration, or of iTop's operations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

PREFIX = "itop_bridge_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; its name is its key in METRICS, without PREFIX."""

    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's, in seconds."""


_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_CALL = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MAPPING = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_WAY = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "build_info": Metric("gauge", "Always 1; its labels tell what runs.", ("version", "python")),
        "ready": Metric("gauge", "1 if subscribed at the broker, and iTop can be reached."),
        "alarm_active": Metric("gauge", "1 for each alarm that holds now.", ("alarm",)),
        # the broker, and intake
        "broker_connected": Metric("gauge", "1 while the broker accepts us."),
        "broker_subscribed": Metric("gauge", "1 while every topic is subscribed at QoS 1."),
        "broker_connections_total": Metric("counter", "Connections that the broker accepted."),
        "messages_received_total": Metric("counter", "Messages that were stored, or recognised as stored before."),
        "messages_acknowledged_total": Metric("counter", "Messages that were acknowledged, the ignored ones too."),
        "messages_ignored_total": Metric(
            "counter", "Messages that are no alerts: retained, or a copy by another subscription.", ("reason",)
        ),
        "messages_not_guaranteed_total": Metric("counter", "Messages at QoS 0, which a broker may lose."),
        "events_journaled_total": Metric("counter", "Events stored in the journal."),
        "events_redelivered_total": Metric("counter", "Messages that were in the journal already; no effect."),
        # triage
        "events_mapped_total": Metric("counter", "Events that were mapped."),
        "triage_mapping_seconds_total": Metric("counter", "What mapping took; by events mapped, the cost of one."),
        "triage_delay_seconds": Metric(
            "histogram", "From the receipt of an event until what became of it was on the disk.", (), _MAPPING
        ),
        "events_waiting": Metric("gauge", "Events in the journal that are not mapped yet."),
        "elements_mapped_total": Metric(
            "counter",
            "Alerts in the events, by what became of them: accepted, dropped or rejected (a dead letter), and why.",
            ("outcome", "reason"),
        ),
        "dead_letters_open": Metric("gauge", "Dead letters that nobody has dealt with."),
        # delivery
        "intents_pending": Metric("gauge", "What the cases owe iTop."),
        "cases_due": Metric("gauge", "Cases that owe something."),
        "cases_open": Metric("gauge", "Cases whose incident we have not resolved; parked ones are not among them."),
        "cases_parked": Metric("gauge", "Cases that wait for a person."),
        "oldest_pending_age_seconds": Metric(
            "gauge", "Since when the oldest pending alert waits, by design too (`group_interval`); 0 if none does."
        ),
        "cases_without_incident": Metric(
            "gauge", "Cases whose incident is due and not in iTop yet, by their most urgent alert.", ("urgency",)
        ),
        "oldest_undelivered_age_seconds": Metric(
            "gauge",
            "How late the oldest of what is due is; 0 if nothing is. Nothing waits here by design.",
            ("urgency",),
        ),
        "attempts_unverified": Metric("gauge", "Writes whose outcome is not known, to be looked up in iTop."),
        "delivery_paused": Metric("gauge", "1 for each route that operators hold back; * is all.", ("route",)),
        "delivery_delay_seconds": Metric(
            "histogram", "From the receipt of an alert to its write in iTop.", ("write",), _WAY
        ),
        # results
        "results_waiting": Metric("gauge", "Results of alerts that the broker does not have yet."),
        "results_published_total": Metric("counter", "Results that the broker has.", ("outcome",)),
        "results_lost_total": Metric(
            "counter", "Results that were given up: the broker refused their topic, or too many waited.", ("reason",)
        ),
        "response_topics_refused_total": Metric(
            "counter", "Messages that name a response topic which is not used, and why.", ("reason",)
        ),
        # iTop
        "itop_reachable": Metric(
            "gauge", "The breaker: 1 while calls are sent (closed); 0 while only a probe is (open)."
        ),
        "itop_trouble": Metric("gauge", "1 for the reason that iTop is not reached, or refuses.", ("reason",)),
        "itop_calls_total": Metric("counter", "Calls sent, probes too, by what came back.", ("operation", "outcome")),
        "itop_calls_not_sent_total": Metric(
            "counter",
            "Calls that were given up before they were sent, and why; they are made again later.",
            ("reason",),
        ),
        "itop_call_duration_seconds": Metric("histogram", "What a call took.", ("operation",), _CALL),
        "itop_limiter_wait_seconds": Metric("histogram", "How long a call waited for its turn.", (), _CALL),
        # mail
        "mails_total": Metric(
            "counter",
            "Mails, by what became of them: sent (reason: what it was about), failed (why), held (by which limit).",
            ("outcome", "reason"),
        ),
        # the journal
        "journal_commit_duration_seconds": Metric("histogram", "What a commit took, to the disk.", (), _SHORT),
        "journal_bytes": Metric("gauge", "The size of the journal's files: database and log.", ("file",)),
    }
)
"""By name, without PREFIX."""


def tabulate_metrics() -> list[str]:
    """The catalogue as a table in Markdown."""
    rows = [
        f"| `{PREFIX}{name}` | {metric.kind} | {_join(metric.labels)} | {metric.meaning} |"
        for name, metric in METRICS.items()
    ]
    return ["| metric | kind | labels | |", "| --- | --- | --- | --- |", *rows]


def _join(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)
