import os
import subprocess
import sys
from types import ModuleType

import pytest

from itop_bridge import __version__
from itop_bridge.cli import check
from itop_bridge.cli.main import build_parser, main
from itop_bridge.errors import BridgeError, ConfigurationError


def call(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "itop_bridge.cli.main", *arguments], check=False, **options)


def raising(monkeypatch, error):
    """Make the command `check` fail."""

    def run(_args):
        raise error

    monkeypatch.setattr(check, "run", run)
    return main(["check", "--config", "x"])


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["run", "--help"], ["demo", "--help"]])
def test_nothing_heavy_is_imported_for_help(arguments):
    program = (
        "import sys\n"
        "from itop_bridge.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'structlog', 'aiohttp', 'aiomqtt', 'pydantic', 'jinja2', 'yaml', 'asyncio', 'sqlite3', 'orjson'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in ("run", "check", "show", "simulate", "demo", "version"):
        assert f"    {command} " in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["run"],
        ["check"],
        ["show"],
        ["simulate", "--latency", "-1"],
        ["demo", "--alerts", "0"],
        ["demo", "--alerts", "x"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: itop-bridge" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"itop-bridge {__version__}\n"


def test_defaults_of_the_commands():
    parse = build_parser().parse_args
    demo, simulate = parse(["demo"]), parse(["simulate"])
    assert (demo.alerts, demo.keep, demo.no_color) == (2000, False, False)
    assert (simulate.host, simulate.port, simulate.latency, simulate.no_sample) == ("127.0.0.1", 8080, 0.0, False)
    assert parse(["run", "--config", "x.yaml"]).logfile is None


@pytest.mark.parametrize(
    ("command", "options"), [("run", ["--config", "x"]), ("simulate", []), ("demo", ["--alerts", "5"])]
)
def test_a_command_runs_in_its_own_module_and_gives_the_exit_code(monkeypatch, command, options):
    module = ModuleType(f"itop_bridge.cli.{command}")
    module.run = lambda args: 42 if args.run else 0
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert main([command, *options]) == 42


def test_configuration_problems_are_told_line_by_line_and_exit_with_78(monkeypatch, capsys):
    assert raising(monkeypatch, ConfigurationError(["x.yaml:1:1: a: b", "x.yaml:2:1: c: \x1b[31md"])) == 78
    assert capsys.readouterr().err == "x.yaml:1:1: a: b\nx.yaml:2:1: c: \\x1b[31md\n"


def test_a_failure_is_told_with_its_causes_oldest_first(monkeypatch, capsys):
    error = BridgeError("the journal cannot be opened")
    error.__cause__ = OSError(13, "Permission denied")
    assert raising(monkeypatch, error) == 1
    assert capsys.readouterr().err == "PermissionError: [Errno 13] Permission denied\nthe journal cannot be opened\n"


def test_an_interrupt_is_quiet(monkeypatch, capsys):
    assert raising(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_went_away_is_quiet():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = call("show", "schema", stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_unexpected_error_is_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        raising(monkeypatch, ZeroDivisionError())
