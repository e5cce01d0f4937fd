"""The judge can condemn: worlds made by hand, each with one wrong in it."""

from dataclasses import replace

import pytest
from judge import Evidence, Judge
from letter import Kind, Letter, Mention
from record import Event, Row
from witness import Deed, Glimpse, Incident, Write

CASE, OTHER = "EXC/generic/r", "OTH/generic/r"
NEW, ASSIGNED = Glimpse("new", 0, "2"), Glimpse("assigned", 3, "2")


def token(number):
    return f"{number:016x}"


def entry(number, *markers, count=None):
    lines = "".join(f"\n- {marker} shot [high]" for marker in markers)
    return f"{count or len(markers)} alerts, received then.{lines}\n[sb:{token(number)}]"


class Scene:
    """A world in which all is well, to be spoilt."""

    def __init__(self):
        self.letters, self.events, self.writes, self.deeds, self.incidents = [], [], [], [], {}
        self.at = 1000.0

    def send(self, kind=Kind.SHOT, *, case=CASE, alert=None, reason="", arrives=True):
        """A letter with one alert; returns its marker."""
        number = len(self.letters) + 1
        mention = Mention(f"M{number:06}", number, kind, case, alert or f"a{number}", reason)
        letter = Letter(f"siem/{case}", mention.marker.encode(), (mention,), sent=1, acknowledged=1)
        self.letters.append(letter)
        if arrives:
            self.arrive(letter)
        return mention.marker

    def arrive(self, letter, **fate):
        number = len(self.events) + 1
        row = Row(number, 0, **{"fate": "owed", **fate})
        self.events.append(Event(number, letter.topic, letter.payload, len(letter.payload), (row,)))

    def fate(self, event, **fate):
        """What became of the event's alert."""
        event_ = self.events[event - 1]
        self.events[event - 1] = replace(event_, rows=(Row(event, 0, **fate),))

    def write(self, number, *events, incident=1, operation="core/update", org="EXC", **more):
        """The bridge tells of the alerts of these events."""
        markers = [self.letters[event - 1].mentions[0].marker for event in events]
        self.at += 10.0
        text = entry(number, *markers)
        creates = operation == "core/create"
        before = Glimpse() if creates else NEW
        self.writes.append(Write(self.at, operation, incident, **{"before": before, "entry": text, **more}))
        self.put(incident, text, org=org)
        for event in events:
            self.fate(event, fate="told", token=token(number))

    def create(self, number, *events, **more):
        self.write(number, *events, operation="core/create", urgency="2", **more)

    def put(self, incident, text, *, org="EXC"):
        known = self.incidents.get(incident) or Incident(incident, f"I-{incident}", org, "new", (), "")
        self.incidents[incident] = replace(known, entries=(*known.entries, text))

    def end(self, incident, status):
        self.incidents[incident] = replace(self.incidents[incident], status=status)

    def find(self):
        evidence = Evidence(self.letters, self.events, self.writes, self.deeds, self.incidents)
        return [str(each) for each in Judge(evidence).find()]


@pytest.fixture
def scene():
    """Three shots: the first opened the incident, the others were appended to it."""
    scene = Scene()
    for _ in range(3):
        scene.send()
    scene.create(1, 1)
    scene.write(2, 2, 3)
    return scene


def test_a_world_in_which_all_is_well_has_no_findings(scene):
    assert scene.find() == []


def test_an_acknowledged_alert_that_is_not_in_the_journal_is_lost(scene):
    marker = scene.send(arrives=False)
    assert scene.find() == [f"lost: siem/{CASE} {marker}: acknowledged to the publisher, and not in the journal"]


def test_an_alert_that_was_not_acknowledged_may_be_missing(scene):
    scene.send(arrives=False)
    scene.letters[-1].acknowledged = 0
    assert scene.find() == []


def test_an_alert_of_which_nothing_became_is_lost(scene):
    scene.send()
    scene.events[-1] = replace(scene.events[-1], rows=())
    assert scene.find() == ["lost: M000004 in event 4: nothing became of it"]


@pytest.mark.parametrize(
    "fate",
    [
        {"fate": "owed", "reason": "pending"},
        {"fate": "parked", "reason": "poison"},
        {"fate": "dead", "reason": "x"},
        {"fate": "dropped", "reason": "repeat"},
        {"fate": "dropped", "reason": "log_budget"},
    ],
)
def test_a_new_alert_that_is_not_told_is_lost(scene, fate):
    scene.send()
    scene.fate(4, **fate)
    assert [each.partition(":")[0] for each in scene.find()] == ["lost"]


def test_an_entry_that_the_journal_counts_on_and_itop_has_not_is_lost(scene):
    scene.incidents[1] = replace(scene.incidents[1], entries=scene.incidents[1].entries[:1])
    assert scene.find() == [f"lost: M000002, M000003: told with {token(2)}, which stands nowhere in iTop"]


def test_an_entry_that_tells_of_fewer_alerts_than_it_settled_is_lost(scene):
    scene.send()
    scene.fate(4, fate="told", token=token(2))
    assert scene.find() == [
        f"lost: {token(2)} tells of 2 alerts, and stands for 3",
        f"lost: {token(2)} names M000002, M000003, and stands for M000002, M000003, M000004",
    ]


