import pytest

from itop_bridge.log import ALARMS, EVENTS
from itop_bridge.log.table import describe_entry, list_entries, tabulate_alarms, tabulate_news, tabulate_troubles


def names_of(table):
    return [row.split("`")[1] for row in table[2:]]


def test_every_entry_is_in_one_table():
    events = names_of(tabulate_troubles()) + names_of(tabulate_news())
    assert sorted(events) == sorted(EVENTS)
    assert names_of(tabulate_alarms()) == list(ALARMS)


def test_what_wants_a_look_is_apart_from_how_it_goes():
    assert {"case.parked", "broker.lost", "daemon.failed"} <= {*names_of(tabulate_troubles())}
    assert {"incident.created", "event.journaled"} <= {*names_of(tabulate_news())}


@pytest.mark.parametrize("tabulate", [tabulate_troubles, tabulate_news, tabulate_alarms])
def test_a_table_has_as_many_cells_in_every_row(tabulate):
    assert len({row.count("|") for row in tabulate()}) == 1


def test_fields_that_only_sometimes_stand_there_are_told_apart():
    (row,) = [row for row in tabulate_troubles() if row.startswith("| `broker.refused`")]
    assert row.endswith("| `reason`, `attempt`; sometimes `count` |")


def test_the_list_has_a_line_for_each_entry():
    assert len(list_entries()) == len(EVENTS) + len(ALARMS)


def test_an_entry_is_told_in_full_and_fits_a_terminal():
    lines = describe_entry("case.parked")
    assert lines[0] == "case.parked (error)"
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "] == ["what", "what", "fields"]
    assert max(map(len, lines)) <= 100


def test_an_alarm_is_told_with_what_ends_it():
    lines = describe_entry("journal_full")
    assert lines[0] == "journal_full (alarm)"
    assert any(" ".join(line.split()) == "ends when the journal stores again" for line in lines)


def test_where_there_is_nothing_to_do_that_is_said():
    assert "  what to do     Nothing." in describe_entry("attempt.lost")


def test_a_name_that_is_none_is_refused():
    with pytest.raises(KeyError):
        describe_entry("case.parkd")
