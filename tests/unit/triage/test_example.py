import pytest

from itop_bridge.settings.document import parse_document
from itop_bridge.triage.example import find_differences
from itop_bridge.triage.format import parse_format

FORMAT = """\
product: Acme
recognised_by: {name: present}
drop: [{reason: test_notification, if: {name: test}}]
fields: {id: id, title: name, time: time, host: host}
severity: [{path: sev, words: standard}]
states: {path: state, resolved: [ok]}
observables: {tags: tags}
group_by: [title, host]
examples:
  - name: one
    payload: PAYLOAD
    expect: EXPECT
"""
ALERT = '{name: Disk full, id: 7, sev: high, state: open, host: db-1, time: "2026-01-31T13:00:00+01:00", tags: [a, b]}'


def differences(payload, expect):
    """What differs, without the place."""
    text = FORMAT.replace("PAYLOAD", payload).replace("EXPECT", expect)
    format_ = parse_format("acme", parse_document(text.encode(), "acme.yaml"))
    found = [text for example in format_.examples for text in find_differences(example, format_)]
    place = "acme.yaml:10:5: example 'one': "
    assert all(text.startswith(place) for text in found)
    return [text.removeprefix(place) for text in found]


@pytest.mark.parametrize(
    "expect",
    [
        "{title: Disk full, id: 7, severity: high, state: firing, one_shot: false, case: [Disk full, db-1]}",
        "{outcome: alert, time: 2026-01-31T12:00:00Z, notes: [], observables: {tags: [a, b]}, user: null, link: null}",
        '{time: "2026-01-31T13:00:00+01:00"}',
        "{time: 2026-01-31 12:00:00}",
        "[{id: '7'}]",
        "{}",
    ],
)
def test_what_is_as_expected_is_not_told(expect):
    assert differences(ALERT, expect) == []


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ("{title: Disk}", "title: 'Disk' expected, found 'Disk full'"),
        ("{severity: low}", "severity: 'low' expected, found 'high'"),
        ("{host: null}", "host: None expected, found 'db-1'"),
        ("{user: bob}", "user: 'bob' expected, found None"),
        ("{one_shot: true}", "one_shot: True expected, found False"),
        ("{time: 2026-01-31T13:00:00Z}", "time: '2026-01-31T13:00:00Z' expected, found '2026-01-31T12:00:00Z'"),
        ("{time: soon}", "time: 'soon' expected, found '2026-01-31T12:00:00Z'"),
        ("{notes: [time_unknown]}", "notes: ['time_unknown'] expected, found []"),
        ("{case: [Disk full]}", "case: ['Disk full'] expected, found ['Disk full', 'db-1']"),
        ("{case: null}", "case: None expected, found ['Disk full', 'db-1']"),
        ("{observables: {}}", "observables: {} expected, found {'tags': ['a', 'b']}"),
        ("{outcome: dropped}", "dropped expected, found the alert 'Disk full'"),
        (
            "{outcome: dead_letter, reason: invalid_json}",
            "dead_letter invalid_json expected, found the alert 'Disk full'",
        ),
        ("[{}, {}]", "2 elements expected, 1 found: the alert 'Disk full'"),
        ("[]", "0 elements expected, 1 found: the alert 'Disk full'"),
    ],
)
def test_a_difference_is_told_with_its_place(expect, difference):
    assert differences(ALERT, expect) == [difference]


@pytest.mark.parametrize(
    ("payload", "expect"),
    [
        ("{name: test}", "{outcome: dropped, reason: test_notification}"),
        ("{name: test}", "{outcome: dropped}"),
        ("'{'", "{outcome: dead_letter, reason: invalid_json}"),
        ("{}", "{outcome: dead_letter, reason: unrecognised_shape}"),
        (
            "[{name: a}, {name: test}, 5]",
            "[{title: a}, {outcome: dropped}, {outcome: dead_letter, reason: not_an_object}]",
        ),
    ],
)
def test_drops_and_dead_letters_are_expected_by_their_reason(payload, expect):
    assert differences(payload, expect) == []


def test_the_element_of_a_difference_is_told_where_there_are_several():
    found = differences(
        "[{name: a}, {name: test}, 5]", "[{title: b}, {outcome: dropped, reason: hidden}, {outcome: dropped}]"
    )
    assert found == [
        "element 0: title: 'b' expected, found 'a'",
        "element 1: dropped hidden expected, found dropped test_notification",
        "element 2: dropped expected, found dead_letter not_an_object (an element is a number, not an object)",
    ]


def test_the_receipt_of_an_example_is_fixed():
    assert differences('{name: a, time: "Jan 31 12:00:00"}', "{time: 2026-01-31T12:00:00Z}") == []
