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

NAMES = ("ossec", "graylog", "ocsf", "crowdstrike", "zeek", "fortisiem", "thehive", "hayabusa")
SHARED = ("wazuh", "suricata", "alertmanager", "generic")
FOLDER = bundled_folder("config") / "formats"
FORMATS = {name: load_format(FOLDER / f"{name}.yaml") for name in (*NAMES, *SHARED)}
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


@pytest.mark.parametrize("name", [*NAMES, *SHARED])
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


@pytest.mark.parametrize("name", [name for name in (*NAMES, *SHARED) if name != "fortisiem"])
def test_no_odd_value_in_any_place_is_a_fault_of_ours(name):
    """Each becomes an alert, a drop, or a dead letter for its shape: never one for a fault in the mapping."""
    reasons = set()
    for example in FORMATS[name].examples:
        try:
            payload = orjson.loads(example.payload)
        except orjson.JSONDecodeError:
            continue
        for odd in ODD:
            for changed in change_each_value(payload, odd):
                reasons |= {getattr(element, "reason", "alert") for element in read(name, changed)}
    assert "alert" in reasons
    known = {"unrecognised_shape", "not_an_object", "empty_batch", "test_notification", "not_an_alert", "no_finding"}
    assert reasons - known == {"alert"}


@pytest.mark.parametrize("name", [name for name in (*NAMES, *SHARED) if name not in {"fortisiem", "generic"}])
def test_wrappers_and_arrays_are_opened_and_what_is_unknown_stays_a_letter(name):
    alert = next(
        orjson.loads(example.payload)
        for example in FORMATS[name].examples
        if len(example.expect) == 1 and example.expect[0].get("outcome") is None
    )
    alone = [element.content_hash for element in read(name, alert)]
    assert [element.content_hash for element in read(name, [alert])] == alone
    if name == "alertmanager":  # its own shape is a wrapper
        return
    for wrapper in ({"value": [alert]}, {"results": [alert]}, {"alerts": [alert]}, {"hits": {"hits": [alert]}}):
        assert [element.content_hash for element in read(name, wrapper)] == alone
    other = read(name, {"value": [{"unheard": "of"}, 5]})
    assert [element.reason for element in other] == ["unrecognised_shape", "not_an_object"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [(0, "low"), (6, "low"), (7, "medium"), (11, "medium"), (12, "high"), (14, "high"), (15, "critical"), (17, None)],
)
def test_ossecs_levels_are_wazuhs_classes(level, severity):
    assert severity_of("ossec", {"rule": {"level": level}}) == severity
    assert severity_of("ossec", {"sidid": 1, "level": str(level)}) == severity


def test_ossecs_times_differ_in_case_only():
    raw = {"rule": {}, "timestamp": "2026 Jan 31 13:00:00"}
    assert read_one("ossec", raw).notes == ("severity_unknown", "time_zone_assumed")
    alert = read_one("ossec", {**raw, "TimeStamp": 1_769_860_800_000})
    assert f"{alert.time:%H:%M}" == "12:00"


@pytest.mark.parametrize(
    ("priority", "severity"),
    [(0, "informational"), (1, "low"), (2, "medium"), ("3", "high"), (4, "critical"), (5, None), ("high", None)],
)
def test_graylogs_priorities(priority, severity):
    assert severity_of("graylog", {"event": {"priority": priority}}) == severity


@pytest.mark.parametrize(
    "raw",
    [
        {"event_definition_type": "test-dummy-v1", "event": {}},
        {"event": {"event_definition_type": "notification-test-v1", "alert": False}},
        {"event": {"id": "TEST_NOTIFICATION_ID"}},
    ],
)
def test_each_mark_of_graylogs_test_button_is_enough(raw):
    assert read_one("graylog", raw) == Dropped("test_notification")


@pytest.mark.parametrize(
    ("number", "word", "severity"),
    [
        (1, "High", "informational"),
        ("2", None, "low"),
        (3, None, "medium"),
        (4, None, "high"),
        (5, None, "critical"),
        (6, None, "critical"),
        (0, "High", "high"),
        (99, "fatal", "critical"),
        (None, "Informational ", "informational"),
        (99, "Other", None),
        (-1, "Unknown", None),
    ],
)
def test_ocsfs_severity_is_its_number_else_its_word(number, word, severity):
    assert severity_of("ocsf", {"finding_info": {}, "severity_id": number, "severity": word}) == severity


