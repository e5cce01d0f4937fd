import argparse
import os
import subprocess
import sys
from types import ModuleType

import pytest

from itop_bridge import __version__
from itop_bridge.cli import check
from itop_bridge.cli.main import _run_command, build_parser, main
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError


def call(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "itop_bridge.cli.main", *arguments], check=False, **options)


def raising(monkeypatch, error, *options):
    """Make the command `check` fail."""

    def run(_args):
        raise error

    monkeypatch.setattr(check, "run", run)
    return main([*options, "check", "--config", "x"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["version"],
        ["run", "--help"],
        ["demo", "--help"],
        ["incident-siem-create", "--help"],
        ["dead-letters", "retry", "--help"],
    ],
)
def test_nothing_heavy_is_imported_for_help(arguments):
    program = (
        "import sys\n"
        "from itop_bridge.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'structlog', 'aiohttp', 'aiomqtt', 'pydantic', 'jinja2', 'yaml', 'asyncio', 'sqlite3', 'orjson'}\n"
        "heavy |= {'rich', 'argcomplete', 'nh3', 'aiosmtplib', 'ssl', 'http.client'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for command in (
        *("run", "check", "show", "status", "dead-letters", "cases", "events", "pause", "resume", "reload"),
        *("simulate", "demo", "version"),
    ):
        assert f"    {command} " in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["show"],
        ["--output-format", "xml", "version"],
        ["--conf", "x", "version"],
        ["--notify-mail", "version"],
        ["--mail-recipients", "nobody", "version"],
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["statu"], "there is no command 'statu'; did you mean status?"),
        (["zzz"], "there is no command 'zzz'; --help lists what there is"),
        (["cases", "shw"], "there is no command 'shw'; did you mean show?"),
    ],
)
def test_of_a_wrong_command_what_may_have_been_meant_is_told_and_not_all_that_there_are(arguments, told, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f": error: {told}\n")


def test_of_a_wrong_event_too(capsys):
    assert main(["show", "events", "case.parkd"]) == 2
    assert "there is no event or alarm 'case.parkd'; did you mean case.parked?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["run"], ["check"], ["show", "settings"], ["person-get"]])
def test_a_command_without_its_configuration_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("--config FILE") == 1


def test_the_version_is_an_option_too(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"itop-bridge {__version__}\n")


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


def failure():
    error = BridgeError("the journal cannot\nbe opened")
    error.__cause__ = OSError(13, "Permission denied")
    return error


def test_a_failure_is_told_in_one_line(monkeypatch, capsys):
    assert raising(monkeypatch, failure()) == 1
    assert capsys.readouterr().err == "the journal cannot be opened\n"


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_with_verbose_its_causes_are_told_oldest_first(monkeypatch, capsys, option):
    assert raising(monkeypatch, failure(), option) == 1
    assert capsys.readouterr().err == "PermissionError: [Errno 13] Permission denied\nthe journal cannot be opened\n"


def test_a_usage_error_of_a_command_exits_with_2(monkeypatch, capsys):
    assert raising(monkeypatch, UsageError("the template wants time")) == 2
    assert "error: the template wants time\n" in capsys.readouterr().err


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


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), BridgeError("no"), BrokenPipeError()])
def test_no_failure_is_taken_for_the_answer_of_a_command_whose_1_means_no(error, capfd):
    def run(_args):
        raise error

    args = argparse.Namespace(run=run, exit_failed=3, verbose=False, notify_mail=False, config=None)
    read, write = os.pipe()  # stdout is given up where its reader has gone
    kept = os.dup(1)
    os.dup2(write, 1)
    try:
        assert _run_command(args) == 3
    finally:
        os.dup2(kept, 1)
        for each in (read, write, kept):
            os.close(each)
    assert ("ZeroDivisionError: a bug" in capfd.readouterr().err) == isinstance(error, ZeroDivisionError)
