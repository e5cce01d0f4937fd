import re
import typing

import pytest
from pydantic import ValidationError

from itop_bridge.bundled import bundled_folder
from itop_bridge.log.catalogue import ALARMS
from itop_bridge.settings.conflict import find_doubts
from itop_bridge.settings.load import load_settings
from itop_bridge.settings.mail import Mail, Outage, RouteMail, parse_server
from itop_bridge.settings.model import Settings

MAIL = {"server": "mail.example", "sender": "bridge@example.com", "recipients": ["soc@example.com"]}
SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "bridge", "password": "hunter2"},
    "defaults": {"organization": "EXC"},
}
ROUTE = {"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}


def mail(**changes):
    return Mail.model_validate({**MAIL, **changes})


def failure(**changes):
    with pytest.raises(ValidationError) as caught:
        mail(**changes)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("mail.example", ("mail.example", None)),
        ("mail.example:587", ("mail.example", 587)),
        ("[::1]:587", ("::1", 587)),
        ("[::1]", ("::1", None)),
        ("fe80::1", ("fe80::1", None)),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(text, server):
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["mail:", "mail:x", "mail:0", "mail:70000", ":25"])
def test_what_is_no_server_is_refused(text):
    with pytest.raises(ValueError, match="is no host:port"):
        parse_server(text)
    assert failure(server=text)[0][0] == "server"


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
def test_the_port_follows_security(security, port):
    assert mail(security=security).address == ("mail.example", port)
    assert mail(security=security, server="mail.example:26").address == ("mail.example", 26)


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1:2525", "[::1]:25"])
def test_a_relay_on_this_machine_needs_no_tls(server):
    local = mail(server=server, security="none", user="u", password="p")
    assert not local.is_exposed
    assert mail(server="localhost", security="none").address == ("localhost", 25)


def test_towards_another_machine_no_password_travels_in_clear_and_the_rest_is_doubted():
    assert failure(security="none", user="u", password="p")[0][0] == "user"
    settings = Settings.model_validate({**SECTIONS, "routes": [ROUTE], "mail": {**MAIL, "security": "none"}})
    assert [doubt.path for doubt in find_doubts(settings, 0.0)] == ["mail.security"]


def test_a_route_that_writes_mail_without_a_server_is_doubted():
    settings = Settings.model_validate({**SECTIONS, "routes": [{**ROUTE, "mail": {"enabled": True}}]})
    assert [doubt.path for doubt in find_doubts(settings, 0.0)] == ["routes[0].mail"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"user": "u"}, "password"),
        ({"password": "p"}, "password"),
        ({"recipients": []}, "recipients"),
        ({"recipients": ["a@b.cd\nBcc: x@y.zz"]}, "recipients.0"),
        ({"recipients": ["SOC <soc@example.com>"]}, "recipients.0"),
        ({"recipients": ["a@b.cd, e@f.gh"]}, "recipients.0"),
        ({"sender": "bridge"}, "sender"),
        ({"about": ["updates"]}, "about.0"),
        ({"outages": ["case_parked"]}, "outages.0"),
        ({"escalate_from": "severe"}, "escalate_from"),
        ({"most_per_hour": 0}, "most_per_hour"),
        ({"subject": "{{ alert.title }}"}, "subject"),
        ({"text": "{% for each in items %}"}, "text"),
        ({"text": "{% include 'x' %}"}, "text"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, path):
    assert failure(**changes)[0][0] == path


def test_a_template_that_does_not_compile_is_told_with_its_place(tmp_path):
    sample = (bundled_folder("config") / "itop-bridge.yaml").read_text(encoding="utf-8")
    lines = ["mail:", "  server: localhost", "  sender: a@b.cd", "  recipients: [a@b.cd]", '  subject: "{{ alert }}"']
    (tmp_path / "c.yaml").write_text("\n".join([*lines, re.sub(r"^#mail:$", "", sample, flags=re.MULTILINE)]))
    with pytest.raises(Exception, match=r"c\.yaml:5:12: mail\.subject: .*'alert' is not known here"):
        load_settings(tmp_path / "c.yaml", offline=True)


def test_a_route_takes_from_the_section_what_it_does_not_say():
    section = mail(escalate_after="20m", about=[], subject="s")
    rules = section.rules_of(RouteMail.model_validate({"escalate_from": "low", "about": ["created"]}))
    assert (rules.escalate_after, rules.escalate_from, rules.subject) == (1200.0, "low", "s")
    assert (rules.about, rules.recipients, rules.enabled) == (("created",), ("soc@example.com",), True)
    assert section.rules_of(None).recipients == ("soc@example.com",)


def test_every_outage_is_an_alarm_that_there_is():
    assert set(typing.get_args(Outage)) - ALARMS.keys() == set()


def test_secrets_are_in_no_text_of_it():
    assert "hunter2" not in repr(mail(user="u", password="hunter2"))
