import asyncio
import json
import sys
from types import SimpleNamespace

import pytest

from itop_bridge.cli import record
from itop_bridge.cli.main import build_parser
from itop_bridge.errors import BridgeError
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator


def parse(url, *options):
    needed = ["--against", url, "--user", "rest_agent", "--organization", "EXC"]
    return build_parser().parse_args(["record", *needed, *options])


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("rest_agent\n")
    return path


def on_a_terminal(monkeypatch, answer):
    asked = []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    return asked


async def run(args):
    """The command, beside a server in this loop."""
    return await asyncio.to_thread(record.run, args)


@pytest.fixture
async def simulator():
    simulator = Simulator()
    async with serve(simulator) as url:
        simulator.url = url
        yield simulator


async def test_it_tells_that_all_is_as_expected_and_writes_the_exchanges(simulator, password_file, tmp_path, capsys):
    output = tmp_path / "exchanges.jsonl"
    options = ("--yes", "--password-file", str(password_file), "--output", str(output), "--field", "service_id=1")
    assert await run(parse(simulator.url, *options)) == 0
    told = capsys.readouterr().out
    assert "DIFFERS" not in told
    assert "made      Incident::1 (I-000005): closed" in told
    exchanges = [json.loads(line) for line in output.read_text().splitlines()]
    assert {exchange["request"]["form"]["auth_pwd"] for exchange in exchanges} == {"***"}
    assert simulator.objects("Incident")[0]["service_id"] == "1"


async def test_what_differs_is_told_and_exits_with_1(simulator, password_file, capsys):
    options = ("--yes", "--password-file", str(password_file), "--class", "NoSuch")
    assert await run(parse(simulator.url, *options)) == 1
    told = capsys.readouterr().out.splitlines()
    assert "DIFFERS  get by an id that is not there" in told
    assert "          expected Found: 0" in told
    assert "          answered RequestError: class: 'NoSuch' is not a valid class'" in told
    assert told[-1] == "2 calls: 1 as expected, 1 not"


async def test_it_asks_on_a_terminal_and_begins_only_on_yes(simulator, password_file, monkeypatch, capsys):
    asked = on_a_terminal(monkeypatch, "n")
    args = parse(simulator.url, "--password-file", str(password_file))
    with pytest.raises(BridgeError, match="nothing was done"):
        await run(args)
    assert asked == ["Is it a test iTop? [y/N] "]
    assert simulator.url in capsys.readouterr().out
    assert simulator.calls == []
    on_a_terminal(monkeypatch, "y")
    assert await run(args) == 0


def test_without_a_terminal_it_wants_yes_and_a_password_file(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(BridgeError, match="say --yes"):
        record.run(parse("http://127.0.0.1:1"))
    with pytest.raises(BridgeError, match="--password-file"):
        record.run(parse("http://127.0.0.1:1", "--yes"))


def test_a_password_is_asked_for_on_a_terminal(monkeypatch):
    on_a_terminal(monkeypatch, "y")
    monkeypatch.setattr("getpass.getpass", lambda text: f"answer to {text}")
    assert record._read_password(parse("http://x")) == "answer to Password of rest_agent: "


@pytest.mark.parametrize("text", ["novalue", "=x"])
def test_a_field_is_a_name_and_a_value(text, capsys):
    with pytest.raises(SystemExit):
        parse("http://x", "--field", text)
    assert "NAME=VALUE" in capsys.readouterr().err


def test_files_that_cannot_be_used_are_told(tmp_path):
    missing = str(tmp_path / "none")
    with pytest.raises(BridgeError, match="cannot read"):
        record.run(parse("http://127.0.0.1:1", "--yes", "--password-file", missing))


async def test_what_cannot_be_cleaned_up_is_told(simulator, password_file, capsys):
    fault = Fault("http_500", times=None, when=lambda each: "description" in each.get("output_fields", ""))
    simulator.faults.add(fault)
    assert await run(parse(simulator.url, "--yes", "--password-file", str(password_file))) == 1
    told = capsys.readouterr().out
    assert "NOT cleaned up: HTTP 500" in told
    assert "look for tickets with 'itop-bridge record " in told
    assert "0 not\n" in told
