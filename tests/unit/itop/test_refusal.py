"""Refusals that echo what an attacker wrote: no text may pass for another error."""

import pytest

from itop_bridge.itop.error import (
    ConditionError,
    DatabaseError,
    FieldError,
    LogFullError,
    RefusedError,
    StimulusError,
    TooLongError,
)
from itop_bridge.itop.refusal import parse_refusal, shorten

_UPDATE = {
    "operation": "core/update",
    "class": "Incident",
    "key": 1,
    "fields": {"title": "t", "soc_journal": {"add_item": {"message": "m", "format": "text"}}, "public_log": "x"},
}


def _sql(errno, error, text="t"):
    query = f"UPDATE `ticket` SET `title` = '{text}'"
    return f"Error: Failed to issue SQL query: query = {query}, mysql_errno = {errno}, mysql_error = {error}"


def test_an_error_number_in_the_echoed_query_is_not_the_error():
    message = _sql(1205, "Lock wait timeout exceeded", text="x, mysql_errno = 1290, mysql_error = read-only")
    error = parse_refusal(100, message, _UPDATE)
    assert type(error) is DatabaseError
    assert error.errno == 1205


def test_a_value_that_reads_like_another_error_stays_a_value():
    value = "mysql_errno = 1205 Invalid stimulus: 'ev_x' on the object y in state 'new'"
    message = f"Error: Unexpected value for attribute 'Origin' (origin) : Value not allowed [{value}]: issues = {{}}"
    error = parse_refusal(100, message, _UPDATE)
    assert type(error) is FieldError
    assert (error.field, error.reason) == ("origin", "value_not_allowed")


def test_a_reference_by_a_hostile_name_stays_a_reference():
    query = "SELECT Team WHERE name = 'Missing mandatory attribute(s) for applying the stimulus: x.'"
    request = {**_UPDATE, "fields": {"team_id": query}}
    error = parse_refusal(100, f"Error: team_id: No item found for query: {query}", request)
    assert type(error) is FieldError
    assert (error.field, error.reason) == ("team_id", "not_found")


def test_a_condition_that_quotes_another_error_stays_a_condition():
    key = "SELECT Incident WHERE title = 'Failed to issue SQL query, mysql_errno = 1406, mysql_error = x'"
    error = parse_refusal(100, f"Error: No item found for query: {key}", {**_UPDATE, "key": key})
    assert type(error) is ConditionError


def test_a_label_with_quotes_and_colons_does_not_hide_the_field():
    message = "Error: Unexpected value for attribute 'Niveau d'urgence' (urgency) : Null not allowed: issues = {}"
    error = parse_refusal(100, message, _UPDATE)
    assert (error.field, error.reason) == ("urgency", "null_not_allowed")


def test_a_word_before_a_colon_is_a_field_only_if_the_call_names_it():
    assert type(parse_refusal(100, "Error: Contact: x is already linked", _UPDATE)) is RefusedError


@pytest.mark.parametrize(
    ("operation", "column", "expected"),
    [
        ("core/update", "public_log_index", LogFullError),
        ("core/apply_stimulus", "soc_journal_index", LogFullError),
        ("core/update", "soc_journal", LogFullError),
        ("core/create", "soc_journal_index", TooLongError),  # nothing is there yet to carry on with
        ("core/update", "title", TooLongError),
        ("core/update", "description", TooLongError),
    ],
)
def test_a_full_log_is_told_from_a_long_text(operation, column, expected):
    request = {**_UPDATE, "operation": operation}
    error = parse_refusal(100, _sql(1406, f"Data too long for column '{column}' at row 1"), request)
    assert type(error) is expected
    assert column in (getattr(error, "column", None), getattr(error, "field", None))


@pytest.mark.parametrize(
    ("code", "message", "errno"),
    [
        (100, _sql(1213, "Deadlock found when trying to get lock"), 1213),
        (100, "Error: Failed to issue SQL query: query = x", None),
        (100, _sql("x", "y"), None),
        (1064, "Error: Failed to issue SQL query: query = x", 1064),
        (1366, "something else", 1366),
    ],
)
def test_any_other_text_of_the_database_is_uncertain(code, message, errno):
    error = parse_refusal(code, message, _UPDATE)
    assert type(error) is DatabaseError
    assert error.errno == errno


def test_several_missing_attributes_are_all_named():
    request = {"operation": "core/apply_stimulus", "stimulus": "ev_resolve", "fields": {}}
    message = "Missing mandatory attribute(s) for applying the stimulus: solution, service_id."
    error = parse_refusal(100, message, request)
    assert type(error) is StimulusError
    assert error.missing == ("solution", "service_id")


def test_a_quarter_megabyte_of_sql_becomes_one_short_line():
    error = parse_refusal(
        100, _sql(1406, "Data too long for column 'public_log_index' at row 1", "x" * 231_000), _UPDATE
    )
    assert str(error) == "MySQL 1406: Data too long for column 'public_log_index' at row 1"


def test_shorten():
    assert shorten(" a\r\n\tb ") == "a b"
    assert len(shorten("x" * 10_000)) == 300
