import pytest

from itop_bridge.simulator.oql.parser import OqlError, parse_query
from itop_bridge.simulator.oql.syntax import (
    BinaryOqlExpression,
    FieldOqlExpression,
    FunctionOqlExpression,
    ScalarOqlExpression,
)


def condition(text):
    (select,) = parse_query(f"SELECT Incident WHERE {text}").selects
    return select.where


def test_and_binds_tighter_than_or():
    where = condition("a = 1 OR b = 2 AND c = 3")
    assert where.operator == "LOG_OR"
    assert where.right.operator == "LOG_AND"


def test_parentheses_bind_first():
    assert condition("(a = 1 OR b = 2) AND c = 3").operator == "LOG_AND"


def test_an_interval_becomes_amount_and_unit():
    where = condition("start_date > DATE_SUB(NOW(), INTERVAL 1 HOUR)")
    now, one, hour = where.right.arguments
    assert now == FunctionOqlExpression("NOW", ())
    assert (one, hour) == (ScalarOqlExpression(1), ScalarOqlExpression("HOUR"))


def test_a_join_names_both_sides():
    (select,) = parse_query("SELECT Incident AS i JOIN Organization AS o ON i.org_id = o.id WHERE o.code = 'X'").selects
    (join,) = select.joins
    assert (select.alias, join.iclass, join.alias) == ("i", "Organization", "o")
    assert (join.left.alias, join.left.name) == ("i", "org_id")
    assert isinstance(select.where, BinaryOqlExpression)
    assert isinstance(select.where.left, FieldOqlExpression)


def test_unions_are_several_selects():
    assert [each.iclass for each in parse_query("SELECT Server UNION SELECT Farm").selects] == ["Server", "Farm"]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "SELECT Incident WHERE",
            "OQLParserSyntaxErrorException",
            "Unexpected token End of Input - found '0' at 0 in 'SELECT Incident WHERE'",
        ),
        (
            "SELECT Incident WHERE id>0 ORDER BY id DESC",
            "OQLParserSyntaxErrorException",
            "Unexpected token NAME - found 'ORDER' at 27 in 'SELECT Incident WHERE id>0 ORDER BY id DESC'",
        ),
        (
            "SELECT Incident WHERE title='it''s'",
            "OQLParserSyntaxErrorException",
            "Unexpected token STRVAL - found ''s'' at 32 in 'SELECT Incident WHERE title='it''s''",
        ),
        ("SELECT Incident WHERE ref='x", "Exception", "Unexpected input at line 1: '"),
        ("EXC", "OQLException", "Expecting an OQL query - found 'FieldOqlExpression' at 0 in 'EXC'"),
    ],
)
def test_errors_are_in_itops_words(text, kind, message):
    with pytest.raises(OqlError) as caught:
        parse_query(text)
    assert (caught.value.kind, str(caught.value)) == (kind, message)
