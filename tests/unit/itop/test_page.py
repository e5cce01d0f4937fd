import pytest

from itop_bridge.itop.page import link_object


def test_the_page_of_an_object():
    page = "https://itop.example/itop/pages/UI.php?operation=details&class=UserRequest&id=42"
    assert link_object("https://itop.example/itop", "UserRequest", 42) == page


@pytest.mark.parametrize(("iclass", "key"), [(None, 42), ("", 42), ("Incident", None), ("Incident", -3), (None, None)])
def test_what_is_not_in_itop_has_no_page(iclass, key):
    assert link_object("https://itop.example", iclass, key) is None
