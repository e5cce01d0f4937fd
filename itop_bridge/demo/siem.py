"""What SIEMs would send: payloads in the shapes that they publish. Written for the demo; every address is reserved for
documentation (RFC 5737)."""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def wazuh(
    number: int, moment: datetime.datetime, *, agent: str, title: str, level: int, source: str, user: str
) -> dict[str, Any]:
    """A line of Wazuh's alerts.json. `number` makes the alert's id its own."""
    agent_id = f"{int(hashlib.sha256(agent.encode()).hexdigest(), 16) % 900 + 100}"
    return {
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000",
        "id": f"{int(moment.timestamp())}.{number}",
        "rule": {
            "id": str(100_200 + level),
            "level": level,
            "description": title,
            "groups": ["local", "authentication_failed"],
            "mitre": {"id": ["T1110"], "tactic": ["Credential Access"], "technique": ["Brute Force"]},
            "firedtimes": number,
        },
        "agent": {"id": agent_id, "name": agent, "ip": "192.0.2.10"},
        "manager": {"name": "wazuh-demo"},
        "decoder": {"name": "sshd"},
        "data": {"srcip": source, "srcuser": user},
        "location": "/var/log/auth.log",
        "full_log": f"{agent} sshd[{2000 + number}]: Failed password for {user} from {source} port 51022 ssh2",
    }


def suricata(
    moment: datetime.datetime, *, signature_id: int, title: str, severity: str, source: str, destination: str
) -> dict[str, Any]:
    """A line of Suricata's eve.json."""
    return {
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "flow_id": 1_000_000_000_000 + signature_id,
        "in_iface": "eth1",
        "event_type": "alert",
        "src_ip": source,
        "src_port": 44_321,
        "dest_ip": destination,
        "dest_port": 443,
        "proto": "TCP",
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": signature_id,
            "rev": 2,
            "signature": title,
            "category": "Malware Command and Control Activity Detected",
            "severity": 1,
            "metadata": {"signature_severity": [severity]},
        },
        "app_proto": "tls",
    }


def alertmanager(
    alerts: Sequence[tuple[Mapping[str, str], str]], started: datetime.datetime, *, resolved: datetime.datetime | None
) -> dict[str, Any]:
    """Alertmanager's webhook, version 4, of `alerts` (labels, summary): resolved at a time, or firing."""
    status = "resolved" if resolved else "firing"
    ends = resolved.isoformat() if resolved else "0001-01-01T00:00:00Z"
    return {
        "version": "4",
        "receiver": "itop-bridge",
        "status": status,
        "groupKey": '{}:{team="ops"}',
        "truncatedAlerts": 0,
        "groupLabels": {"team": "ops"},
        "commonLabels": {"team": "ops"},
        "commonAnnotations": {},
        "externalURL": "https://alertmanager.example",
        "alerts": [
            {
                "status": status,
                "labels": {**labels, "team": "ops"},
                "annotations": {"summary": summary},
                "startsAt": started.isoformat(),
                "endsAt": ends,
                "generatorURL": "https://prometheus.example/graph",
                "fingerprint": _fingerprint(labels),
            }
            for labels, summary in alerts
        ],
    }


def generic(moment: datetime.datetime, **fields: str) -> dict[str, Any]:
    """A flat object, as home-made senders write it."""
    return {**fields, "time": moment.isoformat()}


def encode(payload: Mapping[str, Any]) -> bytes:
    """The payload as it is sent."""
    return json.dumps(payload, ensure_ascii=False).encode()


def _fingerprint(labels: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]
