import pytest

from itop_bridge.command.pair import parse_fields, parse_key, parse_value, parse_variables
from itop_bridge.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SOC", "SOC"),
        ("", ""),
        ("int:4", 4),
        ("int:-4", -4),
        ("float:1.5", 1.5),
        ("bool:yes", True),
        ("bool:False", False),
        ("str:int:4", "int:4"),
        ('json:[{"a": 1}]', [{"a": 1}]),
        ("https://itop.example", "https://itop.example"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_a_value_has_the_type_before_its_first_colon(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize("text", ["int:four", "int:", "bool:maybe", "json:[", "float:x", "json:" + "[" * 100_000])
def test_a_value_that_is_not_of_its_type_is_told(text):
    with pytest.raises(UsageError, match="is no"):
        parse_value(text)


def test_fields_are_nested_by_dots():
    assert parse_fields(["name=Doe", "org_id.code=EXC", "org_id.name=a=b", "urgency=int:1"]) == {
        "name": "Doe",
        "org_id": {"code": "EXC", "name": "a=b"},
        "urgency": 1,
    }


@pytest.mark.parametrize(
    "pairs", [["name"], ["=x"], ["a..b=1"], [".a=1"], ["a=1", "a=2"], ["a=1", "a.b=2"], ["a.b=1", "a=2"]]
)
def test_what_is_no_field_is_told(pairs):
    with pytest.raises(UsageError):
        parse_fields(pairs)


def test_a_variable_keeps_every_colon_after_the_first():
    given = ["time:2024-05-01 10:00:00", "source_ip:fe80::1", "comment:", "link:https://siem:8443/?a=b:c"]
    assert parse_variables(given) == {
        "time": "2024-05-01 10:00:00",
        "source_ip": "fe80::1",
        "comment": "",
        "link": "https://siem:8443/?a=b:c",
    }


@pytest.mark.parametrize("pairs", [["time"], [":x"], ["a b:c"], ["a.b:c"], ["a:1", "a:2"]])
def test_what_is_no_variable_is_told(pairs):
    with pytest.raises(UsageError):
        parse_variables(pairs)


@pytest.mark.parametrize(
    ("text", "key"), [("12", 12), ("SELECT Person", "SELECT Person"), ("select Person", "select Person")]
)
def test_a_key_is_an_id_or_a_query(text, key):
    assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "-1", "1.5", "Doe", "SELECTED", "\u0662"])
def test_what_is_no_key_is_told(text):
    with pytest.raises(UsageError, match="names no object"):
        parse_key(text)