def test_a_doubled_entry_is_found(scene):
    scene.put(1, scene.incidents[1].entries[1])
    assert scene.find() == [
        f"duplicated: M000002, M000003: {token(2)} stands in iTop 2 times",
        "duplicated: M000002 stands in 2 entries",
        "duplicated: M000003 stands in 2 entries",
    ]


def test_an_entry_written_again_under_another_token_is_found(scene):
    text = entry(9, "M000002")
    scene.writes.append(Write(scene.at + 1, "core/update", 1, before=NEW, entry=text))
    scene.put(1, text)
    assert scene.find() == [
        f"duplicated: {token(9)} on incident 1 is in iTop, and the journal does not count on it",
        "duplicated: M000002 stands in 2 entries",
    ]


def test_a_message_that_is_journaled_twice_is_found(scene):
    scene.arrive(scene.letters[2], fate="dropped", reason="repeat", landed=False)
    assert scene.find() == [f"duplicated: siem/{CASE} M000003: 2 times in the journal, sent 1 times"]


def test_a_message_that_is_sent_twice_may_be_journaled_twice_and_is_told_once(scene):
    scene.arrive(scene.letters[2], fate="dropped", reason="repeat", landed=False)
    scene.letters[2].sent = 2
    assert scene.find() == []
    scene.fate(4, fate="told", token=token(2))
    assert "duplicated: M000003 (shot) in event 4 became told, and had come just before" in scene.find()


def test_a_second_incident_beside_one_that_is_ongoing_is_found(scene):
    scene.send()
    scene.create(3, 4, incident=2, ongoing=frozenset({1}))
    assert scene.find() == [f"duplicated: {CASE}: incident 2 beside 1, which was ongoing"]


def test_a_further_incident_after_a_closed_one_is_right(scene):
    scene.send()
    scene.create(3, 4, incident=2)
    assert scene.find() == []


def test_alerts_that_are_told_in_another_order_are_found(scene):
    scene.writes[0], scene.writes[1] = scene.writes[1], scene.writes[0]
    assert scene.find() == [f"out of order: {CASE}: M000003 was told before M000001"]


def test_alerts_that_an_entry_names_in_another_order_are_found(scene):
    entries = scene.incidents[1].entries
    scene.incidents[1] = replace(scene.incidents[1], entries=(entries[0], entry(2, "M000003", "M000002")))
    assert scene.find() == [
        f"out of order: {token(2)} names M000003, M000002, and stands for M000002, M000003",
    ]


def test_the_text_of_one_organisation_in_the_incident_of_another_is_found(scene):
    scene.send(case=OTHER)
    scene.write(3, 4)
    assert "mixed: I-1 of EXC has text of EXC, OTH" in scene.find()


def test_the_text_of_two_cases_in_one_incident_is_found(scene):
    scene.send(case="EXC/generic/other")
    scene.write(3, 4)
    assert scene.find() == ["mixed: I-1 has text of the cases EXC/generic/other, EXC/generic/r"]


def test_rubbish_has_to_become_a_dead_letter_for_its_own_reason(scene):
    scene.send(Kind.RUBBISH, reason="invalid_json")
    scene.fate(4, fate="dead", reason="invalid_json")
    assert scene.find() == []
    scene.fate(4, fate="dead", reason="empty_payload")
    assert scene.find() == ["lost: M000004 (rubbish) in event 4 became dead empty_payload"]


# incidents that end


@pytest.fixture
def firing():
    """An alert that fired, was resolved, and was told so; its incident was resolved by us."""
    scene = Scene()
    scene.send(Kind.FIRE, alert="a")
    scene.create(1, 1)
    scene.send(Kind.RESOLVE, alert="a")
    scene.write(2, 2, operation="core/apply_stimulus", stimulus="ev_autoresolve")
    scene.end(1, "resolved")
    return scene


def test_what_ended_is_resolved(firing):
    assert firing.find() == []
    firing.end(1, "new")
    assert firing.find() == [f"not resolved: {CASE}: nothing fires, and I-1 is new"]


def test_an_incident_that_was_resolved_by_us_while_an_alert_fires_is_found(firing):
    firing.send(Kind.FIRE, alert="b")
    firing.write(3, 3)
    assert firing.find() == [f"resolved while firing: {CASE}: I-1 was resolved by us, and M000003 fire"]


def test_a_resolve_of_what_a_person_holds_is_found(firing):
    firing.writes[-1] = replace(firing.writes[-1], before=ASSIGNED)
    assert firing.find() == [f"over a person: ev_autoresolve on incident 1, which a person held ({ASSIGNED})"]


def test_an_urgency_that_a_person_set_and_we_raised_is_found(scene):
    raised = Write(scene.at, "core/update", 1, before=Glimpse("new", 0, "4"), urgency="1", entry=scene.writes[1].entry)
    scene.writes[1] = raised
    assert scene.find() == [
        f"over a person: core/update on incident 1 raised an urgency that was a person's ({raised.before})"
    ]


def test_an_incident_that_is_reopened_for_nothing_new_is_found(firing):
    firing.deeds.append(Deed(firing.at + 1, "resolve", 1))
    firing.send(Kind.UPDATE, alert="a")
    firing.write(3, 3, operation="core/apply_stimulus", stimulus="ev_reopen")
    assert firing.find() == ["over a person: ev_reopen, incident 1, for nothing new: M000003"]
