import pytest

from itop_bridge.settings.zone import check_zone


def test_a_zone_is_known_by_its_name():
    assert check_zone("Europe/Paris") == "Europe/Paris"


@pytest.mark.parametrize(("name", "hint"), [("Europe/Pariss", "did you mean Europe/Paris?"), ("Europe", "IANA")])
def test_an_unknown_zone_is_refused_with_a_hint(name, hint):
    with pytest.raises(ValueError, match="IANA") as caught:
        check_zone(name)
    assert hint in str(caught.value)
