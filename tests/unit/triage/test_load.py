import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import find_problems, load_routing

BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC}
routes:
"""


def loaded(tmp_path, routes):
    path = tmp_path / "bridge.yaml"
    path.write_text(BASE + routes)
    return load_settings(path)


def test_every_problem_of_every_route_is_told_with_its_place(tmp_path):
    settings = loaded(
        tmp_path,
        """\
  - {name: a, topic: a, format: wazu, factory: incident-siem}
  - {name: b, topic: b, format: wazuh, factory: incident-sieme}
  - {name: c, topic: c, format: wazuh, factory: incident-siem, when: "alert.severity >= 'hihg'"}
  - {name: d, topic: d, format: wazuh, factory: incident-siem, group_by: ["host ++"]}
  - {name: e, topic: e, format: wazuh, factory: incident-siem, settings: {teem: SOC, log: loud}}
  - {name: f, topic: f, format: wazuh, factory: incident-siem, settings: {title: "{{ alert.title"}}
""",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_routing(settings)
    problems = caught.value.problems
    for line, part in (
        (5, "did you mean wazuh?"),
        (6, "did you mean incident-siem?"),
        (7, "'hihg' is no severity"),
        (8, "group_by"),
        (9, "did you mean team?"),
        (9, "public"),
        (10, "template"),
    ):
        assert any(f"bridge.yaml:{line}:" in each and part in each for each in problems), (line, part, problems)
    assert list(find_problems(settings)) == problems


def test_links_that_are_only_paths_lead_to_the_console_of_the_routes_settings(tmp_path):
    routes = """\
  - {name: a, topic: a, format: qradar, factory: incident-siem, settings: {console_url: "https://qradar.example"}}
  - {name: b, topic: b, format: qradar, factory: incident-siem}
"""
    routing = load_routing(loaded(tmp_path, routes))
    assert [route.console_url for route in routing.routes] == ["https://qradar.example", ""]


def test_a_factory_that_does_not_load_is_told_where_it_is_wanted(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "my_own.py").write_text("import nowhere_to_be_found\n")
    path = tmp_path / "bridge.yaml"
    path.write_text("factories: [own]\n" + BASE + "  - {name: a, topic: a, format: wazuh, factory: my-own}\n")
    with pytest.raises(ConfigurationError, match="nowhere_to_be_found"):
        load_routing(load_settings(path))


def test_a_factory_that_does_not_load_takes_no_route_of_others_down(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "broken.py").write_text("1 +\n")
    path = tmp_path / "bridge.yaml"
    path.write_text("factories: [own]\n" + BASE + "  - {name: a, topic: a, format: wazuh, factory: incident-siem}\n")
    routing = load_routing(load_settings(path))
    assert len(routing.routes) == 1
    assert [record.name for record in routing.registry.failed] == ["broken"]
    assert "SyntaxError" in find_problems(load_settings(path))[0]


@pytest.mark.parametrize(
    ("organization", "text"),
    [("EXC", "code:EXC"), ("{name: Example Customer}", "name:Example Customer"), ("{id: 2}", "id:2")],
)
def test_an_organisation_is_named_by_code_name_or_id(tmp_path, organization, text):
    route = f"  - {{name: a, topic: a, format: wazuh, factory: incident-siem, organization: {organization}}}\n"
    (compiled,) = load_routing(loaded(tmp_path, route)).routes
    assert compiled.organization({"topic": {}}) == text


def test_the_same_settings_have_the_same_profile(tmp_path):
    route = "  - {name: a, topic: a, format: wazuh, factory: incident-siem}\n"
    other = route.replace("}", ", settings: {team: SOC}}")
    one, same, changed = (load_routing(loaded(tmp_path, each)).routes[0].profile for each in (route, route, other))
    assert one.hash == same.hash
    assert one.hash != changed.hash


OWN = """\
product: Mine
recognised_by: {mine: present}
fields: {title: mine, host: host}
states: false
group_by: [host]
examples:
  - name: an alert
    payload: {mine: x}
    expect: {title: EXPECTED}
