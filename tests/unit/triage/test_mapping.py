import datetime
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.alert import Alert, Event, Severity, State
from itop_bridge.bundled import bundled_folder
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.document import parse_document
from itop_bridge.triage import mapping
from itop_bridge.triage.format import load_formats, parse_format

BUNDLED = load_formats([bundled_folder("config") / "formats"])

FORMAT = """
product: Acme
recognised_by: {rule: object}
fields:
  id: id, uid
  title: rule.name
  description: text
  time: [when, then]
  host: host
  user: user
  source: src, src2
  destination: dst
  rule: rule.id
  link: link, ^link
  tenant: tenant, ^tenant
fallback_title: "Rule {rule.id}"
severity: [{path: "sev, rule.sev", words: standard}, {path: rule.level, scale: {low: 0-3, high: 4+}}]
states: {path: "status, ^status", resolved: [resolved, closed]}
observables: {mitre: "mitre, rule.mitre"}
notes: {batch_truncated: {^left_out: {not: [0, null]}}}
group_by: [rule, host, raw.key]
"""


def parse(text, name="acme"):
    return parse_format(name, parse_document(text.encode(), f"{name}.yaml"))


ACME = parse(FORMAT)


def read(payload, format_=ACME, *, zone="Europe/Paris", unknown=Severity.LOW):
    if not isinstance(payload, bytes):
        payload = orjson.dumps(payload)
    event = Event(7, b"siem/exc/acme", payload, 1_772_452_800.0)
    return list(format_.read(event, timezone=ZoneInfo(zone), unknown_severity=unknown))


def read_one(payload, format_=ACME, **options):
    (element,) = read(payload, format_, **options)
    return element


def kinds(payload, format_=ACME):
    """The elements: an alert as its title, others as their reason."""
    return [element.title if isinstance(element, Alert) else element.reason for element in read(payload, format_)]


def alert(name, **more):
    return {"rule": {"name": name}, **more}


HELD = parse(
    FORMAT
    + """
unwrap: inner, other.inner
drop: [{reason: not_an_alert, if: {kind: {not: [alert, null]}}}, {reason: paused, if: {^quiet: "true"}}]
"""
)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"inner": alert("x")}, ["x"]),
        ({"other": {"inner": alert("x")}}, ["x"]),
        ({"inner": {"_id": "1", "_source": alert("x")}}, ["x"]),
        ({"_id": "1", "_source": alert("x")}, ["x"]),
        (alert("outer", inner=alert("x")), ["outer"]),
        ({"value": [{"inner": alert("x")}, {"inner": {}}]}, ["x", "unrecognised_shape"]),
        ({"inner": {"inner": alert("x")}}, ["unrecognised_shape"]),
        ({"inner": [alert("x")]}, ["unrecognised_shape"]),
        ({"inner": alert("x"), "quiet": True}, ["paused"]),
    ],
)
def test_an_object_that_holds_an_alert_stands_for_it(payload, found):
    assert kinds(payload, HELD) == found


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"kind": "flow"}, ["not_an_alert"]),
        ({"kind": "flow", "inner": alert("x")}, ["not_an_alert"]),
        ({"inner": {"kind": "flow"}}, ["not_an_alert"]),
        ({"value": [{"kind": "flow"}, {"kind": "alert"}, alert("x")]}, ["not_an_alert", "unrecognised_shape", "x"]),
        (alert("x", kind="flow"), ["not_an_alert"]),
    ],
)
def test_what_a_product_sends_besides_alerts_is_dropped_though_it_is_not_recognised(payload, found):
    assert kinds(payload, HELD) == found


STATED = FORMAT.replace(
    'states: {path: "status, ^status", resolved: [resolved, closed]}',
    "states: [{path: a, if: {word: [null, done]}, resolved: {not: 0}, firing: 0}, {path: b, resolved: 3, firing: 1}]",
)


@pytest.mark.parametrize(
    ("facts", "state", "one_shot"),
    [
        ({"a": 0}, State.FIRING, False),
        ({"a": 7}, State.RESOLVED, False),
        ({"a": 7, "word": "Done"}, State.RESOLVED, False),
        ({"a": 7, "word": "other"}, State.FIRING, True),
        ({"b": 3}, State.RESOLVED, False),
        ({"a": 0, "b": 3}, State.RESOLVED, False),
        ({"a": 7, "b": 1}, State.RESOLVED, False),
        ({"b": 2}, State.FIRING, True),
        ({}, State.FIRING, True),
    ],
)
def test_of_several_places_of_a_state_one_that_resolves_is_enough(facts, state, one_shot):
    (element,) = read(alert("x", **facts), parse(STATED))
    assert (element.state, element.one_shot) == (state, one_shot)


