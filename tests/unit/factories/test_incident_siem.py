import datetime

import pytest

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.intent import AppendPublicLog, Case, Cmdb, CreateIncident, ResolveIncident
from itop_bridge.triage.registry import load_registry, read_settings

FACTORY = load_registry([]).factories["incident-siem"]
CASE = Case("code:EXC", "wazuh", ("wazuh", "5710"))


def settings(**values):
    checked, problems = read_settings(FACTORY, values)
    assert not problems, problems
    return checked


def alert(severity=Severity.HIGH, state=State.FIRING):
    return Alert(
        event_id=1,
        index=0,
        format="wazuh",
        id="1",
        title="t",
        severity=severity,
        state=state,
        one_shot=True,
        time=None,
        received=datetime.datetime.now(datetime.UTC),
        observables={},
        notes=(),
        content_hash="c",
        raw={},
    )


@pytest.mark.parametrize(
    ("severity", "impact", "urgency"),
    [
        (Severity.CRITICAL, 1, 1),
        (Severity.HIGH, 2, 2),
        (Severity.MEDIUM, 2, 3),
        (Severity.LOW, 3, 4),
        (Severity.INFORMATIONAL, 3, 4),
    ],
)
def test_the_severity_gives_impact_and_urgency(severity, impact, urgency):
    (intent,) = FACTORY.handle(alert(severity), CASE, settings())
    assert intent == CreateIncident(CASE, alert(severity), impact, urgency) or (
        (intent.impact, intent.urgency) == (impact, urgency)
    )
    assert (intent.impact, intent.urgency) == (impact, urgency)


def test_a_site_may_grade_otherwise():
    (intent,) = FACTORY.handle(alert(), CASE, settings(severities={"high": [1, 1]}))
    assert (intent.impact, intent.urgency) == (1, 1)


def test_an_alert_below_the_threshold_opens_nothing():
    (intent,) = FACTORY.handle(alert(Severity.LOW), CASE, settings(create_from="medium"))
    assert isinstance(intent, AppendPublicLog)


def test_a_resolved_alert_resolves():
    (intent,) = FACTORY.handle(alert(state=State.RESOLVED), CASE, settings())
    assert isinstance(intent, ResolveIncident)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"create_from": "hihg"}, "is no severity"),
        ({"severities": {"high": [0, 1]}}, "impact is 1 to 3"),
        ({"severities": {"hihg": [1, 1]}}, "is no severity"),
        ({"title_prefix": "[SIEM]"}, "must hold {digest}"),
        ({"title_prefix": "SIEM_{digest}"}, "wildcards"),
        ({"log": "both"}, "public"),
        ({"team": 7}, "string"),
    ],
)
def test_a_wrong_setting_is_told(values, told):
    _, problems = read_settings(FACTORY, values)
    assert told in " ".join(each.message for each in problems)


def test_named_references_are_written_and_unset_ones_are_not():
    writing = FACTORY.describe_writing(settings(team="SOC", log="private", fields={"impact": 1}))
    assert writing.references == (("team_id", "Team", "SOC"),)
    assert writing.log == "private_log"
    assert writing.fields == (("impact", 1),)


def test_without_the_setting_nothing_is_looked_up():
    assert FACTORY.describe_writing(settings()).cmdb is None


def test_the_cmdb_is_described_in_the_order_of_the_settings():
    given = {"match": {"name": ["host", "short_host"], "managementip": "source"}, "where": {"nb_u": 2}, "cache": "1h"}
    cmdb = FACTORY.describe_writing(settings(cmdb=given)).cmdb
    assert cmdb == Cmdb(
        ("Server", "VirtualMachine"),
        (("name", "host"), ("name", "short_host"), ("managementip", "source")),
        where=(("nb_u", "2"),),
        cache_s=3600.0,
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"clases": ["Server"]}, "unknown setting"),
        ({"classes": []}, "must name something"),
        ({"classes": ["Server WHERE 1"]}, "no name of a class"),
        ({"match": {}}, "must name something"),
        ({"match": {"name": "hots"}}, "the alert's fields are host, short_host, source, destination, not 'hots'"),
        ({"match": {"na me": "host"}}, "no name of a class or an attribute"),
        ({"where": {"x'": "1"}}, "no name of a class or an attribute"),
        ({"team": "a.b"}, "no name of a class or an attribute"),
        ({"cache": "10"}, "must be a duration"),
        ({"cache": "2s"}, "must be 1m to 1d"),
    ],
)
def test_a_wrong_setting_of_the_cmdb_is_told(values, told):
    _, problems = read_settings(FACTORY, {"cmdb": values})
    assert told in " ".join(each.message for each in problems)