"""


def own_format(tmp_path, expected="x", name="mine"):
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "own" / f"{name}.yaml").write_text(OWN.replace("EXPECTED", expected))
    path = tmp_path / "bridge.yaml"
    path.write_text("formats: [own]\n" + BASE + "  - {name: a, topic: a, format: wazuh, factory: incident-siem}\n")
    return load_settings(path)


def test_the_examples_of_a_sites_own_formats_are_run_also_where_no_route_names_them(tmp_path):
    assert find_problems(own_format(tmp_path)) == []
    (problem,) = find_problems(own_format(tmp_path, "y"))
    assert problem == f"{tmp_path}/own/mine.yaml:7:5: example 'an alert': title: 'y' expected, found 'x'"


def test_a_sites_own_format_takes_the_place_of_a_bundled_one(tmp_path):
    routing = load_routing(own_format(tmp_path, name="wazuh"))
    assert routing.formats["wazuh"].product == "Mine"
    assert routing.routes[0].format is routing.formats["wazuh"]


def test_only_the_formats_of_use_are_loaded(tmp_path):
    assert list(load_routing(own_format(tmp_path)).formats) == ["wazuh", "mine"]


def test_auto_takes_all_formats(tmp_path):
    route = "  - {name: a, topic: a, format: auto, factory: incident-siem}\n"
    routing = load_routing(loaded(tmp_path, f"{route}{route.replace('name: a', 'name: b')}"))
    assert {"wazuh", "cef", "generic"} <= routing.formats.keys()
    assert routing.routes[0].format is routing.routes[1].format  # or the second would take no part
    assert find_problems(loaded(tmp_path, route)) == []


def test_auto_is_offered_where_a_format_is_misspelt(tmp_path):
    settings = loaded(tmp_path, "  - {name: a, topic: a, format: autto, factory: incident-siem}\n")
    assert "there is no format 'autto'; did you mean auto?" in find_problems(settings)[0]


def test_mistakes_in_silences_and_inhibit_are_told_with_their_places(tmp_path):
    settings = loaded(
        tmp_path,
        """\
  - {name: a, topic: a, format: wazuh, factory: incident-siem, silences: [{matchers: {hots: x}}]}
silences:
  - matchers:
      hots: db1
  - when: alert.severity >= 'hihg'
inhibit:
  - source: {matchers: {rule: x}}
    target: {matchers: {ruel: x}}
    equal: [hots]
""",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_routing(settings)
    places = [problem.removeprefix(str(tmp_path)).split(": ")[0:2] for problem in caught.value.problems]
    assert sorted(places) == [
        ["/bridge.yaml:12:31", "inhibit[0].target.matchers.ruel"],
        ["/bridge.yaml:13:5", "inhibit[0].equal"],
        ["/bridge.yaml:5:93", "routes[0].silences[0].matchers.hots"],
        ["/bridge.yaml:8:13", "silences[0].matchers.hots"],
        ["/bridge.yaml:9:11", "silences[1].when"],
    ]
    assert "did you mean rule?" in caught.value.problems[0]


def with_defaults(tmp_path, settings, routes):
    path = tmp_path / "bridge.yaml"
    path.write_text(BASE.replace("{organization: EXC}", f"{{organization: EXC, settings: {settings}}}") + routes)
    return load_settings(path)


PLAIN = """\
  - {name: a, topic: a, format: wazuh, factory: incident-siem, settings: {team: Own}}
  - {name: b, topic: b, format: wazuh, factory: incident-siem}
"""


def test_settings_of_the_defaults_reach_the_factory(tmp_path):
    routing = load_routing(with_defaults(tmp_path, "{team: SOC, service: S}", PLAIN))
    told = [{name: value for name, _, value in route.profile.writing.references} for route in routing.routes]
    assert [(each["team_id"], each["service_id"]) for each in told] == [("Own", "S"), ("SOC", "S")]
    assert "bridge.yaml:5:" in routing.routes[0].place("")


def test_a_factory_gets_only_the_defaults_that_it_knows(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "plain.py").write_text(
        "from dataclasses import dataclass\n"
        "from itop_bridge.factory import Texts, Writing\n"
        "NAME = 'plain'\n"
        "@dataclass(frozen=True)\n"
        "class Settings:\n    x: int = 1\n"
        "def handle(alert, case, settings):\n    return []\n"
        "def describe_writing(settings):\n    return Writing(Texts('t', 'd', 'c', 'a', 'r', 's'))\n"
    )
    own = "  - {name: c, topic: c, format: wazuh, factory: plain}\nfactories: [own]\n"
    assert len(load_routing(with_defaults(tmp_path, "{team: SOC, x: 2}", PLAIN + own)).routes) == 3


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ("{teem: SOC}", "defaults.settings.teem: no route's factory has this setting; did you mean team?"),
        ("{log: loud}", "defaults.settings.log: "),
    ],
)
def test_what_is_wrong_with_settings_of_the_defaults_is_told_there(tmp_path, settings, part):
    problems = find_problems(with_defaults(tmp_path, settings, PLAIN))
    assert all("bridge.yaml:3:" in problem and part in problem for problem in problems)
    assert len(set(problems)) == len(problems) == 1


def test_what_itop_has_not_is_told_where_the_settings_say_it(tmp_path):
    route = """\
  - name: a
    topic: a
    format: wazuh
    factory: incident-siem
    settings:
      fields: {sla_code: gold}
      class: Incident
      cmdb:
        classes: [Server, Servre]
        match: {name: host}
"""
    (only,) = load_routing(loaded(tmp_path, route)).routes
    lines = {
        name: only.place(name).rsplit(":", 2)[1] for name in ("", "sla_code", "cmdb.classes[1]", "cmdb.match.name")
    }
    assert lines == {"": "11", "sla_code": "10", "cmdb.classes[1]": "13", "cmdb.match.name": "14"}