def test_a_severity_may_depend_on_another_fact():
    scale = "severity: [{path: n, if: {kind: small}, scale: {high: 1+}}, {path: n, scale: {low: 0+}}]"
    format_ = parse("\n".join(scale if line.startswith("severity:") else line for line in FORMAT.splitlines()))
    assert read_one(alert("x", n=2, kind="small"), format_).severity is Severity.HIGH
    assert read_one(alert("x", n=2, kind="large"), format_).severity is Severity.LOW


def test_a_fact_may_be_put_together_or_lie_in_one_of_several():
    fields = """
  user: [{text: "{org}/{nick, login}"}, nick]
  host: {of: things, if: {kind: [host, fqdn]}, path: value}
"""
    format_ = parse(FORMAT.replace("\n  host: host\n  user: user\n", fields))
    things = [{"kind": "ip", "value": "a"}, {"kind": "fqdn", "value": "b:80"}]
    element = read_one(alert("x", org="o", login="n", things=things), format_)
    assert (element.user, element.host) == ("o/n", "b")
    element = read_one(alert("x", nick="n", things={"kind": "Host", "value": "c"}), format_)
    assert (element.user, element.host) == ("n", "c")


def test_a_condition_on_an_end_may_be_turned_round():
    format_ = parse(FORMAT + "drop: [{reason: other, if: {kind: {not: {ends_with: [alert, 7, null]}}}}]")
    assert kinds([alert("a", kind="flow"), alert("b", kind={})], format_) == ["other", "other"]
    payload = [alert("a", kind="Big Alert "), alert("b", kind=17), alert("c", kind="-"), alert("d")]
    assert kinds(payload, format_) == ["a", "b", "c", "d"]


def test_notes_may_have_several_conditions_of_which_one_must_hold():
    format_ = parse(FORMAT.replace("{^left_out: {not: [0, null]}}", "[{a: 1}, {b: 2, c: 3}]"))
    assert "batch_truncated" in read_one(alert("x", a=1), format_).notes
    assert "batch_truncated" in read_one(alert("x", b=2, c=3), format_).notes
    assert "batch_truncated" not in read_one(alert("x", b=2), format_).notes


def test_every_fact_has_its_place():
    raw = {
        "id": 42,
        "text": " two\nlines ",
        "when": "2026-03-02T10:00:00",
        "host": "web-1:9100",
        "user": "ALICE",
        "src": "192.0.2.1:80",
        "dst": "[2001:DB8::1]:443",
        "link": "https://acme.example/42",
        "tenant": "EXC",
        "sev": "High",
        "status": "firing",
        "mitre": ["T1", "", "T2", "T1", 5],
        "rule": {"name": "Login  failed", "id": 17},
    }
    assert read_one(raw) == Alert(
        event_id=7,
        index=0,
        format="acme",
        id="42",
        title="Login failed",
        severity=Severity.HIGH,
        state=State.FIRING,
        one_shot=False,
        time=datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC),
        received=datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC),
        description="two\nlines",
        host="web-1",
        user="ALICE",
        source="192.0.2.1",
        destination="2001:db8::1",
        rule="17",
        link="https://acme.example/42",
        tenant="EXC",
        observables={"mitre": ("T1", "T2", "5")},
        notes=("time_zone_assumed",),
        content_hash=read_one(raw).content_hash,
        raw=raw,
    )


def test_what_is_missing_leaves_notes_and_never_a_dead_letter():
    read_alert = read_one({"rule": {}})
    assert read_alert.title == "Acme alert"
    assert read_alert.severity is Severity.LOW
    assert read_alert.notes == ("severity_unknown", "time_unknown")
    assert (read_alert.id, read_alert.time, read_alert.host, read_alert.observables) == (None, None, None, {})


def test_what_has_the_wrong_type_is_as_if_it_were_missing():
    wrong = {
        name: {"x": 1}
        for name in ("id", "text", "when", "host", "user", "src", "dst", "link", "tenant", "sev", "status")
    }
    read_alert = read_one({"rule": {"name": [{}], "id": True, "level": "x", "mitre": {}}, "mitre": {}, **wrong})
    assert read_alert.title == "Acme alert"
    assert read_alert.notes == ("severity_unknown", "time_unknown")
    assert (read_alert.source, read_alert.rule, read_alert.link, read_alert.observables) == (None, None, None, {})


