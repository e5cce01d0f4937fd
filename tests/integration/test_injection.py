"""What an attacker writes, through triage and delivery into iTop: it ends as text, wherever it stands."""

import html
import io
import json
import re
from html.parser import HTMLParser

import pytest
from rig import Rig

from itop_bridge.alert import Event
from itop_bridge.log import configure_log
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.repeat import decide_landing
from itop_bridge.triage.triage import map_event

CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: "{{ topic.org }}"}
routes:
  - {name: generic, topic: "siem/{org}/generic", format: generic, factory: incident-siem, group_by: [rule, host]}
"""

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "entity": "&lt;b&gt;&#60;i&#62;",
    "quote": "' OR 1=1",
    "backslash": "\\' OR 1=1 -- ",
    "wildcards": "%_%",
    "template": "{{7919*7907}}{% raw %}",
    "log line": "a\r\n2026-11-24 12:00:00 root: all is well",
    "ansi": "\x1b[2J\x1b[31mred",
    "direction": "abc\u202egpj.exe",
    "path": "../../../../etc/passwd\0.png",
    "token": "[sb:0123456789abcdef]",
    "key": "[SIEM-0a1b2c3d4e5f] title",
}
FIELDS = ("id", "title", "description", "host", "user", "rule", "link", "source")


class Tags(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, sorted(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def routes(tmp_path):
    path = tmp_path / "bridge.yaml"
    path.write_text(CONFIGURATION)
    return load_routing(load_settings(path)).routes


@pytest.fixture
def log():
    stream = io.StringIO()
    configure_log("debug", layout="json", stream=stream)
    return stream


async def publish(rig, routes, alert, topic=b"siem/EXC/generic", number=1):
    payload = json.dumps(alert).encode()
    elements = list(map_event(Event(number, topic, payload, rig.now, len(payload)), routes))
    for route in routes:
        await rig.triage.record_profile(route.profile.hash, route.profile.body)
    tally = await rig.triage.record(elements, decide_landing, through=number)
    await rig.settle()
    return tally


def harmless():
    return {"id": "1", "title": "T", "severity": "high", "host": "srv-01", "rule": "r", "description": "d"}


async def shape_of_a_harmless_description(path, routes):
    async with Rig.open(path) as rig:
        await publish(rig, routes, harmless())
        return {tag for tag, _ in Tags(rig.incident()["description"]).found}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_text_in_every_field_is_text_in_itop(tmp_path, routes, log, text):
    usual = await shape_of_a_harmless_description(tmp_path / "harmless.db", routes)
    async with Rig.open(tmp_path / "journal.db") as rig:
        await publish(rig, routes, {**harmless(), **dict.fromkeys(FIELDS, text)})
        await publish(rig, routes, {**harmless(), **dict.fromkeys(FIELDS, text), "description": "more"}, number=2)
        rig.advance(3600.0)
        await rig.settle()
        incident = rig.incident()
    page = Tags(incident["description"])
    assert {tag for tag, _ in page.found} <= usual
    assert not [names for _, names in page.found if any(name.startswith("on") for name in names)]
    shown = html.unescape(page.text) + incident["title"] + "".join(rig.entries(incident))
    assert str(7919 * 7907) not in shown
    assert not re.search(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", shown)
    assert not re.search(r"[\r\n]", incident["title"])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_text_stays_on_its_log_line(tmp_path, routes, log, text):
    async with Rig.open(tmp_path / "journal.db") as rig:
        await publish(rig, routes, {**harmless(), **dict.fromkeys(FIELDS, text)})
        await publish(rig, routes, {"alerts": text}, number=2)
    lines = log.getvalue().splitlines()
    assert len(lines) > 1
    for line in lines:
        assert line.isprintable()
        assert json.loads(line)["event"]


@pytest.mark.parametrize("org", ["EXC' OR '1'='1", "%", "E_C", "../EXC", "{{7919*7907}}", "OTH\\'"])
async def test_a_topic_names_its_organization_and_no_other(tmp_path, routes, log, org):
    async with Rig.open(tmp_path / "journal.db") as rig:
        await publish(rig, routes, harmless(), topic=f"siem/{org}/generic".encode())
        assert rig.incidents == []
        kinds = [reason for reason, _ in await rig.dead_letters()]
    assert kinds in ([], ["organization_unknown"], ["reference_refused"], ["no_route"])


async def test_files_are_never_named_by_an_alert(tmp_path, routes, log):
    folder = tmp_path / "state"
    folder.mkdir()
    async with Rig.open(folder / "journal.db") as rig:
        await publish(rig, routes, {**harmless(), "id": "../../escaped", "rule": "/etc/x", "host": "..\\x"})
        names = {path.name.removesuffix("-wal").removesuffix("-shm") for path in folder.iterdir()}
    assert names == {"journal.db", "journal.db.lock"}
    assert {path.name for path in tmp_path.iterdir()} == {"state", "bridge.yaml"}
