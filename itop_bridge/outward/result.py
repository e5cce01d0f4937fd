"""A result as others read it: where it goes, and its JSON. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from itop_bridge.itop.page import link_object
from itop_bridge.journal.result import Result
from itop_bridge.settings.model import Mqtt
from itop_bridge.settings.response import decide_refusal, is_below


@dataclass(frozen=True, slots=True)
class Target:
    """Where a result goes."""

    topic: str
    kind: str
    """The topic, or the prefix that it lies below: a word of the configuration."""
    correlation: bytes | None = None
    """What the sender wants to have with it."""


def decide_target(result: Result, mqtt: Mqtt, filters: Collection[str]) -> Target | None:
    """To the sender's response topic if it may be used, else to the route's topic if the route has one, else nowhere.

    `filters` are those that the bridge subscribes to.
    """
    asked = result.response_topic
    if asked is not None and decide_refusal(asked, mqtt.response_prefix, mqtt.base_topic, filters) is None:
        prefix = next(prefix for prefix in mqtt.response_prefix if is_below(asked, prefix))
        return Target(asked, prefix, result.correlation)
    topic = f"{mqtt.base_topic}/results/{result.route}"
    return Target(topic, topic) if result.by_route else None


def compose_result(result: Result, itop_address: str) -> bytes:
    """The JSON object: docs/results.md tells its keys."""
    return orjson.dumps(
        {
            "id": result.id,
            "alert_id": result.alert_id,
            "event_id": result.event_id,
            "index": result.index,
            "part": result.part,
            "route": result.route,
            "case": result.case,
            "outcome": result.outcome,
            "final": result.outcome != "dead",
            "action": result.action,
            "reason": result.reason,
            "incident_id": result.incident,
            "ref": result.ref,
            "link": link_object(itop_address, result.iclass, result.incident),
            "received": _show_time(result.received),
            "settled": _show_time(result.settled),
        }
    )


def _show_time(time: float | None) -> str | None:
    """UTC, ISO 8601, to the millisecond."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
