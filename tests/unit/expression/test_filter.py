import datetime

import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.expression.filter import FILTERS, MOST_CHARS, MOST_ITEMS, calculate, concat
from itop_bridge.expression.value import Missing

NOON = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("join", (["a", 5, None], "-"), "a-5-"),
        ("join", (Missing(),), ""),
        ("default", (None, "x"), "x"),
        ("default", (Missing(), "x"), "x"),
        ("default", ("", "x"), ""),
        ("defang", ("see https://evil.example/a.b?x=1, now",), "see hxxps://evil[.]example/a.b?x=1, now"),
        ("defang", ("HTTP://192.0.2.7:8080/x ftp://h.example",), "HxxP://192[.]0[.]2[.]7:8080/x fxp://h[.]example"),
        ("defang", ("2001:db8::7 at 12:00:05, 1.5 MB",), "2001[:]db8[:][:]7 at 12:00:05, 1.5 MB"),
        ("defang", ("mail bob@evil.example",), "mail bob@evil[.]example"),
        ("defang", ("a" * 90_000,), "a" * 90_000),
        ("defang", (None,), ""),
        ("truncate", ("abcdef", 4), "abc…"),
        ("truncate", ("abcd", 4), "abcd"),
        ("length", ([1, 2],), 2),
        ("first", ([],), None),
        ("first", ("ab",), "a"),
        ("last", ([1, 2],), 2),
        ("last", ([],), None),
        ("sort", ([2, 1],), [1, 2]),
        ("sort", (["b", 3, None, "a"],), [None, 3, "a", "b"]),
        ("unique", (["b", "a", "b", {"x": 1}, {"x": 1}],), ["b", "a", {"x": 1}]),
        ("upper", ("é",), "É"),
        ("lower", (None,), ""),
        ("replace", ("aXa", "X", "-"), "a-a"),
        ("trim", (" a\n",), "a"),
        ("int", ("12",), 12),
        ("int", (" 12.9 ",), 12),
        ("int", ("x",), None),
        ("int", ("x", 0), 0),
        ("isoformat", (NOON,), "2026-07-01T12:00:00+00:00"),
        ("isoformat", ("2026-07-01 12:00:00 UTC",), "2026-07-01T12:00:00+00:00"),
        ("isoformat", ("soon",), "soon"),
        ("local", ("soon", "UTC"), "soon"),
        ("string", (5,), "5"),
    ],
)
def test_filters(name, arguments, result):
    assert FILTERS[name](*arguments) == result


def test_local_gives_the_time_of_a_zone():
    assert FILTERS["local"](NOON, "Europe/Paris").hour == 14
    assert FILTERS["local"]("2026-07-01 12:00:00 UTC", "Asia/Tokyo").hour == 21


@pytest.mark.parametrize("zone", ["Europe/Pariss", "../../etc/passwd", "", "\0"])
def test_local_refuses_what_is_no_zone(zone):
    with pytest.raises(ExpressionError, match="is no time zone"):
        FILTERS["local"](NOON, zone)


@pytest.mark.parametrize(
    "make",
    [
        lambda: concat("x" * MOST_CHARS, "y"),
        lambda: calculate("+", "x" * MOST_CHARS, "y"),
        lambda: FILTERS["join"](["x"] * 1000, "y" * 1000),
        lambda: FILTERS["replace"]("x" * 1000, "x", "y" * 1000),
        lambda: FILTERS["replace"]("x" * 1000, "", "y" * 1000),
        lambda: calculate("+", [1] * MOST_ITEMS, [1]),
    ],
)
def test_little_is_never_made_into_much(make):
    with pytest.raises(ExpressionError, match=r"characters|items"):
        make()


@pytest.mark.parametrize(
    ("sign", "left", "right", "result"),
    [
        ("+", 1, 2, 3),
        ("-", 1, 2, -1),
        ("*", 2, 3, 6),
        ("/", 1, 2, 0.5),
        ("//", 7, 2, 3),
        ("%", 7, 2, 1),
        ("+", "a", "b", "ab"),
    ],
)
def test_arithmetic(sign, left, right, result):
    assert calculate(sign, left, right) == result


@pytest.mark.parametrize(
    ("sign", "left", "right"),
    [("*", "a", 9), ("*", 9, [1]), ("%", "%99d", 1), ("+", "a", 1), ("-", {}, 1), ("*", 2**40, 2**40)],
)
def test_what_is_no_arithmetic_is_refused(sign, left, right):
    with pytest.raises(ExpressionError):
        calculate(sign, left, right)


def test_what_is_worked_out_with_something_missing_is_missing():
    assert calculate("*", Missing(), 3) == Missing()
    assert calculate("-", 3, Missing()) == Missing()
