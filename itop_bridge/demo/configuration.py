"""The demo's configuration: a usual one, with waits of seconds where a site has minutes."""

import json
from pathlib import Path
from typing import Any

from itop_bridge.demo.broker import HOST

USER = "rest_sdsa"
"""The account with the rights that the bridge needs, and no more; in the stand-in for iTop its password is its name."""

_TEMPLATE = """\
# The configuration of `itop-bridge demo`. A site's waits are longer: see config/itop-bridge.yaml.
mqtt: {{host: {host}, port: {port}, protocol: 3.1.1, client_id: itop-bridge-demo}}
itop:
  address: {itop}
  user: {user}
  password: {{file: itop-password}}
  rate: 20/s
  timeout: 5s
  server_time_limit: 5s
journal: {{path: {journal}}}
console: {{listen: off}}
defaults:
  organization: "{{{{ topic.org }}}}"
  group_interval: 3s
  repeat_interval: 6s
  spacing: 1s
routes:
  - name: wazuh
    topic: siem/{{org}}/wazuh
    format: wazuh
    when: alert.severity >= 'medium'
    factory: incident-siem
    group_by: [rule, host]
    settings: {wazuh}
  - {{name: suricata, topic: "siem/{{org}}/suricata", format: suricata, factory: incident-siem, settings: {settings}}}
  - name: alertmanager
    topic: siem/{{org}}/alertmanager
    format: alertmanager
    factory: incident-siem
    settings: {settings}
  - {{name: generic, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem, settings: {settings}}}
"""


INSTALLS = {"Incident": "itil", "UserRequest": "simple"}
"""The classes that the demo can write, and the kind of iTop where a site has them."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "Incident": {},
    # an iTop without the class Incident has user requests of two types
    "UserRequest": {"class": "UserRequest", "fields": {"request_type": "incident"}},
}


def write_configuration(folder: Path, *, broker_port: int, itop_address: str, iclass: str = "Incident") -> Path:
    """Write the configuration and the password beside it; returns the path of the former."""
    password = folder / "itop-password"
    password.touch(mode=0o600)
    password.write_text(USER + "\n")
    path = folder / "itop-bridge.yaml"
    settings = _SETTINGS[iclass]
    path.write_text(
        _TEMPLATE.format(
            host=HOST,
            port=broker_port,
            itop=itop_address,
            user=USER,
            journal=json.dumps(str(folder / "journal.db")),  # what JSON writes, YAML reads
            settings=json.dumps(settings),
            wazuh=json.dumps({"team": "SOC", "service": "CSOC - Security Monitoring", **settings}),
        )
    )
    return path
