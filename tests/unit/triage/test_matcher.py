from datetime import UTC, datetime

import pytest

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.errors import ExpressionError
from itop_bridge.triage.matcher import compile_matcher, compile_when, join_matchers

ALERT = Alert(
    event_id=1,
    index=0,
    format="generic",
    id="a1",
    title="T",
    severity=Severity.HIGH,
    state=State.FIRING,
    one_shot=False,
    time=None,
    received=datetime.fromtimestamp(0, UTC),
    host="db1",
    rule="5710",
    observables={},
    notes=(),
    content_hash="c",
    raw={"agent": {"id": 3, "lab": True}},
)
SCENE = {"alert": ALERT, "raw": ALERT.raw, "topic": {"org": "EXC"}}


@pytest.mark.parametrize(
    ("entry", "values", "matches"),
    [
        ("host", ["db1"], True),
        ("host", ["db"], False),
        ("host", ["DB1"], False),
        ("rule", ["5710", "5712"], True),
        ("severity", ["high"], True),
        ("state", ["firing"], True),
        ("user", ["root"], False),
        ("raw.agent.id", ["3"], True),
        ("raw.agent.lab", ["true"], True),
        ("topic.org", ["EXC"], True),
        ("user, host", ["db1"], True),
    ],
)
def test_a_matcher_wants_one_of_its_values(entry, values, matches):
    assert compile_matcher(entry, values)(SCENE) is matches


def test_an_unknown_field_is_told():
    with pytest.raises(ExpressionError, match="did you mean host"):
        compile_matcher("hots", ["db1"])


def test_all_must_hold():
    on_db1, critical = compile_matcher("host", ["db1"]), compile_when("alert.severity >= 'critical'")
    assert join_matchers([on_db1])(SCENE)
    assert not join_matchers([on_db1, critical])(SCENE)
