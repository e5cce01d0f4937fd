"""The interleavings that the first designs of delivery did not survive. Each has a test of its own, wherever it
belongs; the table says where, and which rule it taught (`test_delivery_rules.py`: without the rule it goes wrong).

F fires, R resolves, U raises the urgency.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest
from timeline import Timeline, play

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.store import Store

TESTS = Path(__file__).parents[1]
HERE = "integration/test_delivery_interleavings.py"
DELIVERY = "integration/test_delivery.py"
HOUR = 3600.0


@dataclass(frozen=True)
class Row:
    """An interleaving: where its tests are, and the rules that they rest on."""

    went_wrong: str
    tests: tuple[tuple[str, str], ...]
    rules: tuple[str, ...] = ()


ROWS = {
    "create{F1} given up, still under way; not found; create{F1,F2} refused, reply lost; the first lands": Row(
        "F2 was settled with it, and lost",
        ((DELIVERY, "test_a_late_create_settles_only_what_its_token_proves"),),
        ("token_of_a_create", "all_tokens_before_a_new_plan"),
    ),
    "create{F1}; a person closes; create{F2} not applied, reply lost; found by its key": Row(
        "F2 was lost",
        ((DELIVERY, "test_a_create_found_by_its_key_without_its_token_proves_nothing"),),
        ("token_of_a_create",),
    ),
    "create applied, reply lost; a person closes; looked for": Row(
        "only open incidents were searched: created again",
        (
            (DELIVERY, "test_a_create_that_a_person_closed_before_the_look_is_found"),
            (HERE, "test_a_create_that_a_person_resolved_or_closed_before_the_look_is_not_made_again"),
        ),
        ("in_every_state",),
    ),
    "resolve applied, reply lost; a person reopens": Row(
        "resolved again over the person",
        ((DELIVERY, "test_a_resolve_that_a_person_reopened_before_the_look_is_not_done_again"),),
        ("token_of_a_resolve",),
    ),
    "raise applied, reply lost; a person lowers it": Row(
        "raised again",
        ((DELIVERY, "test_a_raise_that_a_person_lowered_before_the_look_is_not_done_again"),),
        ("token_of_a_raise", "urgency_that_is_ours"),
    ),
    "resolve not applied, reply lost; a person resolves": Row(
        "taken for ours, and its text lost",
        ((DELIVERY, "test_a_resolve_that_a_person_did_instead_is_not_taken_for_ours"),),
        ("token_of_a_resolve",),
    ),
    "append given up, sent again, both land": Row(
        "a double entry",
        (
            (DELIVERY, "test_an_append_that_lands_late_is_not_doubled"),
            (HERE, "test_an_append_that_had_found_its_incident_and_lands_after_the_next_read_is_not_doubled"),
        ),
        ("write_on_what_was_read", "write_unless_the_token_is_there"),
    ),
    "resolve given up, still under way; F2 appended; the resolve lands": Row(
        "resolved while firing",
        ((DELIVERY, "test_a_resolve_that_lands_late_does_not_close_over_a_firing_alert"),),
        ("write_on_what_was_read",),
    ),
    "F1 creates, F2 waits for its turn; a person resolves; F2's turn": Row(
        "reopened by an old alert",
        ((DELIVERY, "test_what_a_person_resolved_is_not_reopened_by_an_old_alert"),),
        ("old_alerts_reopen_nothing",),
    ),
    "R1 before F1": Row(
        "R1 was dropped, and the incident open for ever",
        (
            (DELIVERY, "test_a_resolve_before_its_alert_settles_both"),
            (DELIVERY, "test_a_resolve_whose_alert_never_comes_is_dropped"),
        ),
        ("resolve_waits",),
    ),
    "F1, R1, F1 byte for byte": Row(
        "taken for a repeat: resolved while firing",
        ((DELIVERY, "test_a_refire_byte_for_byte_is_not_taken_for_a_repeat"),),
        ("repeat_since",),
    ),
    "committed, dead before the PUBACK, an hour down, redelivered": Row(
        "counted twice, since ten minutes were over",
        (
            (HERE, "test_a_redelivery_after_an_hour_makes_no_second_row"),
            ("unit/journal/test_intake.py", "test_a_redelivery_after_a_reconnect_makes_no_second_row"),
        ),
    ),
    "`group_by` changed; R1 computes another key": Row(
        "the old incident open for ever",
        ((DELIVERY, "test_a_resolve_follows_its_alert_when_group_by_changed"),),
        ("resolve_follows_its_alert",),
    ),
    "two tenants, one agent's number and rule": Row(
        "one tenant's text in the other's incident",
        ((DELIVERY, "test_tenants_with_the_same_alert_id_stay_apart"),),
        ("organization_of_the_case",),
    ),
    "create applied, reply lost; a person deletes; or it lands after the time limit": Row(
        "made twice, which iTop gives no means to prevent",
        (
            (HERE, "test_a_create_that_a_person_deleted_before_the_look_is_made_once_more_and_loses_nothing"),
            (DELIVERY, "test_a_late_twin_is_noted_in_both_and_never_closed"),
        ),
        ("twins_are_looked_for", "own_twin_wins"),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests(row):
    for file, name in ROWS[row].tests:
        assert name in _functions(TESTS / file)
    assert ROWS[row].tests


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row].rules])
def test_the_rules_of_a_row_are_taken_away_in_the_test_of_rules(row):
    assert set(ROWS[row].rules) <= _functions(TESTS / "integration/test_delivery_rules.py")


def _functions(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


# what has its test nowhere else


@pytest.mark.parametrize("verb", ["resolve", "close"])
async def test_a_create_that_a_person_resolved_or_closed_before_the_look_is_not_made_again(verb):
    async with Timeline.open() as world:
        assert await world.play(f"lost create; F1; {verb}; 3m") == []
        assert len(world.incidents) == 1
        assert world.incident()["status"] == f"{verb}d"


async def test_an_append_that_had_found_its_incident_and_lands_after_the_next_read_is_not_doubled():
    """It is stored in the same second in which a person saved, which was read: `last_update` does not tell."""
    assert await play("F1; 10m; stall update; F2; 61s; between stalled!; instant log; 3m") == []


async def test_a_create_that_a_person_deleted_before_the_look_is_made_once_more_and_loses_nothing():
    async with Timeline.open() as world:
        assert await world.play("lost create; F1; delete; 3m; R1; 10m") == []
        assert world.simulator.count("core/create", wrote=True) == 2
        assert world.incident()["status"] == "resolved"


async def test_a_redelivery_after_an_hour_makes_no_second_row(tmp_path):
    """Whether it is one is told by the connection that brought it, not by a window of time."""
    store = await Store.open(tmp_path / "journal.db")
    try:
        first = IntakeJournal(store)
        alert = Received(b"siem/a", b"1", 1_000.0, 1)
        await first.record_events(await first.open_connection(session_present=False), [alert])
        second = IntakeJournal(store)
        again = Received(b"siem/a", b"1", 1_000.0 + HOUR, 1)
        connection = await second.open_connection(session_present=True)
        assert await second.record_events(connection, [again]) == 0
    finally:
        await store.close()
