import orjson
import pytest

from itop_bridge.journal.result import Result
from itop_bridge.outward.result import Target, compose_result, decide_target
from itop_bridge.settings.model import Mqtt

MQTT = Mqtt(host="broker.example", response_prefix=("soc", "answers"))
TOPIC = "itop-bridge/results/wazuh"


def result(**changes):
    values = {
        "id": 17,
        "event_id": 5,
        "index": 1,
        "part": 0,
        "alert_id": "a1",
        "route": "wazuh",
        "by_route": True,
        "case": "0a1b2c3d4e5f",
        "outcome": "delivered",
        "action": "create",
        "reason": None,
        "incident": 42,
        "ref": "I-000042",
        "iclass": "UserRequest",
        "received": 1_790_000_000.0,
        "settled": 1_790_000_001.2504,
        "response_topic": None,
        "correlation": None,
    }
    return Result(**{**values, **changes})


def composed(**changes):
    return orjson.loads(compose_result(result(**changes), "https://itop.example/itop"))


def test_a_result_is_told_with_the_way_to_its_incident():
    assert composed() == {
        "id": 17,
        "alert_id": "a1",
        "event_id": 5,
        "index": 1,
        "part": 0,
        "route": "wazuh",
        "case": "0a1b2c3d4e5f",
        "outcome": "delivered",
        "final": True,
        "action": "create",
        "reason": None,
        "incident_id": 42,
        "ref": "I-000042",
        "link": "https://itop.example/itop/pages/UI.php?operation=details&class=UserRequest&id=42",
        "received": "2026-09-21T14:13:20.000Z",
        "settled": "2026-09-21T14:13:21.250Z",
    }


@pytest.mark.parametrize("lack", [{"incident": None}, {"iclass": None}])
def test_what_is_not_in_itop_has_no_link(lack):
    assert composed(**lack)["link"] is None


@pytest.mark.parametrize(("outcome", "final"), [("dropped", True), ("shadowed", True), ("dead", False)])
def test_only_what_waits_for_a_person_is_not_final(outcome, final):
    assert composed(outcome=outcome)["final"] is final


def test_a_time_that_is_not_known_is_null():
    assert composed(received=None)["received"] is None


def test_hostile_text_stays_a_value():
    hostile = 'a"}\n{"id": 1, "x": "</script>\x1b[31m'
    body = compose_result(result(alert_id=hostile), "https://itop.example")
    assert b"\n" not in body
    assert b"\x1b" not in body
    assert orjson.loads(body)["alert_id"] == hostile


def test_a_result_goes_to_the_topic_of_its_route():
    assert decide_target(result(), MQTT, ()) == Target(TOPIC, TOPIC)


def test_a_sender_has_it_where_it_asked_with_what_it_gave():
    asked = result(response_topic="answers/me", correlation=b"\0\xff", by_route=False)
    assert decide_target(asked, MQTT, ("siem/#",)) == Target("answers/me", "answers", b"\0\xff")


@pytest.mark.parametrize("topic", ["elsewhere", "itop-bridge/results/x", "answers/+", "$SYS/x", "answers/loop"])
def test_where_it_may_not_ask_the_route_decides(topic):
    asked = {"response_topic": topic, "correlation": b"c"}
    assert decide_target(result(**asked), MQTT, ("answers/loop",)) == Target(TOPIC, TOPIC)
    assert decide_target(result(**asked, by_route=False), MQTT, ("answers/loop",)) is None