@pytest.mark.parametrize(
    ("raw", "note", "field", "value"),
    [
        ({"id": 1.5, "uid": "u"}, "id_not_exact", "id", "u"),
        ({"id": 99999999999999999999.0}, "id_not_exact", "id", None),
        ({"src": "web-1", "src2": "192.0.2.9"}, "address_invalid", "source", "192.0.2.9"),
        ({"dst": "0.0.0.0"}, "address_invalid", "destination", None),
    ],
)
def test_what_is_not_exact_is_noted_and_the_next_path_tried(raw, note, field, value):
    read_alert = read_one(alert("x", **raw))
    assert note in read_alert.notes
    assert getattr(read_alert, field) == value


def test_the_title_falls_back_to_the_rule_and_then_to_product_and_id():
    assert read_one({"rule": {"id": 17}}).title == "Rule 17"
    assert read_one({"rule": {}, "id": "abc"}).title == "Acme alert abc"
    assert len(read_one({"rule": {}, "id": "x" * 400}).title) == 255


@pytest.mark.parametrize(
    ("raw", "severity"),
    [
        ({"sev": "critical"}, Severity.CRITICAL),
        ({"sev": "whatever", "rule": {"sev": "low", "level": 9}}, Severity.LOW),
        ({"sev": "whatever", "rule": {"level": "9.7"}}, Severity.HIGH),
        ({"sev": None, "rule": {"level": -1}}, Severity.MEDIUM),
    ],
)
def test_severities_are_tried_in_order_and_an_unknown_one_is_the_routes(raw, severity):
    assert read_one({"rule": {}, **raw}, unknown=Severity.MEDIUM).severity is severity


def test_the_next_time_is_tried_when_one_is_unusable():
    read_alert = read_one(alert("x", when="soon", then=1_772_435_730))
    assert read_alert.time == datetime.datetime(2026, 3, 2, 7, 15, 30, tzinfo=datetime.UTC)
    assert read_alert.notes == ("severity_unknown",)


def test_the_alerts_own_state_counts_before_that_of_its_group():
    group = {"alerts": [alert("a", status="firing"), alert("b")], "status": "closed"}
    assert [(each.title, each.state) for each in read(group)] == [("a", State.FIRING), ("b", State.RESOLVED)]


def test_without_states_every_alert_is_one_shot():
    stateless = parse(FORMAT.replace('{path: "status, ^status", resolved: [resolved, closed]}', "false"))
    read_alert = read_one(alert("x", status="resolved"), stateless)
    assert (read_alert.state, read_alert.one_shot) == (State.FIRING, True)


def test_with_words_for_firing_an_alert_that_says_neither_is_one_shot():
    wordy = parse(FORMAT.replace("resolved: [resolved, closed]", "resolved: [resolved], firing: [open]"))
    states = {word: read_one(alert("x", status=word), wordy) for word in ("open", "resolved", "200", None)}
    assert {word: (str(each.state), each.one_shot) for word, each in states.items()} == {
        "open": ("firing", False),
        "resolved": ("resolved", False),
        "200": ("firing", True),
        None: ("firing", True),
    }


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (alert("a"), ["a"]),
        ([alert("a"), alert("b")], ["a", "b"]),
        (
            [alert("a"), 5, alert("b"), {}, None, [alert("c")]],
            ["a", "not_an_object", "b", "unrecognised_shape", "not_an_object", "not_an_object"],
        ),
        ({"alerts": [alert("a"), "x", {}]}, ["a", "not_an_object", "unrecognised_shape"]),
        ({"value": [alert("a")]}, ["a"]),
        ({"results": [alert("a")]}, ["a"]),
        (
            {"hits": {"hits": [{"_id": "1", "_source": alert("a")}, {"_source": alert("b")}, alert("c")]}},
            ["a", "b", "c"],
        ),
        ([{"value": [alert("a")]}, alert("b")], ["a", "b"]),
        (alert("a", alerts=[alert("b")]), ["a"]),
        ([], ["empty_batch"]),
        ({"alerts": []}, ["empty_batch"]),
        ({"hits": {"hits": []}}, ["empty_batch"]),
        ({"hits": 5}, ["unrecognised_shape"]),
        ({"value": 5}, ["unrecognised_shape"]),
        ({}, ["unrecognised_shape"]),
        ("text", ["not_an_object"]),
        (None, ["not_an_object"]),
        (b"", ["empty_payload"]),
        (b"{", ["invalid_json"]),
        (b'{"a": "\xff"}', ["invalid_encoding"]),
        (b"[" * 2000, ["too_deep"]),
        (b'{"rule": {"name": "a"}}\n{"rule\n{"rule": {"name": "b"}}', ["a", "invalid_json", "b"]),
    ],
)
def test_a_payload_is_split_in_order_and_no_element_affects_its_neighbours(payload, expected):
    assert kinds(payload) == expected


