from pathlib import Path

import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.journal.mail import Owed
from itop_bridge.journal.notice import Contents
from itop_bridge.log import ALARMS
from itop_bridge.mail.outage import Turn
from itop_bridge.mail.text import (
    SUBJECTS,
    Pen,
    Surroundings,
    compile_pen,
    describe_contents,
    describe_turns,
    describe_waiting,
    write_text,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "mail.md"
AROUND = Surroundings("bridge1", "https://itop.example", 1_790_000_600.0, [("itop_unreachable", 1_790_000_000.0)])
ALERT = {
    "title": "See http://evil.example",
    "severity": "critical",
    "host": "srv-01",
    "time": "2026-09-21 14:13:20 UTC",
    "description": "one\n-- \nitop-bridge on\n\x1b[2J{{ 7 * 7 }}<b>",
}


def row(**changes):
    return {"route": "wazuh", "at": 1_790_000_000.0, "alert": ALERT, "digest": "abc", "ref": None, **changes}


def scene(kind="escalated", rows=None, count=None, counts=None):
    rows = [row()] if rows is None else rows
    return describe_contents(kind, Contents(tuple(rows), count or len(rows), counts or {}), AROUND)


def test_what_burns_is_told_and_every_line_of_an_outsider_is_marked():
    subject, text = write_text(scene(), Pen())
    assert subject == "[itop-bridge] Not in iTop, critical: See hxxp[:]//evil[.]example"
    assert "1. critical, route wazuh, 2026-09-21 14:13:20 UTC\n" in text
    assert "   > description: one\n   >   --\n   >   itop-bridge on\n   >   [2J{{ 7 * 7 }}<b>\n" in text
    assert "Alarm: itop_unreachable since 2026-09-21 14:13:20 UTC" in text
    assert "http://" not in text
    assert text.endswith("-- \nitop-bridge on bridge1")


def test_what_is_too_much_to_be_listed_is_counted():
    _, text = write_text(scene(rows=[row(), row()], count=1000), Pen())
    assert "1000 alerts are not in iTop" in text
    assert "And 998 more." in text


@pytest.mark.parametrize("kind", ["arrived", "created"])
def test_an_incident_is_named_with_our_link(kind):
    rows = [row(ref="I-000123", incident=123, iclass="Incident")]
    subject, text = write_text(scene(kind, rows), Pen())
    assert "I-000123: See hxxp" in subject
    assert "https://itop.example/pages/UI.php?operation=details&class=Incident&id=123\n" in text


@pytest.mark.parametrize("changes", [{}, {"incident": -3, "iclass": "Incident"}, {"incident": None}])
def test_what_is_not_in_itop_has_no_link(changes):
    assert scene(rows=[row(**changes)])["items"][0]["link"] is None


def test_a_dead_letter_has_its_reason_and_number():
    dead = {"alert": {}, "id": 7, "reason": "field_missing", "field": "title", "detail": "no\r\ntitle", "topic": "a/b"}
    subject, text = write_text(scene("dead_letters", [row(**dead)], counts={"field_missing": 1}), Pen())
    assert subject == "[itop-bridge] A dead letter: field_missing"
    assert "   field_missing (title), number 7\n   > topic: a/b\n   > detail: no\n   >   title\n" in text


def test_outages_are_told_with_their_time():
    turns = [
        Turn("itop_unreachable", 1_790_000_000.0, over=True),
        Turn("source_silent", 1_790_000_000.0, over=False, detail="wazuh\nhttp://x.io"),
    ]
    subject, text = write_text(describe_turns(turns, AROUND), Pen())
    assert subject == "[itop-bridge] 2 outages began or ended"
    assert "itop_unreachable is over; it held for 10m, since 2026-09-21 14:13:20 UTC" in text
    assert "source_silent holds for 10m, since 2026-09-21 14:13:20 UTC\n   > wazuh hxxp[:]//x[.]io" in text


def test_an_outage_that_lasts_has_what_it_means_what_to_do_and_what_waits():
    turn = Turn("itop_unreachable", 1_790_000_000.0, over=False)
    waiting = describe_waiting(Owed(alerts=12, messages=1))
    _, text = write_text(describe_turns([turn], AROUND, waiting), Pen())
    assert f"What it tells: {ALARMS['itop_unreachable'].meaning}\n" in text
    assert f"What to do: {ALARMS['itop_unreachable'].remedy}\n" in text
    assert "What waits: 12 alerts for iTop, 1 message to be read.\n" in text
    assert describe_waiting(Owed(0, 0)) == ""


def test_only_where_others_wrote_something_it_is_said_who_did():
    dead = {"alert": {}, "id": 7, "reason": "no_route", "field": None, "detail": None, "topic": None}
    assert "behind >" not in write_text(scene("dead_letters", [row(**dead)]), Pen())[1]
    assert "behind >" in write_text(scene(), Pen())[1]


@pytest.mark.parametrize("kind", SUBJECTS)
def test_every_kind_has_a_text_for_one_and_for_many(kind):
    turn = Turn("itop_unreachable", 1_790_000_000.0, over=False)
    for count in (1, 2):
        described = describe_turns([turn] * count, AROUND) if kind == "outage" else scene(kind, [row()] * count)
        subject, text = write_text(described, Pen())
        assert len(subject) > len("[itop-bridge] ")
        assert "bridge1" in text
        assert "None" not in subject + text


def test_a_template_of_ones_own_takes_the_place_of_ours():
    pen = compile_pen("{{ count }} of {{ items[0].route }}", None)
    subject, text = write_text(scene(), pen)
    assert subject == "[itop-bridge] 1 of wazuh"
    assert "not in iTop yet" in text


def test_a_subject_of_ones_own_stays_on_its_line():
    assert write_text(scene(), compile_pen("a\nb: {{ items[0].description }}", None))[0].count("\n") == 0


def test_a_template_that_names_what_is_not_there_does_not_compile():
    with pytest.raises(ExpressionError, match="alert"):
        compile_pen("{{ alert.title }}", None)


def test_everything_that_a_template_sees_is_told():
    told = DOCUMENT.read_text(encoding="utf-8")
    described = scene()
    names = [*described, *described["items"][0], *SUBJECTS]
    assert [name for name in names if f"`{name}`" not in told] == []
