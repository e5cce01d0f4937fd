"""What a sample came to as one JSON object: for programs, and what `--expect` compares with. Pure.

| key       |                                                                             |
|-----------|-----------------------------------------------------------------------------|
| `outcome` | `alerts` if there is any, else `dead_letter` if there is any, else `dropped` |
| `reason`  | of the first element with that outcome; null with alerts                     |
| `alerts`  | one for each alert, and for each route that took it                          |
| `others`  | what became no alert, only where the sample comes to several outcomes        |
"""

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from itop_bridge.alert import Alert
from itop_bridge.journal.landing import Landing, Owed
from itop_bridge.outcome import Rejected
from itop_bridge.triage.recognition import AUTO
from itop_bridge.trial.trial import Tried, Try

_FACTS = ("id", "title", "severity", "state", "time", "host", "user", "source", "destination", "rule", "link", "tenant")


def summarise(tried: Tried) -> dict[str, Any]:
    """The object, with `others` only where it holds more than one outcome."""
    alerts = [alert for each in tried.tries for alert in _list_alerts(each)]
    others = [other for each in tried.tries for other in _list_others(each)]
    leading = min(others, key=lambda other: other["outcome"] != "dead_letter", default=None)
    told = leading if leading and not alerts else {"outcome": "alerts", "reason": None}
    summary: dict[str, Any] = {
        "file": tried.file,
        "format": name_format(tried),
        "outcome": told["outcome"],
        "reason": told["reason"],
        "alerts": alerts,
    }
    return {**summary, "others": others} if others and len(alerts) + len(others) > 1 else summary


def name_format(tried: Tried) -> str | None:
    """The format of the elements; `auto` if they have several, None if none was recognised."""
    names = {each.read.format for each in tried.tries} - {None}
    return names.pop() if len(names) == 1 else AUTO if names else None


def key_of(landing: Landing) -> str | None:
    """The case's key as text; None if the alert asks for nothing."""
    return landing.intents[0].case_key if landing.intents else None


def is_weak(landing: Landing) -> bool:
    """Whether the alert's content stands for the case's key."""
    return any("case_key_weak" in orjson.loads(owed.facts)["notes"] for owed in landing.intents[:1])


def list_facts(alert: Alert) -> dict[str, Any]:
    """The alert, normalised: texts, a time as ISO 8601 in UTC, None for what is absent."""
    return {name: _write(getattr(alert, name)) for name in _FACTS}


def _write(value: Any) -> str | None:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    return None if value is None else str(value)


def _list_alerts(tried: Try) -> Iterator[dict[str, Any]]:
    if tried.alert is None:
        return
    if not tried.endings:
        yield {**list_facts(tried.alert), "case_key": write_key(tried.group), "route": None, "intents": []}
    for landing in tried.landings:
        yield {
            **list_facts(tried.alert),
            "case_key": key_of(landing),
            "route": landing.route,
            "intents": [_write_intent(owed) for owed in landing.intents],
        }


def write_key(values: Sequence[str]) -> str:
    """A key as `Case.key` writes it."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


def _write_intent(owed: Owed) -> dict[str, Any]:
    return {"intent": owed.kind, **({"impact": owed.impact, "urgency": owed.urgency} if owed.kind == "create" else {})}


def _list_others(tried: Try) -> Iterator[dict[str, Any]]:
    for ending in tried.endings:
        if isinstance(ending, Landing):
            continue
        yield {
            "index": tried.index,
            "outcome": "dead_letter" if isinstance(ending, Rejected) else "dropped",
            "reason": ending.reason,
            "detail": ending.detail or None,
        }
