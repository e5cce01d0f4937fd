import pytest

from itop_bridge.settings.conflict import find_conflicts, find_doubts
from itop_bridge.settings.model import Settings

ROUTE = {"name": "a", "topic": "siem/{org}/a", "format": "f", "factory": "i", "organization": "EXC"}


def conflicts(*routes, **sections):
    return [(problem.path, problem.text) for problem in find_conflicts({"routes": list(routes), **sections})]


def doubts(*routes, now=0.0, **sections):
    needed = {
        "mqtt": {"host": "localhost"},
        "itop": {"address": "https://itop.example", "user": "u", "password": "p"},
        "routes": list(routes or (ROUTE,)),
    }
    return [problem.path for problem in find_doubts(Settings.model_validate({**needed, **sections}), now)]


def test_routes_that_differ_have_no_conflict():
    assert conflicts(ROUTE, {**ROUTE, "name": "b"}) == []


def test_a_name_is_given_once():
    assert conflicts(ROUTE, {**ROUTE, "name": "b"}, ROUTE) == [("routes[2].name", "is the name of routes[0] already")]


def test_a_route_needs_an_organization_of_its_own_or_the_default():
    route = {key: value for key, value in ROUTE.items() if key != "organization"}
    assert conflicts(route) == [("routes[0].organization", "missing: give it here or in defaults")]
    assert conflicts(route, defaults={"organization": "EXC"}) == []


@pytest.mark.parametrize(
    "organization", ["{{ topic.og }}", {"name": "x {{ topic.og }}"}, "{{topic.org}}{{ topic.og|upper }}"]
)
def test_a_level_that_the_topic_does_not_name_is_told(organization):
    assert conflicts({**ROUTE, "organization": organization}) == [
        ("routes[0].organization", "topic.og: no level of the route's topic is named {og}")
    ]


@pytest.mark.parametrize("organization", ["{{ topic.org }}", "topic.og", {"id": 3}])
def test_a_level_that_the_topic_names_is_not(organization):
    assert conflicts({**ROUTE, "organization": organization}) == []


@pytest.mark.parametrize(
    ("topic", "base_topic"),
    [("#", None), ("itop-bridge/#", None), ("+/status", None), ("itop-bridge", None), ("siem/#", "siem/bridge")],
)
def test_a_route_never_reads_what_the_bridge_publishes(topic, base_topic):
    sections = {"mqtt": {"base_topic": base_topic}} if base_topic else {}
    ((path, text),) = conflicts({**ROUTE, "topic": topic}, **sections)
    assert path == "routes[0].topic"
    assert "would read what the bridge itself publishes" in text


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {"routes": None},
        {"routes": "x"},
        {"routes": [None, "x"]},
        {"mqtt": [], "defaults": 3, "routes": []},
    ],
)
def test_what_has_no_routes_has_no_conflicts(data):
    assert list(find_conflicts(data)) == []


@pytest.mark.parametrize("topic", [None, 3, "a/#/b"])
def test_a_topic_that_is_wrong_in_itself_is_told_elsewhere(topic):
    assert conflicts({**ROUTE, "topic": topic}) == []


def test_an_ordinary_configuration_leaves_no_doubt():
    assert doubts() == []


def test_topics_that_overlap_are_doubtful():
    assert doubts(ROUTE, {**ROUTE, "name": "b", "topic": "siem/exc/+"}) == ["routes[1].topic"]


def test_clear_text_is_doubtful_but_on_this_machine():
    itop = {"address": "http://itop.example", "user": "u", "password": "p"}
    mqtt = {"username": "u", "password": "p"}
    assert doubts(itop=itop, mqtt={**mqtt, "host": "broker.example"}) == ["itop.address", "mqtt.password"]
    assert doubts(mqtt={**mqtt, "host": "127.0.0.1"}) == []
    for here in ("127.0.0.1:8080", "localhost", "[::1]:8080/itop"):
        assert doubts(itop={**itop, "address": f"http://{here}"}) == []
    assert doubts(mqtt={**mqtt, "host": "broker.example", "tls": {}}) == []


