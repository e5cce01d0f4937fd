import datetime
import ipaddress
import json

from itop_bridge.demo.siem import alertmanager, encode, generic, suricata, wazuh

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.UTC)


def test_ids_of_wazuh_alerts_differ_and_the_agent_keeps_its_own():
    first, second = (
        wazuh(n, NOW, agent="web-01", title="t", level=12, source="203.0.113.7", user="root") for n in (1, 2)
    )
    assert first["id"] != second["id"]
    assert first["agent"] == second["agent"]
    assert first["timestamp"] == "2026-01-02T03:04:05.678+0000"


def test_a_resolved_alert_has_the_fingerprint_and_start_of_its_firing():
    alert = ({"alertname": "DiskFull"}, "full")
    firing = alertmanager([alert], NOW, resolved=None)["alerts"][0]
    resolved = alertmanager([alert], NOW, resolved=NOW + datetime.timedelta(minutes=1))["alerts"][0]
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert (firing["fingerprint"], firing["startsAt"]) == (resolved["fingerprint"], resolved["startsAt"])


def test_every_payload_is_json():
    for payload in (
        suricata(NOW, signature_id=1, title="t", severity="Major", source="192.0.2.1", destination="192.0.2.2"),
        generic(NOW, title="é"),
    ):
        assert json.loads(encode(payload)) == payload
    assert ipaddress.ip_address("192.0.2.1") in ipaddress.ip_network("192.0.2.0/24")
