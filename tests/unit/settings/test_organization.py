import pytest

from itop_bridge.settings.organization import NO_ORGANIZATION, Organization, parse_organization


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("EXC", "code:EXC"),
        (" {{ topic.org }} ", "code:{{ topic.org }}"),
        ({"code": "EXC"}, "code:EXC"),
        ({"name": "Demo"}, "name:Demo"),
        ({"id": 3}, "id:3"),
    ],
)
def test_an_organization_is_named_by_code_name_or_id(value, text):
    assert str(parse_organization(value)) == text


@pytest.mark.parametrize(
    "value",
    [None, False, 12, "", " ", {}, {"id": "3"}, {"id": 0}, {"id": True}, {"name": ""}, {"id": 1, "name": "x"}, []],
)
def test_what_names_none_is_refused(value):
    with pytest.raises(ValueError, match="must be an organisation's code"):
        parse_organization(value)


def test_none_is_false():
    assert not NO_ORGANIZATION
    assert Organization("id", "3")