@pytest.mark.parametrize(
    ("raw", "state", "noted"),
    [
        ({"status_id": 1}, State.FIRING, False),
        ({"status_id": 2, "status": "In Progress"}, State.FIRING, False),
        ({"status_id": 3}, State.RESOLVED, False),
        ({"status_id": "4", "status": "RESOLVED"}, State.RESOLVED, False),
        ({"status_id": 5, "status": "Closed"}, State.RESOLVED, False),
        ({"status_id": 6, "status": "deleted"}, State.RESOLVED, False),
        ({"status_id": 99, "status": "Closed"}, State.FIRING, False),
        ({"status_id": -1}, State.FIRING, False),
        ({"state_id": 4, "state": "Resolved"}, State.RESOLVED, False),
        ({"state_id": 4, "state": "Active"}, State.FIRING, True),
        ({"status_id": 3, "status": "Blocked"}, State.FIRING, True),
        ({"activity_id": 3}, State.RESOLVED, False),
        ({"activity_id": 3, "status_id": 1, "status": "New"}, State.RESOLVED, False),
        ({"activity_id": 4}, State.FIRING, False),
        ({"activity_id": 2, "status_id": 3, "status": "Suppressed", "status_code": "FAIL"}, State.RESOLVED, False),
    ],
)
def test_ocsfs_state_is_an_id_that_its_word_does_not_contradict(raw, state, noted):
    alert = read_one("ocsf", {"finding_info": {}, **raw})
    assert (alert.state, "state_contradiction" in alert.notes) == (state, noted)
    assert not alert.one_shot


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ({"finding_info": {"analytic": {"uid": 7, "name": "n"}}}, "7"),
        ({"finding_info": {"analytic": {"name": "n"}}, "analytic": {"uid": "o"}}, "n"),
        ({"finding": {}, "analytic": {"uid": "-", "name": "o"}}, "o"),
        ({"finding": {"types": ["", "t"]}, "metadata": {"event_code": "c"}}, "c"),
        ({"finding": {"types": ["t", "u"]}}, "t"),
        ({"finding_info": {"title": "only a title"}}, None),
    ],
)
def test_ocsfs_rule_is_its_analytic_else_a_code_or_type(raw, rule):
    assert read_one("ocsf", raw).rule == rule


def test_ocsfs_addresses_are_those_of_the_first_evidence_that_has_one():
    evidences = [{}, {"src_endpoint": {"ip": "0.0.0.0"}}, {"src_endpoint": {"ip": "192.0.2.7"}}]
    raw = {"finding_info": {}, "evidences": evidences, "src_endpoint": {"ip": "192.0.2.8"}}
    assert read_one("ocsf", {**raw, "dst_endpoint": {"ip": "192.0.2.9"}}).source == "192.0.2.7"
    alert = read_one("ocsf", {**raw, "evidences": [{}], "dst_endpoint": {"ip": "192.0.2.9"}})
    assert (alert.source, alert.destination) == ("192.0.2.8", "192.0.2.9")


def test_only_prowlers_passes_are_no_findings():
    raw = {"finding_info": {"uid": "1"}, "status_code": "PASS"}
    assert read_one("ocsf", {**raw, "metadata": {"product": {"name": "Other"}}}).id == "1"
    prowler = {**raw, "metadata": {"product": {"name": "Prowler"}}}
    assert read_one("ocsf", prowler) == Dropped("no_finding")
    assert read_one("ocsf", {**prowler, "status_code": "MANUAL"}).id == "1"


def test_an_ocsf_finding_without_id_has_a_weak_key():
    alert = read_one("ocsf", {"finding_info": {"title": "x"}})
    assert FORMATS["ocsf"].case_fields(alert) == ((alert.content_hash,), True)


def falcon(kind, **event):
    return {"metadata": {"eventType": kind}, "event": event}


