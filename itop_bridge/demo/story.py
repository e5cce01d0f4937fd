"""What the demo sends, and what has to become of it."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from itop_bridge.demo.siem import alertmanager, encode, generic, suricata, wazuh

RESOLVED = "disk full"
"""The incident that a resolve ends."""

ATTACK = "<script>alert('owned')</script> {{ 7 * 7 }} ' OR 1=1 -- \x1b[31mred"
"""HTML, a template, OQL and a terminal's escape: all of it has to stay text."""

_STORM = (  # host, level, address, title
    ("web-01", 12, "203.0.113.7", "SSH: many failed logins from one address"),
    ("web-02", 12, "203.0.113.7", "SSH: many failed logins from one address"),
    ("db-01", 15, "203.0.113.66", "SSH: login after many failures"),
    ("mail-01", 10, "198.51.100.23", "SMTP: password guessing"),
    ("vpn-01", 8, "198.51.100.99", "VPN: repeated wrong one-time codes"),
)
_USERS = ("root", "admin", "oracle", "backup", "jenkins", "git", "postgres", "deploy")
_DISK = ({"alertname": "DiskFull", "severity": "warning", "instance": "files-01:9100"}, "/srv is 96 % full")
_LINK = ({"alertname": "LinkDown", "severity": "critical", "instance": "gw-02:9100"}, "The uplink of gw-02 is down")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one alert of a message."""

    kind: Literal["incident", "dropped", "dead", "pending"]
    name: str
    """Of the incident; else the reason."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.name})"


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message, and the fate that each of its alerts has to meet."""

    topic: str
    payload: bytes
    fates: tuple[Fate, ...]


def opening(now: datetime.datetime) -> Iterator[Message]:
    """One of each kind: several SIEMs, a repeat, a harmless one, a hostile one, and one that is no alert at all."""
    trojan = encode(
        suricata(
            now,
            signature_id=9_000_001,
            title="Beacon to a known control server",
            severity="Critical",
            source="192.0.2.44",
            destination="198.51.100.5",
        )
    )
    yield Message("siem/EXC/suricata", trojan, (Fate("incident", "beacon"),))
    yield Message("siem/EXC/suricata", trojan, (Fate("dropped", "repeat"),))
    harmless = wazuh(0, now, agent="web-01", title="Login at night", level=3, source="192.0.2.9", user="alice")
    yield Message("siem/EXC/wazuh", encode(harmless), (Fate("dropped", "filtered"),))
    firing = encode(alertmanager((_DISK, _LINK), now, resolved=None))
    yield Message("siem/OTH/alertmanager", firing, (Fate("incident", RESOLVED), Fate("incident", "link down")))
    badge = generic(now, id="door-17", title="Badge used in two places at once", severity="high", host="door-17")
    yield Message("siem/OTH/generic", encode(badge), (Fate("incident", "badge"),))
    hostile = generic(now, id="hostile-1", title=ATTACK, severity="medium", host="kiosk-03", user="{{ config }}")
    yield Message("siem/EXC/generic", encode(hostile), (Fate("incident", "hostile"),))
    yield Message("siem/EXC/generic", b"<133>this is syslog, not JSON", (Fate("dead", "invalid_json"),))


def storm(count: int, now: datetime.datetime) -> Iterator[Message]:
    """`count` alerts of five cases, in turn, each with an id of its own."""
    for number in range(1, count + 1):
        host, level, source, title = _STORM[number % len(_STORM)]
        alert = wazuh(
            number,
            now + datetime.timedelta(milliseconds=number),
            agent=host,
            title=title,
            level=level,
            source=source,
            user=_USERS[number // len(_STORM) % len(_USERS)],
        )
        yield Message("siem/EXC/wazuh", encode(alert), (Fate("incident", f"storm on {host}"),))


def resolution(started: datetime.datetime, now: datetime.datetime) -> Message:
    """What was firing since `started` is over."""
    over = encode(alertmanager((_DISK,), started, resolved=now))
    return Message("siem/OTH/alertmanager", over, (Fate("incident", RESOLVED),))
