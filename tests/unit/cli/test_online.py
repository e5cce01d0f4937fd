"""`check --online` against a stand-in for iTop and a broker that misbehaves on demand."""

import contextlib
import socket

import pytest
from itop_server import serve_itop
from postbox import serve_inbox

from itop_bridge.cli.main import main
from itop_bridge.cli.online import examine
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.trial.finding import Verdict
from tests.fakes.broker import FakeBroker

CONFIG = """\
mqtt: {{host: 127.0.0.1, port: {port}}}
itop:
  address: {url}
  user: rest_agent
  password: {{file: password}}
defaults:
  organization: "{{{{ topic.org }}}}"
routes:
  - name: wazuh
    topic: siem/{{org}}/wazuh
    format: wazuh
    factory: incident-siem
    settings:
      team: SOC
  - name: fixed
    topic: fixed/wazuh
    format: wazuh
    factory: incident-siem
    organization: EXC
    resolve: {{path: [ev_assign, ev_resolve]}}
"""


@pytest.fixture
def site(tmp_path):
    """Writes a configuration for an iTop and a port, with changes; gives its path."""
    with serve_itop() as (simulator, url):

        def write(port, *changes, password="rest_agent"):
            (tmp_path / "password").write_text(password)
            (tmp_path / "password").chmod(0o600)
            text = CONFIG.format(port=port, url=url)
            for old, new in changes:
                assert old in text
                text = text.replace(old, new)
            (tmp_path / "c.yaml").write_text(text)
            return tmp_path / "c.yaml"

        yield write
        assert simulator.objects("Ticket") == []


async def find(path):
    loaded = load_settings(path)
    found = [each async for each in examine(loaded, load_routing(loaded))]
    return [(each.verdict, each.place.removeprefix(f"{path}:").partition(":")[0], each.text) for each in found]


@contextlib.asynccontextmanager
async def broker(**options):
    async with FakeBroker(**options) as fake:
        yield fake
        await fake.until(lambda: fake.disconnects or not fake.connects)


async def test_all_that_is_well_is_told_with_the_line_of_its_setting(site):
    async with broker() as fake:
        found = await find(site(fake.port))
    assert {verdict for verdict, _, _ in found} == {Verdict.OK}
    assert [int(line) for _, line, _ in found] == [1, 10, 16, 3, 7, 14, 13, 19, 15, 20, 20]


async def test_the_mail_server_is_asked_between_broker_and_itop_and_gets_no_mail(site):
    section = "mail: {{server: '127.0.0.1:{}', security: none, sender: b@example.com, recipients: [a@example.com]}}"
    with serve_inbox() as (inbox, mail_port):
        async with broker() as fake:
            found = await find(site(fake.port, ("defaults:\n", f"{section.format(mail_port)}\ndefaults:\n")))
    (place,) = [place for place, (_, _, text) in enumerate(found) if text.startswith("mail: connected")]
    assert [found[place + step][2][:6] for step in (-1, 1)] == ["routes", "itop: "]
    assert inbox.mails == []


async def test_what_is_wrong_is_told_with_the_line_of_its_setting(site):
    async with broker(grant=lambda name: 0x87 if name.startswith("fixed") else 1) as fake:
        changes = [("team: SOC", "team: CERT"), ("organization: EXC", "organization: EXX")]
        found = await find(site(fake.port, *changes))
    wrong = {int(line): text for verdict, line, text in found if verdict is Verdict.WRONG}
    assert sorted(wrong) == [14, 16, 19]
    assert "no Team called 'CERT'" in wrong[14]
    assert "EXX" in wrong[19]


async def test_own_incidents_are_asked_for_as_a_route(site):
    async with broker() as fake:
        own = ("routes:\n", "own_incidents: {organization: EXX, settings: {team: CERT}}\nroutes:\n")
        found = await find(site(fake.port, own))
    wrong = [(int(line), text) for verdict, line, text in found if verdict is Verdict.WRONG]
    assert [line for line, _ in wrong] == [8, 8]
    assert any("no Team called 'CERT'" in text for _, text in wrong)
    assert any("EXX" in text for _, text in wrong)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_broker_that_cannot_be_reached_exits_with_1_and_itop_is_asked_all_the_same(site, capsys):
    path = site(closed_port())
    assert main(["check", "--online", "-c", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if f"{path}:" in line][:2] == ["unreached", "ok"]
    assert any("logged in as rest_agent" in line for line in lines)


def test_what_is_wrong_exits_with_78_whatever_else_is_unreached(site, capsys):
    assert main(["check", "--online", "-c", str(site(closed_port(), password="hunter2"))]) == 78
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[3:]] == ["unreached", "wrong"]
    assert "hunter2" not in out + err


def test_a_configuration_that_is_wrong_in_itself_is_not_taken_anywhere(site, capsys):
    path = site(closed_port(), ("format: wazuh", "format: wazu"))
    assert main(["check", "--online", "-c", str(path)]) == 78
    assert capsys.readouterr().out == ""


def test_read_only_forbids_the_create_that_itop_must_refuse(site, capsys):
    assert main(["--read-only", "check", "--online", "-c", str(site(closed_port()))]) == 1
    out, err = capsys.readouterr()
    assert (out, "--read-only" in err) == ("", True)