def test_drops_and_rejections_are_told_apart():
    assert read([]) == [Dropped("empty_batch")]
    assert isinstance(read_one(b"{"), Rejected)


def test_elements_are_numbered_in_order_with_those_that_are_no_alerts():
    assert [each.index for each in read([alert("a"), 5, alert("b")]) if isinstance(each, Alert)] == [0, 2]


def test_a_hit_keeps_its_id():
    hits = {"hits": {"hits": [{"_id": "1", "_source": alert("a")}]}}
    assert read_one(hits).raw == {**alert("a"), "_id": "1"}


@pytest.mark.parametrize(
    ("hit", "found"),
    [
        ({"_id": "7", "fields": alert("x")}, ("x", "7")),
        ({"_id": "7", "_source": {}, "fields": alert("x")}, ("x", "7")),
        ({"_id": "7", "_source": alert("y"), "fields": alert("x")}, ("y", "7")),
    ],
)
def test_of_a_hit_the_fields_stand_in_for_its_source(hit, found):
    for payload in (hit, [hit], {"hits": {"hits": [hit]}}):
        element = read_one(payload)
        assert (element.title, element.raw["_id"]) == found


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("/d/1?x=2", "https://siem.example/ui/d/1?x=2"),
        ("https://other.example/d", "https://other.example/d"),
        ("//evil.example/d", None),
        ("d/1", None),
        ("/a b", None),
        (5, None),
    ],
)
def test_a_link_that_is_only_a_path_leads_to_the_console(link, found):
    event = Event(1, b"t", orjson.dumps(alert("x", link=link)), 1_772_452_800.0)
    options = {"timezone": ZoneInfo("UTC"), "unknown_severity": Severity.LOW}
    (element,) = ACME.read(event, **options, console_url="https://siem.example/ui/")
    assert element.link == found


def test_members_see_what_held_them():
    group = {
        "alerts": [alert("a"), alert("b", tenant="own", link="/relative")],
        "tenant": "T",
        "link": "https://x.example",
        "left_out": 3,
    }
    one, other = read(group)
    assert (one.tenant, other.tenant) == ("T", "own")
    assert (one.link, other.link) == ("https://x.example", "https://x.example")
    assert "batch_truncated" in one.notes


def test_a_format_may_name_its_own_array():
    own = parse(FORMAT.replace("fields:", "elements: items\nfields:", 1))
    assert kinds({"items": [alert("a"), {}, 5]}, own) == ["a", "Acme alert", "not_an_object"]
    assert kinds({"items": []}, own) == ["empty_batch"]
    assert kinds([{"items": [alert("a")]}, alert("b")], own) == ["a", "b"]
    assert kinds({"items": {}}, own) == ["unrecognised_shape"]


def test_the_content_tells_a_repeat_from_an_update():
    one, same, other = read(b'[{"rule":{"name":"a"},"n":1},{"n":1,"rule":{"name":"a"}},{"rule":{"name":"a"},"n":2}]')
    assert one.content_hash == same.content_hash != other.content_hash
    assert read_one(b' {"n": 1, "rule": {"name": "a"}}').content_hash == one.content_hash


def test_the_number_of_elements_is_bounded(monkeypatch):
    monkeypatch.setattr(mapping, "_MOST_ELEMENTS", 3)
    assert kinds([alert("a")] * 3) == ["a"] * 3
    assert kinds([alert("a")] * 5) == ["a", "a", "a", "too_large"]


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ({"rule": {"name": "x", "id": 1}, "host": "h", "key": "k"}, ("1", "h", "k")),
        ({"rule": {"name": "x", "id": 1}}, ("1", "", "")),
        ({"rule": {"id": 1}, "host": "h"}, ("1", "h", "")),
        ({"rule": {"name": "x"}, "key": {"b": 1, "a": 2}}, ("", "", '{"a":2,"b":1}')),
    ],
)
def test_a_case_key_is_the_formats_fields_in_order(raw, values):
    assert ACME.case_fields(read_one(raw)) == (values, False)


