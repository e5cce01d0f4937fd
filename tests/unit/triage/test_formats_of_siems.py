"""Rules of single formats that their own examples do not show. Payloads are written for these tests."""

import copy
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import orjson
import pytest

from itop_bridge.alert import Alert, Event, Severity, State
from itop_bridge.bundled import bundled_folder
from itop_bridge.outcome import Dropped
from itop_bridge.triage.example import find_differences
from itop_bridge.triage.format import load_format

NAMES = (
    *("elastic", "elastalert2", "splunk-webhook", "splunk-es-notable"),
    *("qradar", "defender-graph", "sentinel", "grafana"),
)
FOLDER = bundled_folder("config") / "formats"
FORMATS = {name: load_format(FOLDER / f"{name}.yaml") for name in NAMES}
ODD = (None, "", " - ", "n/a", True, -1, 0.5, 10**18, "x" * 3_000, "\0\u202e\ud7ff", [], [None, ["x"]], {}, {"a": {}})


def read(name, payload):
    content = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    event = Event(1, b"siem/exc/x", content, 1_772_452_800.0)
    return list(FORMATS[name].read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM))


def read_one(name, payload):
    (element,) = read(name, payload)
    return element


def severity_of(name, payload):
    """The severity; None if it is unknown."""
    alert = read_one(name, payload)
    return None if "severity_unknown" in alert.notes else str(alert.severity)


def case_of(name, payload):
    return FORMATS[name].case_fields(read_one(name, payload))


@pytest.mark.parametrize("name", NAMES)
def test_every_example_comes_true(name):
    examples = FORMATS[name].examples
    assert len(examples) >= 4
    assert [text for example in examples for text in find_differences(example, FORMATS[name])] == []


