from itop_bridge.alert import Severity
from itop_bridge.mail.correspondence import Circle, describe_correspondence
from itop_bridge.settings.model import Settings

ROUTE = {"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}
SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "bridge", "password": "hunter2"},
    "defaults": {"organization": "EXC"},
}
MAIL = {"server": "mail.example", "sender": "bridge@example.com", "recipients": ["soc@example.com"]}


def describe(*routes, **mail):
    described = [{**ROUTE, "name": f"r{n}", "topic": f"t/{n}", "mail": each} for n, each in enumerate(routes)]
    section = {"mail": {**MAIL, **mail}} if mail.pop("is_there", True) else {}
    return describe_correspondence(Settings.model_validate({**SECTIONS, "routes": described or [ROUTE], **section}))


def test_without_the_section_there_is_no_mail():
    assert describe(is_there=False) is None


def test_a_route_that_says_nothing_goes_by_the_section():
    to = describe(None, escalate_after="20m", escalate_from="critical", about=["created"])
    rules = to.rules_of("r0")
    assert rules == to.others == to.rules_of("gone")
    assert rules.circle == Circle(("soc@example.com",))
    assert (rules.escalate_after_s, rules.escalate_from) == (1200.0, Severity.CRITICAL)
    assert rules.kinds == {"created", "escalated", "arrived"}


def test_a_route_that_is_off_gets_nothing_and_escalates_nothing():
    rules = describe({"enabled": False}).rules_of("r0")
    assert (rules.kinds, rules.escalate_after_s) == (frozenset(), 0.0)


def test_that_an_incident_of_the_bridges_own_was_made_is_not_mailed_since_what_it_tells_of_is():
    sections = {**SECTIONS, "routes": [ROUTE], "mail": MAIL}
    own = describe_correspondence(Settings.model_validate({**sections, "own_incidents": {}})).rules_of("own-incidents")
    assert own.kinds == {"dead_letters", "escalated", "arrived"}
    none = describe_correspondence(Settings.model_validate(sections))
    assert none.rules.keys() == {"wazuh"}


def test_routes_with_the_same_recipients_and_templates_share_their_mails():
    to = describe({"recipients": ["a@b.cd"]}, {"recipients": ["a@b.cd"], "escalate_after": "1m"}, {"subject": "x"})
    assert to.rules_of("r0").circle == to.rules_of("r1").circle != to.rules_of("r2").circle
    assert to.rules_of("r2").circle.recipients == ("soc@example.com",)
    assert to.pens.keys() >= {to.rules_of(name).circle for name in ("r0", "r1", "r2", "")}


def test_the_shortest_wait_is_that_of_any_route_which_has_one():
    assert describe({"escalate_after": "2m"}, {"escalate_after": 0}).least_after_s == 120.0
    assert describe({"escalate_after": 0}, escalate_after=0).least_after_s == 0.0


def test_the_server_has_its_port_and_login():
    to = describe(server="mail.example", security="tls", user="u", password="hunter2")
    assert str(to.server) == "mail.example:465"
    assert (to.server.login.user, to.server.login.password) == ("u", "hunter2")
    assert "hunter2" not in repr(to)
