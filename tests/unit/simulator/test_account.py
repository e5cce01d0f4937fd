import base64

import pytest

from itop_bridge.simulator.account import log_in
from itop_bridge.simulator.failure import RestError
from itop_bridge.simulator.sample import make_accounts
from itop_bridge.simulator.schema import load_datamodel

ACCOUNTS = make_accounts()


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("form", "authorization", "message"),
    [
        ({}, "", "Invalid login"),
        ({"auth_user": "admin", "auth_pwd": "wrong"}, "", "Invalid login"),
        ({"auth_user": "admin"}, basic("admin:admin"), "Invalid login"),
        ({"auth_user": "nobody", "auth_pwd": "nobody"}, "", "Invalid login"),
        ({"auth_user": "disabled_user", "auth_pwd": "disabled_user"}, "", "Invalid login"),
        ({}, basic("colon_user:colon:user"), "Invalid login"),
        ({}, "Basic %%%", "Invalid login"),
        ({}, "Bearer abc", "Invalid login"),
        ({}, basic("portal_rest:portal_rest"), "Portal user is not allowed"),
        ({}, basic("agent_norest:agent_norest"), "This user is not authorized to use the web services"),
    ],
)
def test_a_login_that_fails_is_code_1(form, authorization, message):
    with pytest.raises(RestError, match=message) as caught:
        log_in(ACCOUNTS, form, authorization)
    assert caught.value.code == 1


def test_form_fields_and_basic_both_work():
    assert log_in(ACCOUNTS, {"auth_user": "colon_user", "auth_pwd": "colon:user"}, "").login == "colon_user"
    assert log_in(ACCOUNTS, {}, basic("utf8_user:pässwörd")).login == "utf8_user"


@pytest.mark.parametrize(
    ("login", "verb", "iclass", "allowed"),
    [
        ("admin", "deleting", "Incident", True),
        ("rest_agent", "modifying", "Incident", True),
        ("rest_agent", "deleting", "Incident", False),
        ("rest_agent", "deleting", "lnkContactToTicket", True),
        ("rest_agent", "creating", "Brand", False),
        ("rest_agent", "modifying", "Ticket", False),
        ("rest_only", "creating", "Incident", False),
    ],
)
def test_a_profile_says_what_may_be_done(login, verb, iclass, allowed):
    assert ACCOUNTS[login].may(verb, load_datamodel()[iclass]) is allowed
