import json

import pytest
from filled import deliver

from itop_bridge.cli.event import describe_event
from itop_bridge.cli.main import build_parser


def test_the_life_of_a_delivered_alert_is_a_line_per_step(operator):
    operator.change(deliver)
    code, out, _ = operator.run("events", "show", 4)
    assert code == 0
    [digest] = operator.query("SELECT digest FROM cases")[0]
    assert out.splitlines() == [
        "event 4",
        "  1970-01-01 00:16:40  received  siem/EXC/wazuh, QoS 1, 12 bytes",
        '  | {"id": "a1"}',
        "element 0",
        "  1970-01-01 00:16:40  alert     t (id a1)",
        "                       route     r",
        f"                       case      {digest} of code:EXC",
        "                       asks for  create, urgency 2",
        "  1970-01-01 00:16:41  sent      create in I-000007 (attempt 1): seen in iTop",
        "                       outcome   delivered: created, incident I-000007",
    ]


def test_a_drop_has_its_reason(operator):
    assert operator.run("events", "show", 5)[1].splitlines()[-1].split() == ["outcome", "dropped:", "filtered"]


def test_a_dead_letter_has_its_state(operator):
    *_, letter, state = operator.run("events", "show", 1)[1].splitlines()
    assert letter == "  1970-01-01 00:16:40  dead letter  1, invalid_json: line 1\\x1b[2J"
    assert state.split() == ["state", "open"]


def test_the_events_of_an_alert_are_shown(operator):
    code, out, _ = operator.run("events", "show", "--alert", "a1", "--json")
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, [4])
    code, _, err = operator.run("events", "show", "--alert", "a\x1b[2J")
    assert (code, err) == (1, "no event that the journal still has brought an alert with the id 'a\\x1b[2J'\n")


def test_either_an_event_or_an_alert(operator):
    assert operator.run("events", "show")[0] == 2
    assert operator.run("events", "show", 1, "--alert", "a1")[0] == 2


def test_one_that_is_not_there_is_told(operator):
    assert operator.run("events", "show", 99) == (1, "", "there is no event 99\n")


def test_what_is_not_mapped_pruned_or_too_much_is_said():
    event = {"id": 1, "received": 0, "topic": "t\n", "qos": 1, "size": 5, "payload": None, "triaged": False}
    lines = describe_event({**event, "elements": [], "elements_total": 3})
    assert lines[2:] == [
        "  | (the payload is no longer kept)",
        "  not mapped yet: triage has not come to it",
        "… and 3 more elements",
    ]
    assert all(line.isprintable() for line in lines)


INTENT = {
    "received": 0,
    "title": "t\n\x1b[2J",
    "alert_id": "a\r",
    "route": "r",
    "case": "d",
    "organization": "o\n",
    "kind": "resolve",
    "urgency": 4,
    "attempts": [],
    "until": 600.0,
    "reason": None,
    "ref": None,
}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"state": "waiting"}, "waits for its alert until 1970-01-01 00:10:00"),
        ({"state": "pending"}, "pending"),
        ({"state": "dropped", "reason": "repeat"}, "dropped: repeat"),
        ({"state": "delivered", "reason": "appended", "ref": "I-1"}, "delivered: appended, incident I-1"),
    ],
)
def test_every_outcome_is_told_and_what_others_wrote_is_escaped(changes, outcome):
    element = {"idx": 0, "intents": [{**INTENT, **changes}], "drops": [], "letters": []}
    event = {"id": 1, "received": 0, "topic": "t", "qos": 1, "size": 5, "payload": "\x1b[2J\n", "triaged": True}
    lines = describe_event({**event, "elements": [element], "elements_total": 1})
    assert lines[-1].endswith(f"outcome   {outcome}")
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        ({"state": "unknown", "look": 60.0, "ref": None, "incident": None},
         "create (attempt 7): not known whether iTop did it, looked for at 1970-01-01 00:01:00"),
        ({"state": "absent", "look": None, "ref": None, "incident": 9},
         "create in incident 9 (attempt 7): it is not in iTop, and is planned anew"),
    ],
)  # fmt: skip
def test_what_is_known_of_a_write_is_told(attempt, told):
    sent = {"id": 7, "kind": "create", "sent": 0.0, "looks": 1, **attempt}
    element = {"idx": 0, "intents": [{**INTENT, "state": "pending", "attempts": [sent]}], "drops": [], "letters": []}
    event = {"id": 1, "received": 0, "topic": "t", "qos": 1, "size": 5, "payload": "", "triaged": True}
    lines = describe_event({**event, "elements": [element], "elements_total": 1})
    assert lines[-2].endswith(told)


def test_the_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["events", "show", "--help"])
    assert "Example: itop-bridge events show" in capsys.readouterr().out


def test_a_resolve_has_no_urgency():
    intent = {"received": 0, "title": "t", "alert_id": "a", "route": "r", "case": "ab", "organization": "code:EXC"}
    intent |= {"kind": "resolve", "urgency": 4, "attempts": [], "reason": None, "state": "pending"}
    element = {"idx": 0, "letters": [], "intents": [intent], "drops": []}
    event = {"id": 1, "received": 0, "topic": "t", "qos": 1, "size": 5, "payload": "", "triaged": True}
    lines = describe_event({**event, "elements": [element], "elements_total": 1})
    assert "asks for  resolve" in [line.strip() for line in lines]
