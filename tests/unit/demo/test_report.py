from collections import Counter

from itop_bridge.demo.ledger import DeadLetter, Entry, Ledger, Write
from itop_bridge.demo.report import render_incidents, render_totals
from itop_bridge.demo.story import Fate

LEDGER = Ledger(
    entries=(
        Entry("siem/EXC/wazuh", b"1", (Fate("incident", "I-1"), Fate("incident", "I-2"))),
        Entry("siem/EXC/wazuh", b"2", (Fate("incident", "I-1"),)),
        Entry("siem/EXC/wazuh", b"2", (Fate("dropped", "repeat"),)),
        Entry("siem/EXC/wazuh", b"\xff", (Fate("dead", "invalid_json"),)),
    ),
    writes=(Write("I-1", "a", 2), Write("I-2", "b", 1)),
    dead_letters=(DeadLetter("siem/EXC/wazuh", b"\xff", "invalid_json", "not JSON"),),
)
TICKETS = [
    {"ref": "I-1", "title": "[SIEM-0123456789ab] <b>", "organization": "EXC", "status": "new", "priority": "1",
     "public_log": [{}, {}]},
    {"ref": "I-2", "title": "other", "organization": "OTH", "status": "resolved", "priority": "4", "public_log": [{}]},
]  # fmt: skip


def plain(_code):
    return lambda text: text


def test_the_table_counts_the_alerts_of_each_incident():
    assert render_incidents(TICKETS, LEDGER, width=80, paint=plain) == [
        "Incident  Title  Org  Status    Priority  Alerts  Log",
        "I-1       <b>    EXC  new       critical       2    2",
        "I-2       other  OTH  resolved  low            1    1",
    ]


def test_totals_account_for_every_alert_and_every_call():
    lines = list(render_totals(LEDGER, Counter({"core/get": 3, "core/create": 2})))
    assert [line.strip() for line in lines] == [
        "In     5 alerts in 4 MQTT messages",
        "3 are in 2 incidents, by 2 writes",
        "1 dropped: 1 repeat",
        "1 kept for a person, as dead letters: 1 invalid_json",
        "siem/EXC/wazuh: \ufffd",
        "not JSON",
        "Out    5 calls to iTop, 1.000 for an alert:",
        "3 core/get, 2 core/create",
    ]