@pytest.mark.parametrize("raw", [{"rule": {"name": "x"}}, {"rule": {"id": 1}}, {"rule": {}}])
def test_a_key_of_nothing_or_of_an_unnamed_rule_is_weak(raw):
    read_alert = read_one(raw)
    assert ACME.case_fields(read_alert) == ((read_alert.content_hash,), True)


def test_an_expression_in_a_formats_key_that_fails_makes_it_weak():
    odd = parse(FORMAT.replace("group_by: [rule, host, raw.key]", 'group_by: ["raw.key | length"]'))
    assert odd.case_fields(read_one(alert("x", key="abc"), odd)) == (("3",), False)
    assert odd.case_fields(read_one(alert("x", key=5), odd))[1] is True


def test_a_fault_of_ours_is_the_dead_letter_of_one_element(monkeypatch):
    def fail_on_b(raw):
        if raw == alert("b"):
            raise RuntimeError("boom")
        return "0"

    monkeypatch.setattr(mapping, "hash_content", fail_on_b)
    one, broken, other = read([alert("a"), alert("b"), alert("c")])
    assert (one.title, other.title) == ("a", "c")
    assert broken == Rejected("mapping_failed", "RuntimeError: boom")


def test_attacker_written_text_stays_text():
    hostile = "{{ 7*7 }}<script>alert(1)</script>' OR 1=1 --"
    read_alert = read_one(alert(hostile, user=hostile, host=hostile))
    assert read_alert.title == read_alert.user == hostile


# fmt: off
WORDS = (
    "alerts", "value", "results", "hits", "_source", "_id", "rule", "id", "level", "description", "agent", "name",
    "timestamp", "data", "srcip", "dstip", "alert", "severity", "metadata", "signature", "signature_id",
    "event_type", "src_ip", "dest_ip", "labels", "annotations", "alertname", "instance", "fingerprint",
    "startsAt", "status", "state", "title", "message", "host", "user", "time", "generatorURL", "truncatedAlerts",
    "orgId", "predecoder", "hostname", "mitre", "tags", "link",
)
# fmt: on

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["resolved", "high", "192.0.2.1", "2026-03-02T08:15:30.5+0100", "Mar 02 08:15:30", "https://a.example", "T1"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.sampled_from(WORDS), inner, max_size=6)
    ),
    max_leaves=30,
)


def check(format_, payload):
    elements = read(payload, format_)
    assert elements
    assert "mapping_failed" not in [element.reason for element in elements if isinstance(element, Rejected)]
    for index, element in enumerate(elements):
        if isinstance(element, Alert):
            assert element.index == index
            assert 0 < len(element.title) <= 255
            assert element.time is None or element.time.utcoffset() == datetime.timedelta(0)
            values, _ = format_.case_fields(element)
            assert all(isinstance(value, str) for value in values)


@given(st.sampled_from(sorted(BUNDLED)), st.binary() | st.text().map(str.encode))
def test_any_bytes_give_at_least_one_element_and_never_raise(name, payload):
    check(BUNDLED[name], payload)


@given(st.sampled_from(sorted(BUNDLED)), JSON)
def test_any_json_gives_at_least_one_element_and_never_raises(name, value):
    check(BUNDLED[name], orjson.dumps(value))


@given(JSON, JSON, JSON, JSON)
def test_any_values_in_the_places_of_the_facts_never_raise(one, two, three, four):
    check(
        BUNDLED["wazuh"],
        orjson.dumps(
            {
                "rule": {"id": one, "level": two, "description": three, "mitre": four},
                "agent": four,
                "data": {"srcip": one, "dstip": two, "srcuser": three},
                "timestamp": four,
                "id": two,
            }
        ),
    )
    check(
        BUNDLED["suricata"],
        orjson.dumps(
            {
                "alert": {"severity": one, "signature": two, "metadata": three, "signature_id": four},
                "event_type": "alert",
                "src_ip": one,
                "dest_ip": three,
                "timestamp": two,
                "host": four,
            }
        ),
    )
    check(
        BUNDLED["alertmanager"],
        orjson.dumps(
            {
                "alerts": [
                    {"labels": one, "annotations": two, "startsAt": three, "status": four, "fingerprint": one},
                    two,
                ],
                "status": three,
                "truncatedAlerts": four,
            }
        ),
    )
    check(
        BUNDLED["generic"],
        orjson.dumps(
            {
                "title": one,
                "severity": two,
                "status": three,
                "time": four,
                "host": one,
                "url": two,
                "source": three,
                "tags": four,
            }
        ),
    )