def test_a_console_for_everyone_is_doubtful():
    assert doubts(console={"listen": "0.0.0.0:80"}) == ["console.listen"]


def test_waits_that_undo_each_other_are_doubtful():
    route = {**ROUTE, "group_interval": "2h", "repeat_interval": "1h", "resolve_grace": "1h", "reopen_within": 0}
    assert doubts(route) == ["routes[0].repeat_interval", "routes[0].reopen_within"]


def test_a_silence_names_routes_that_there_are():
    silences = [{"routes": ["a"]}, {"routes": ["b", 3, "aa"]}, 7]
    assert conflicts(ROUTE, silences=silences) == [
        ("silences[1].routes[0]", "there is no route 'b'"),
        ("silences[1].routes[2]", "there is no route 'aa'; did you mean a?"),
    ]


def test_a_silence_that_is_over_is_warned_of():
    over = {"matchers": {"host": "x"}, "until": "1970-01-01T00:01:00Z"}
    assert doubts({**ROUTE, "silences": [over]}, silences=[over], now=59.0) == []
    assert doubts({**ROUTE, "silences": [over]}, silences=[over], now=60.0) == [
        "routes[0].silences[0].until",
        "silences[0].until",
    ]


def test_routes_that_go_on_may_overlap_but_not_share_their_cases():
    first = {**ROUTE, "continue": True}
    assert doubts(first, {**ROUTE, "name": "b"}) == []
    assert doubts(first, {**ROUTE, "name": "b", "case_scope": "a"}) == ["routes[1].case_scope"]


@pytest.mark.parametrize("prefix", ["itop-bridge", "itop-bridge/x", "itop-bridge/results/"])
def test_no_response_prefix_meets_what_the_bridge_publishes(prefix):
    told = "meets what the bridge itself publishes under itop-bridge (mqtt.base_topic)"
    assert conflicts(ROUTE, mqtt={"response_prefix": prefix}) == [("mqtt.response_prefix", told)]


def test_a_response_prefix_above_the_base_topic_meets_it():
    paths = [path for path, _ in conflicts(ROUTE, mqtt={"response_prefix": ["x", "a"], "base_topic": "a/b"})]
    assert paths == ["mqtt.response_prefix[1]"]


@pytest.mark.parametrize("topic", ["#", "+/#", "answers/+", "answers/{org}/x", "answers"])
def test_no_response_prefix_meets_what_the_bridge_reads(topic):
    told = ("mqtt.response_prefix[1]", "meets the topic of routes[1]: the bridge would read its own results")
    assert told in conflicts(ROUTE, {**ROUTE, "name": "b", "topic": topic}, mqtt={"response_prefix": ["x", "answers"]})


@pytest.mark.parametrize("prefix", [None, 3, [], "answers", ["answers", 7, "", "/"], "siems", "itop-bridges"])
def test_another_response_prefix_meets_nothing(prefix):
    assert conflicts(ROUTE, mqtt={"response_prefix": prefix}) == []


def test_response_topics_without_mqtt_5_are_doubtful():
    mqtt = {"host": "localhost", "response_prefix": "answers"}
    assert doubts(mqtt={**mqtt, "protocol": "3.1.1"}) == ["mqtt.response_prefix"]
    assert doubts(mqtt=mqtt) == []


MAIL = {"server": "localhost", "security": "none", "sender": "a@b.example", "recipients": ["c@d.example"]}


@pytest.mark.parametrize(("after", "told"), [("1s", True), ("119s", True), ("2m", False), (0, False), (None, False)])
def test_an_escalation_that_is_sooner_than_alerts_are_mailed_is_told(after, told):
    given = {} if after is None else {"escalate_after": after}
    assert doubts(mail={**MAIL, **given}) == ["mail.escalate_after"] * told
    assert doubts({**ROUTE, "mail": given}, mail=MAIL) == ["routes[0].mail.escalate_after"] * told
