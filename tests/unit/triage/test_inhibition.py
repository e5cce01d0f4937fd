from dataclasses import replace
from datetime import UTC, datetime

import pytest

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.errors import ElementError
from itop_bridge.settings.inhibition import Inhibition
from itop_bridge.triage.inhibition import Circumstance, weigh_alert
from itop_bridge.triage.muting import compile_rules

HOST_DOWN = Alert(
    event_id=1,
    index=0,
    format="alertmanager",
    id="a1",
    title="T",
    severity=Severity.CRITICAL,
    state=State.FIRING,
    one_shot=False,
    time=None,
    received=datetime.fromtimestamp(1000, UTC),
    host="db1",
    rule="HostDown",
    observables={},
    notes=(),
    content_hash="c",
    raw={},
)
SERVICE_DOWN = replace(HOST_DOWN, id="a2", rule="ServiceDown", severity=Severity.MEDIUM)
PLACE = Circumstance("code:EXC|r", "a1", "code:EXC", 3600.0)


def rules(**changes):
    entry = {
        "source": {"matchers": {"rule": "HostDown"}},
        "target": {"matchers": {"rule": ["ServiceDown", "DiskSlow"]}},
        "equal": ["host"],
        **changes,
    }
    return compile_rules([Inhibition.model_validate(entry)], pytest.fail)


def weigh(alert, circumstance=PLACE, **changes):
    return weigh_alert(rules(**changes), alert, {"alert": alert, "raw": alert.raw, "topic": {}}, circumstance)


def test_a_source_and_a_target_that_agree_have_one_key():
    (source,), (target,) = weigh(HOST_DOWN).sources, weigh(SERVICE_DOWN).targets
    assert (source.key, source.mutual, source.hold_s) == (target.key, False, 3600.0)
    assert weigh(HOST_DOWN).targets == weigh(SERVICE_DOWN).sources == ()


@pytest.mark.parametrize(
    ("alert", "circumstance", "changes"),
    [
        (replace(SERVICE_DOWN, host="db2"), PLACE, {}),
        (SERVICE_DOWN, replace(PLACE, organization="code:OTH"), {}),
        (SERVICE_DOWN, PLACE, {"for": "5m"}),
    ],
)
def test_another_value_organisation_or_rule_is_another_key(alert, circumstance, changes):
    (target,) = weigh(alert, circumstance, **changes).targets
    assert target.key != weigh(HOST_DOWN).sources[0].key


def test_what_is_absent_is_equal_to_nothing():
    nowhere = weigh(replace(HOST_DOWN, host=None))
    assert (nowhere.sources, nowhere.targets) == ((), ())


def test_without_equal_the_whole_organisation_agrees():
    (source,), (target,) = weigh(HOST_DOWN, equal=[]).sources, weigh(replace(SERVICE_DOWN, host=None), equal=[]).targets
    assert source.key == target.key


def test_an_alert_on_both_sides_says_so():
    both = weigh(HOST_DOWN, target={"when": "alert.host is defined"})
    assert [tie.mutual for tie in (*both.sources, *both.targets)] == [True, True]
    (only,) = weigh(SERVICE_DOWN, target={"when": "alert.host is defined"}).targets
    assert not only.mutual


def test_a_source_without_states_needs_a_time():
    one_shot = replace(HOST_DOWN, one_shot=True)
    assert weigh(one_shot).sources == ()
    assert [tie.hold_s for tie in weigh(one_shot, **{"for": "15m"}).sources] == [900.0]
    assert [tie.hold_s for tie in weigh(HOST_DOWN, **{"for": "15m"}).sources] == [3600.0]


def test_what_is_resolved_is_on_no_side():
    resolved = weigh(replace(HOST_DOWN, state=State.RESOLVED))
    assert (resolved.sources, resolved.targets, resolved.received) == ((), (), 1000.0)


def test_an_expression_that_fails_is_told():
    with pytest.raises(ElementError) as caught:
        weigh(HOST_DOWN, source={"when": "alert.title + 1 > 2"})
    assert (caught.value.reason, caught.value.field) == ("expression_failed", "inhibit")
