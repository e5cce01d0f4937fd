"""Response topics: a sender chooses where its results go, within what the configuration allows. Pure."""

from collections.abc import Collection, Sequence
from typing import Literal

from itop_bridge.settings.topic import overlap

Refusal = Literal["malformed", "reserved", "own", "not_allowed", "subscribed"]
"""Why a response topic is not used."""

_MOST_BYTES = 65_535
_MOST_LEVELS = 64
"""Brokers have a bound of their own (mosquitto 200, EMQX 128), and hang up on who goes beyond."""


def decide_refusal(topic: str, prefixes: Sequence[str], base_topic: str, filters: Collection[str]) -> Refusal | None:
    """Why nothing may be published to a topic that a sender asks for; None if it may.

    `filters` are those that the bridge subscribes to: it would read its own results as alerts.
    """
    if not _is_topic(topic):
        return "malformed"
    if topic.startswith("$"):
        return "reserved"
    if is_below(topic, base_topic):
        return "own"
    if not any(topic.startswith(f"{prefix}/") for prefix in prefixes):
        return "not_allowed"
    return "subscribed" if any(overlap(topic, filter_) for filter_ in filters) else None


def is_below(topic: str, parent: str) -> bool:
    """Whether a topic is `parent`, or below it."""
    return topic == parent or topic.startswith(f"{parent}/")


def _is_topic(text: str) -> bool:
    """What a broker takes as the name of a topic: no wildcards and no controls (MQTT 5, sections 4.7 and 1.5.4)."""
    if not text or text.count("/") >= _MOST_LEVELS:
        return False
    if any(letter in "+#" or letter < " " or "\x7f" <= letter < "\xa0" for letter in text):
        return False
    try:
        return len(text.encode()) <= _MOST_BYTES
    except UnicodeEncodeError:
        return False