@pytest.mark.parametrize(
    ("kind", "number", "severity"),
    [
        ("DetectionSummaryEvent", 1, "informational"),
        ("DetectionSummaryEvent", 5, "critical"),
        ("DetectionSummaryEvent", 70, None),
        ("IdentityProtectionEvent", 2, "low"),
        ("IdentityProtectionEvent", 6, None),
        ("IdpDetectionSummaryEvent", 5, "critical"),
        ("IdpDetectionSummaryEvent", 6, "informational"),
        ("IdpDetectionSummaryEvent", 60, "high"),
        ("EppDetectionSummaryEvent", 5, "informational"),
        ("EppDetectionSummaryEvent", 30, "low"),
        ("XdrDetectionSummaryEvent", 16, "informational"),
        ("MobileDetectionSummaryEvent", 50, "medium"),
        ("MobileDetectionSummaryEvent", "79", "high"),
        ("EppDetectionSummaryEvent", 80, "critical"),
        ("EppDetectionSummaryEvent", 101, None),
    ],
)
def test_crowdstrikes_scale_depends_on_the_type_of_event(kind, number, severity):
    assert severity_of("crowdstrike", falcon(kind, Severity=number)) == severity


def test_crowdstrikes_scores_are_no_severities():
    assert severity_of("crowdstrike", falcon("IncidentSummaryEvent", FineScore=9.9, Score=90)) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("closed", (State.RESOLVED, False)),
        ("RESOLVED", (State.RESOLVED, False)),
        ("NEW", (State.FIRING, False)),
        ("open", (State.FIRING, False)),
        (None, (State.FIRING, True)),
    ],
)
def test_crowdstrikes_incidents_have_states_and_its_detections_none(state, expected):
    alert = read_one("crowdstrike", falcon("IncidentSummaryEvent", State=state))
    assert (alert.state, alert.one_shot) == expected


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("DetectionSummaryEvent", True),
        ("IdentityProtectionEvent", True),
        ("AutomatedLeadSummaryEvent", True),
        ("AuthActivityAuditEvent", False),
        ("RemoteResponseSessionStartEvent", False),
        ("ReconNotificationSummaryEvent", True),
        ("SummaryEventOfOthers", False),
    ],
)
def test_crowdstrikes_other_events_are_no_alerts(kind, kept):
    element = read_one("crowdstrike", falcon(kind, Name="x"))
    assert isinstance(element, Alert) if kept else element == Dropped("not_an_alert")


def test_crowdstrikes_incident_type_counts_only_as_text():
    alert = read_one("crowdstrike", falcon("IdentityProtectionEvent", IncidentType="Odd access"))
    assert (alert.title, alert.rule) == ("Odd access", "Odd access")
    alert = read_one("crowdstrike", falcon("IncidentSummaryEvent", IncidentType=2))
    assert (alert.title, alert.rule) == ("IncidentSummaryEvent", "IncidentSummaryEvent")


def test_crowdstrikes_windows_times_do_not_stand_in():
    raw = falcon("IdentityProtectionEvent", StartTime=133_355_377_959_700_000)
    assert read_one("crowdstrike", raw).time is None


def test_zeeks_addresses_are_the_notices_before_the_connections():
    raw = {"note": "N", "src": "192.0.2.1", "id.orig_h": "192.0.2.2", "dst": None, "id": {"resp_h": "192.0.2.3"}}
    alert = read_one("zeek", raw)
    assert (alert.source, alert.destination) == ("192.0.2.1", "192.0.2.3")


def test_zeeks_dropped_is_not_ours():
    assert read_one("zeek", {"note": "N", "dropped": True}).title == "N"


def entry(attribute, text):
    return f"<entry attribute='{attribute}'>{text}</entry>"


def incident(*, source="", target="", more="", **attributes):
    names = " ".join(f"{name}='{value}'" for name, value in attributes.items())
    parts = f"<incidentSource>{source}</incidentSource><incidentTarget>{target}</incidentTarget>"
    return f"<incident {names}>{parts}{more}</incident>".encode()


