import json

import pytest

from itop_bridge.trial.sample import Sample
from itop_bridge.trial.site import load_site

HEAD = """\
mqtt: {host: broker.example, username: u, password: {file: not-there}, tls: {ca_file: not-there.pem}}
itop: {address: "https://itop.example", user: u, password: {env: NOT_THERE}}
defaults: {organization: "{{ topic.org }}"}
routes:
"""
ROUTES = """\
  - {name: severe, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'high', factory: incident-siem}
  - {name: minor, topic: "siem/{org}/generic", format: generic, when: alert.severity >= 'medium',
     factory: incident-siem, settings: {create_from: high, team: SOC}}
  - {name: wazuh, topic: "siem/{org}/wazuh", format: wazuh, factory: incident-siem}
"""
NOW = 1_790_000_000.0


@pytest.fixture
def site_of(tmp_path):
    """The site of some routes, whose secrets and certificates are not there."""

    def load(routes=ROUTES, format_name="auto"):
        path = tmp_path / "bridge.yaml"
        path.write_text(HEAD + routes)
        return load_site(path, format_name)

    return load


@pytest.fixture
def sample_of():
    """A sample of one generic alert with some changes, or of a payload."""

    def make(payload=None, **changes):
        alert = {"id": "a1", "title": "Disk full", "severity": "high", "state": "firing", "host": "db1"}
        alert |= {"rule": "disk", "time": "2026-01-31T12:00:00Z", **changes}
        content = json.dumps(alert if payload is None else payload).encode()
        return Sample("alert.json", payload if isinstance(payload, bytes) else content)

    return make