def change_each_value(value, odd) -> Iterator:
    """The value with each of its parts, one at a time, replaced."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            for changed in change_each_value(value[key], odd):
                whole = copy.copy(value)
                whole[key] = changed
                yield whole
    yield odd


@pytest.mark.parametrize("name", NAMES)
def test_no_odd_value_in_any_place_is_a_fault_of_ours(name):
    """Each becomes an alert, a drop, or a dead letter for its shape: never one for a fault in the mapping."""
    fine = {"alert", "dropped", "unrecognised_shape", "not_an_object"}
    payloads = [orjson.loads(example.payload) for example in FORMATS[name].examples if example.payload.count(b"\n") < 2]
    found = {
        "alert" if isinstance(element, Alert) else "dropped" if isinstance(element, Dropped) else element.reason
        for payload in payloads
        for odd in ODD
        for changed in change_each_value(payload, odd)
        for element in read(name, changed)
    }
    assert "alert" in found
    assert found <= fine


@pytest.mark.parametrize("name", [name for name in NAMES if name != "elastalert2"])
def test_what_is_not_of_a_format_is_not_guessed(name):
    (one, two) = read(name, [{"title": "something else", "state": "firing"}, 5])
    assert (one.reason, two.reason) == ("unrecognised_shape", "not_an_object")
    assert name in one.detail


# severities


@pytest.mark.parametrize(
    ("name", "raw", "severity"),
    [
        ("elastic", {"kibana.alert.severity": "Critical"}, "critical"),
        ("elastic", {"kibana.alert.severity": "urgent", "kibana.alert.risk_score": 48}, "high"),
        ("elastic", {"kibana.alert.risk_score": 21}, "low"),
        ("elastic", {"kibana.alert.risk_score": 22}, "medium"),
        ("elastic", {"kibana.alert.risk_score": "73"}, "high"),
        ("elastic", {"kibana.alert.risk_score": [74.9]}, "critical"),
        ("elastic", {"kibana.alert.risk_score": 101}, None),
        ("elastic", {"signal": {"rule": {"risk_score": 47}}}, "medium"),
        ("elastalert2", {"severity": "page"}, "critical"),
        ("elastalert2", {"alert": {"severity": 1}, "level": "high"}, None),
        ("splunk-webhook", {"sid": "s", "result": {"severity": "Very_High"}}, "critical"),
        ("splunk-webhook", {"sid": "s", "severity": "high", "result": {}}, None),
        ("splunk-es-notable", {"urgency": "Informational"}, "informational"),
        ("splunk-es-notable", {"urgency": "unknown", "severity": "high"}, "high"),
        ("qradar", {"id": 1, "magnitude": 0}, "low"),
        ("qradar", {"id": 1, "magnitude": 6.9}, "medium"),
        ("qradar", {"id": 1, "magnitude": "7"}, "high"),
        ("qradar", {"id": 1, "magnitude": 10}, "critical"),
        ("qradar", {"id": 1, "magnitude": -1, "severity": 9}, "critical"),
        ("defender-graph", {"id": 1, "createdDateTime": "", "severity": "HIGH"}, "high"),
        ("defender-graph", {"id": 1, "createdDateTime": "", "severity": "unknown"}, None),
        ("sentinel", {"IncidentName": "x", "Severity": "Informational"}, "informational"),
        ("sentinel", {"IncidentName": "x", "Severity": ""}, None),
        ("grafana", {"labels": {"severity": "MAJOR"}}, "high"),
        ("grafana", {"labels": {}, "annotations": {"severity": "high"}}, None),
        ("grafana", {"ruleId": 1, "state": "alerting", "tags": {"severity": "disaster"}}, "critical"),
    ],
)
def test_severities(name, raw, severity):
    assert severity_of(name, raw) == severity


# states


@pytest.mark.parametrize(
    ("name", "raw", "resolved"),
    [
        ("elastic", {"kibana.alert.workflow_status": ["closed"], "kibana.alert.status": "active"}, True),
        ("elastic", {"kibana.alert.workflow_status": "acknowledged", "kibana.alert.status": "active"}, False),
        ("elastic", {"kibana": {"alert": {"workflow_status": "open", "status": "recovered"}}}, True),
        ("elastic", {"signal": {"status": "Closed"}}, True),
        ("elastic", {"signal": {"status": "open"}}, False),
        ("splunk-es-notable", {"event_id": "e", "status": 5}, True),
        ("splunk-es-notable", {"event_id": "e", "status": "3", "status_label": "Pending"}, False),
        ("splunk-es-notable", {"event_id": "e", "status": "2", "status_end": "TRUE"}, True),
        ("splunk-es-notable", {"event_id": "e", "status_label": "resolved"}, True),
        ("qradar", {"id": 1, "magnitude": 1, "status": "OPEN", "inactive": True}, False),
        ("qradar", {"id": 1, "magnitude": 1, "status": "CLOSED", "inactive": False}, True),
        ("defender-graph", {"id": 1, "severity": "low", "createdDateTime": "", "status": "Resolved"}, True),
        ("defender-graph", {"id": 1, "severity": "low", "createdDateTime": "", "status": "unknown"}, False),
        ("sentinel", {"properties": {"status": "Closed"}}, True),
        ("sentinel", {"properties": {"status": "Active", "classification": "FalsePositive"}}, False),
        ("grafana", {"labels": {}, "status": "firing", "endsAt": "2026-01-01T00:00:00Z"}, False),
        ("grafana", {"ruleName": "r", "state": "OK"}, True),
        ("grafana", {"ruleName": "r", "state": "no_data"}, False),
    ],
)
def test_states(name, raw, resolved):
    alert = read_one(name, raw)
    assert (alert.state is State.RESOLVED, alert.one_shot) == (resolved, False)


@pytest.mark.parametrize("name", ["elastalert2", "splunk-webhook"])
def test_formats_without_states_are_one_shot(name):
    alert = read_one(name, {"sid": "s", "status": "resolved", "state": "closed"})
    assert (alert.state, alert.one_shot) == (State.FIRING, True)


def test_a_group_of_grafana_speaks_for_alerts_without_a_status():
    group = {"status": "resolved", "alerts": [{"labels": {}}, {"labels": {}, "status": "firing"}]}
    assert [alert.state for alert in read("grafana", group)] == [State.RESOLVED, State.FIRING]


# elastic


@pytest.mark.parametrize("document", [{"kibana.alert.x": 1}, {"kibana": {"alert.x": 1}}, {"kibana": {"alert": {}}}])
def test_elastics_alerts_are_recognised_dotted_nested_or_mixed(document):
    assert read_one("elastic", document).title == "Elastic alert"


@pytest.mark.parametrize("document", [{"kibana.alerts": 1}, {"kibana": {"version": "8"}}, {"kibana.alert": "x"}])
def test_what_only_looks_like_elastic_is_not(document):
    assert read_one("elastic", document).reason == "unrecognised_shape"


@pytest.mark.parametrize(
    "block",
    [
        {"kibana.alert.building_block_type": ["default"]},
        {"kibana": {"alert": {"building_block_type": "default"}}},
        {"signal": {"rule": {"building_block_type": "default"}}},
    ],
)
def test_elastics_building_blocks_are_dropped(block):
    assert read_one("elastic", block) == Dropped("building_block")


def test_an_alert_without_a_type_of_building_block_is_kept():
    assert isinstance(read_one("elastic", {"kibana.alert.building_block_type": None}), Alert)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule_id": "stable", "uuid": "u", "parameters": {"rule_id": "p"}}, "stable"),
        ({"uuid": "u", "parameters": {"rule_id": "p"}}, "p"),
        ({"uuid": "u"}, "u"),
    ],
)
def test_elastics_stable_rule_id_comes_first(rule, expected):
    assert read_one("elastic", {"kibana.alert.rule": rule}).rule == expected


def test_a_single_hit_is_opened_and_gives_its_id():
    hit = {"_index": "i", "_id": "h1", "_source": {"signal": {"rule": {"name": "N", "id": "r"}}}}
    for payload in (hit, [hit], {"hits": {"hits": [hit]}}, {"type": "doc", "value": hit}, {"value": [hit]}):
        alert = read_one("elastic", payload)
        assert (alert.id, alert.title, alert.rule) == ("h1", "N", "r")


def test_elastics_own_id_counts_before_that_of_the_hit():
    assert read_one("elastic", {"_id": "h", "_source": {"kibana.alert.uuid": "u"}}).id == "u"


def test_elastics_techniques_are_collected():
    threat = [
        {"tactic": {"id": "TA0001"}, "technique": [{"id": "T1"}, {"id": "T2", "subtechnique": [{"id": "T2.001"}]}]},
        {"tactic": {"id": "TA0002"}},
    ]
    for document in ({"kibana.alert.rule.threat": threat}, {"kibana.alert.rule.parameters": {"threat": threat}}):
        observables = read_one("elastic", document).observables
        assert observables["mitre"] == ("T1", "T2")
        assert observables["tactics"] == ("TA0001", "TA0002")
        assert observables["subtechniques"] == ("T2.001",)


def test_nested_alerts_of_a_rule_action_one_after_the_other():
    one = {"kibana": {"alert": {"uuid": "1"}}, "event": {"kind": "signal"}, "event.kind": "signal"}
    payload = orjson.dumps(one) + b"\n" + orjson.dumps({"kibana": {"alert": {"uuid": "2"}}}) + b"\n"
    assert [alert.id for alert in read("elastic", payload)] == ["1", "2"]


# elastalert2


def test_elastalerts_related_events_and_wrappers_are_not_split():
    alert = read_one("elastalert2", {"rule_name": "R", "alerts": [{}, {}], "related_events": [{}, {}]})
    assert alert.title == "R"


def test_the_same_flatline_of_two_keys_is_two_cases():
    one, two = ({"rule_name": "No logs", "key": key} for key in ("a", "b"))
    assert case_of("elastalert2", one) == (("No logs", "", "", "a"), False)
    assert case_of("elastalert2", one) != case_of("elastalert2", two)


# splunk


def test_a_search_without_a_name_and_host_has_a_weak_case():
    alert = read_one("splunk-webhook", {"sid": "s-1", "result": {"count": "3"}})
    assert FORMATS["splunk-webhook"].case_fields(alert) == ((alert.content_hash,), True)


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ({"dest_nt_host": "A", "dest_dns": "b", "dest": "c"}, "A"),
        ({"dest_nt_host": "", "dest_dns": "b.example.com:443"}, "b.example.com"),
        ({"dest": ["-", "192.0.2.1"]}, "192.0.2.1"),
        ({"dvc_host": "fw", "dvc": "192.0.2.2"}, "fw"),
        ({"host": "search-head"}, None),
    ],
)
def test_the_host_of_a_notable_is_the_victim(raw, host):
    assert read_one("splunk-es-notable", {"event_id": "e", **raw}).host == host


def test_a_name_in_dest_is_no_address():
    alert = read_one("splunk-es-notable", {"event_id": "e", "dest_ip": "ws-1", "dest": "192.0.2.4:445"})
    assert alert.destination == "192.0.2.4"
    assert "address_invalid" in alert.notes


# qradar


@pytest.mark.parametrize(
    ("kind", "source", "found"),
    [
        (0, "192.0.2.1", {"source": "192.0.2.1"}),
        ("10", "2001:db8::1", {"source": "2001:db8::1"}),
        (1, "192.0.2.1", {"destination": "192.0.2.1"}),
        (11, "2001:db8::1", {"destination": "2001:db8::1"}),
        (3, "ann", {"user": "ann"}),
        (7, "WS-1", {"host": "WS-1"}),
        ("Source IP", "192.0.2.1", {"source": "192.0.2.1"}),
        ("Hostname", "WS-1", {"host": "WS-1"}),
        ("Username", "ann", {"user": "ann"}),
        (2, "Firewall Deny", {}),
        (14, "100205", {}),
        (52, "x", {}),
        (None, "192.0.2.1", {}),
    ],
)
def test_what_an_offense_is_about_depends_on_its_type(kind, source, found):
    alert = read_one("qradar", {"id": 1, "offense_source": source, "offense_type": kind})
    names = ("source", "destination", "user", "host")
    assert {name: value for name in names if (value := getattr(alert, name)) is not None} == found


def test_an_offenses_link_needs_the_routes_console():
    event = Event(1, b"t", b'{"id": 16, "magnitude": 3}', 1_772_452_800.0)
    settings = {"timezone": ZoneInfo("UTC"), "unknown_severity": Severity.MEDIUM}
    for url in ("https://qradar.example.com", "https://qradar.example.com/"):
        (alert,) = FORMATS["qradar"].read(event, **settings, console_url=url)
        assert alert.link == (
            "https://qradar.example.com/console/do/sem/offensesummary?appName=Sem&pageId=OffenseSummary&summaryId=16"
        )
    (alert,) = FORMATS["qradar"].read(event, **settings)
    assert alert.link is None


def test_an_offense_that_is_hidden_is_dropped():
    assert read_one("qradar", {"id": 1, "magnitude": 3, "status": "HIDDEN"}) == Dropped("hidden")


def test_an_offenses_id_keeps_its_digits():
    assert read_one("qradar", {"id": 9_007_199_254_740_993, "magnitude": 3}).id == "9007199254740993"


# defender-graph

DEFENDER = {"id": "a", "severity": "low", "createdDateTime": "2026-01-22T03:39:21Z"}


def evidence(kind, **more):
    return {"@odata.type": f"#microsoft.graph.security.{kind}Evidence", **more}


@pytest.mark.parametrize(
    ("parts", "user"),
    [
        (
            [
                evidence("process", userAccount={"userPrincipalName": "p@example.com"}),
                evidence("user", userAccount={"userPrincipalName": "", "accountName": "ann"}),
            ],
            "ann",
        ),
        ([evidence("ip"), evidence("process", userAccount={"accountName": "root"})], "root"),
        ([evidence("device"), "rubbish", None], None),
    ],
)
def test_the_user_of_a_defender_alert_is_that_of_user_evidence_first(parts, user):
    assert read_one("defender-graph", {**DEFENDER, "evidence": parts, "assignedTo": "analyst"}).user == user


def test_a_defender_alert_has_no_destination_in_version_2():
    alert = read_one("defender-graph", {**DEFENDER, "evidence": [evidence("ip", ipAddress="192.0.2.1")] * 2})
    assert (alert.source, alert.destination) == ("192.0.2.1", None)


# sentinel


@pytest.mark.parametrize(
    ("ids", "rule"),
    [
        (["/subscriptions/s/alertRules/one", "/subscriptions/s/alertRules/two"], "one"),
        ('["/subscriptions/s/alertRules/one"]', "one"),
        ('["\\/subscriptions\\/s\\/alertRules\\/one", "x"]', "one"),
        ("/subscriptions/s/alertRules/one", "one"),
        (["one"], "one"),
        ("one", "one"),
        ("[]", None),
        ([], None),
        ("", None),
        ({"a": "b"}, None),
    ],
)
def test_sentinels_rule_is_the_last_part_of_the_first_path(ids, rule):
    assert read_one("sentinel", {"IncidentName": "x", "RelatedAnalyticRuleIds": ids}).rule == rule


def test_the_id_of_a_logic_apps_message_is_the_incidents():
    body = {"id": "message", "name": "run", "object": {"id": "arm", "properties": {"title": "T"}}}
    alert = read_one("sentinel", body)
    assert (alert.id, alert.title, alert.tenant) == ("arm", "T", None)


# grafana


def test_grafanas_pause_and_test_concern_only_its_own_messages():
    assert read_one("grafana", {"state": "paused", "ruleName": "x"}) == Dropped("paused")
    assert read_one("grafana", {"state": "paused"}).reason == "unrecognised_shape"


def test_grafanas_links_are_only_those_of_the_alert():
    alert = {"labels": {"alertname": "A"}, "generatorURL": "?orgId=1"}
    assert read_one("grafana", {"alerts": [alert], "externalURL": "https://grafana.example.com/"}).link is None


def test_a_legacy_rule_without_an_id_is_told_apart_by_its_name():
    assert case_of("grafana", {"state": "alerting", "ruleName": "R"}) == (("R",), False)
