"""What a SIEM says: severities, states, and the alert, normalised. Frozen values, no I/O."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class Severity(enum.IntEnum):
    """How bad an alert is, in OCSF's words; ordered."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> "Severity":
        """The severity of a name, as the configuration writes it. Raises ValueError, naming the choices."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            choices = ", ".join(str(member) for member in cls)
            raise ValueError(f"{word!r} is no severity; the severities are {choices}") from None


class State(enum.StrEnum):
    """Alertmanager's two states of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Event:
    """One MQTT message as it was received; nothing in it is trusted or looked into before it is journaled."""

    id: int
    topic: bytes
    payload: bytes
    received: float
    """Seconds since the epoch, of this machine's clock."""
    size: int = -1
    """Bytes of the payload as sent; more than `len(payload)` when only its head was kept (over `mqtt.max_payload`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One element of an event, normalised. Identified by (event_id, index)."""

    event_id: int
    index: int
    format: str
    id: str | None
    """The alert's id at its vendor, unique within its source; None where the format has none."""
    title: str
    """One line, at most 255 characters, never empty."""
    severity: Severity
    state: State
    one_shot: bool
    """True for formats without states: the alert never resolves."""
    time: datetime | None
    """When the alert was raised, aware UTC; None if the payload does not say."""
    received: datetime
    """When the event arrived, aware UTC."""
    description: str | None = None
    host: str | None = None
    user: str | None = None
    source: str | None = None
    """Source address: one IP address, canonical, no port."""
    destination: str | None = None
    rule: str | None = None
    link: str | None = None
    tenant: str | None = None
    """What the payload says; it never overrides the topic's organisation."""
    observables: Mapping[str, tuple[str, ...]]
    """Further facts by name, e.g. `mitre`: ("T1565.001",)."""
    notes: tuple[str, ...]
    """What could not be read as it should (`severity_unknown`, `time_zone_assumed`, …)."""
    content_hash: str
    """Of the element as sent: tells a repeat from an update."""
    raw: Any
    """The element as decoded."""