@pytest.mark.parametrize(
    ("number", "severity"),
    [(0, "low"), (4, "low"), (5, "medium"), (8, "medium"), (9, "high"), (10, "high"), (11, None)],
)
def test_fortisiems_severities_are_those_of_its_mails(number, severity):
    assert severity_of("fortisiem", incident(severity=number)) == severity


@pytest.mark.parametrize(
    ("status", "state"),
    [("0", State.FIRING), ("1", State.RESOLVED), ("2", State.RESOLVED), ("3", State.RESOLVED), ("", State.FIRING)],
)
def test_fortisiems_status_resolves_unless_it_is_active(status, state):
    alert = read_one("fortisiem", incident(status=status))
    assert (alert.state, alert.one_shot) == (state, False)


def test_fortisiems_host_is_the_targets_before_the_sources():
    target, source = entry("srcName", "t-src"), entry("hostName", "s-host")
    assert read_one("fortisiem", incident(target=target, source=source)).host == "t-src"
    assert read_one("fortisiem", incident(target=entry("destName", "t-dest") + target)).host == "t-dest"
    assert read_one("fortisiem", incident(source=entry("destName", "s-dest") + source)).host == "s-host"


def test_fortisiems_user_is_the_one_who_acts_before_the_one_acted_on():
    target, source = entry("targetUser", "victim"), entry("user", "actor")
    assert read_one("fortisiem", incident(target=target, source=source)).user == "actor"
    assert read_one("fortisiem", incident(target=target)).user == "victim"


def test_an_empty_incident_of_fortisiem_is_an_alert_without_facts():
    alert = read_one("fortisiem", b"<incident/>")
    assert alert.title == "FortiSIEM alert"
    assert FORMATS["fortisiem"].case_fields(alert)[1]


@pytest.mark.parametrize(
    ("number", "severity"), [(1, "low"), (2, "medium"), ("3", "high"), (4, "critical"), (0, None), (None, None)]
)
def test_thehives_severities(number, severity):
    assert severity_of("thehive", {"title": "t", "sourceRef": "r", "severity": number}) == severity


def test_thehives_host_is_the_first_artifact_that_names_one():
    raw = {"title": "t", "sourceRef": "r"}
    assert read_one("thehive", {**raw, "artifacts": {"dataType": "fqdn", "data": "a.example"}}).host == "a.example"
    artifacts = [
        {"dataType": "domain", "data": "d"},
        {"dataType": "FQDN", "data": "f"},
        {"dataType": "hostname", "data": "h"},
    ]
    assert read_one("thehive", {**raw, "artifacts": artifacts}).host == "f"


def test_another_object_of_thehive_is_dropped_and_an_alert_without_reference_is_not_guessed():
    task = {"objectType": "case_task", "object": {"title": "t"}}
    assert read_one("thehive", task) == Dropped("not_an_alert")
    assert read_one("thehive", {**task, "objectType": "alert"}).reason == "unrecognised_shape"


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("info", "informational"),
        ("Informational", "informational"),
        ("low", "low"),
        ("med", "medium"),
        ("medium", "medium"),
        ("high", "high"),
        ("CRIT", "critical"),
        ("critical", "critical"),
        ("undefined", None),
    ],
)
def test_hayabusas_levels_may_be_cut_short(level, severity):
    assert severity_of("hayabusa", {"RuleTitle": "r", "Level": level}) == severity


def test_hayabusas_user_is_the_one_named_first():
    details = {"SrcUser": "d", "SubjectUserName": "c", "TgtUser": "-", "User": "n/a"}
    assert read_one("hayabusa", {"RuleTitle": "r", "Details": details}).user == "c"


def test_a_historic_match_of_hayabusa_keeps_its_time():
    alert = read_one("hayabusa", {"RuleTitle": "r", "Timestamp": "2016-08-19 08:06:57.658 +09:00"})
    assert f"{alert.time:%Y-%m-%dT%H:%M:%S.%f}" == "2016-08-18T23:06:57.658000"


def test_a_flow_of_suricata_needs_no_alert_to_be_dropped():
    assert read_one("suricata", {"event_type": "dns", "dns": {}}) == Dropped("not_an_alert")
    assert read_one("suricata", {"event_type": "alert"}).reason == "unrecognised_shape"
