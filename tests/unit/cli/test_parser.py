import argparse
import sys

import pytest

from itop_bridge.cli.main import build_parser
from itop_bridge.cli.parser import Parser, add_factory_commands, add_global_options, find_folders, read_words
from itop_bridge.triage.registry import Record, load_registry


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--inc_title", "a_b", "--org_code=E_X"], ["--inc-title", "a_b", "--org-code=E_X"]),
        (["--text=--a_b"], ["--text=--a_b"]),
        (["--vars", "source_ip:1"], ["--vars", "source_ip:1"]),
        (["x", "--", "--a_b"], ["x", "--", "--a_b"]),
        (["-_x"], ["-_x"]),
        (
            ["--mail-recipients", "a@x", "b@y", "person-get", "c@z"],
            ["--mail-recipients", "a@x,b@y", "person-get", "c@z"],
        ),
        (["--mail_recipients=a@x", "person-get"], ["--mail-recipients=a@x", "person-get"]),
        ([], []),
    ],
)
def test_words_are_read_with_dashes_and_underscores_alike(words, read):
    assert read_words(words) == read


def parse(*words):
    return build_parser().parse_args(read_words(words))


@pytest.mark.parametrize(
    "words",
    [
        ("--config", "x", "--read_only", "--output_format", "json", "person-get"),
        ("person-get", "--config", "x", "--read-only", "--output-format", "json"),
        ("--config", "x", "--output-format", "json", "person-get", "--read-only"),
    ],
)
def test_global_options_stand_before_the_command_or_after_it(words):
    args = parse(*words)
    assert (str(args.config), args.read_only, args.output_format) == ("x", True, "json")


def test_what_is_not_said_after_the_command_undoes_nothing_before_it():
    args = parse("--config", "x", "--dry-run", "-v", "--logfile", "l", "run")
    assert (str(args.config), args.dry_run, args.verbose, str(args.logfile)) == ("x", True, True, "l")


def test_the_older_tools_example_is_understood():
    args = parse(
        *["--config", "conf/soc_apiclient_itop.json", "--mail-server", "172.16.253.88", "incident-siem-create"],
        *["--inc_title", "SOC-EXC-SIEM-011", "--inc-urgency", "1", "--org-code", "EXC", "--text", "a comment"],
        *["--vars", "source_ip:1.2.3.4", "signatures:sig1,sig2,sig3,sig4", "comment:Analyst comment here"],
    )
    assert (args.mail_server, args.inc_title, args.inc_urgency) == ("172.16.253.88", "SOC-EXC-SIEM-011", 1)
    assert args.vars == ["source_ip:1.2.3.4", "signatures:sig1,sig2,sig3,sig4", "comment:Analyst comment here"]


def test_recipients_are_listed():
    args = parse("--mail-recipients", "a@x", "b@y", "version")
    assert args.mail_recipients == ["a@x", "b@y"]


# factories


def added(*records):
    parser, told = Parser(prog="p"), []
    add_global_options(parser)
    add_factory_commands(parser.add_subparsers(dest="command"), records, told.append)
    return parser, told


def broken(_subparsers):
    raise RuntimeError("boom")


def mine(subparsers):
    subparsers.add_parser("mine-get", help="list mine").add_argument("--config-of-mine")


def leaving(_subparsers):
    sys.exit(3)


@pytest.mark.parametrize("fault", [broken, leaving])
def test_a_factory_that_fails_takes_no_other_down(fault):
    parser, told = added(
        Record("a", "a.py", "failed", "SyntaxError: x"),
        Record("b", "b.py", "loaded", add_parser=fault),
        Record("c", "c.py", "loaded", add_parser=mine),
    )
    assert parser.parse_args(["mine-get", "--config", "x"]).command == "mine-get"
    assert len(told) == 2
    assert "the factory a (a.py) cannot be loaded: SyntaxError: x" in told
    assert "the factory b (b.py) cannot add its commands" in told[1]


def test_a_factorys_own_option_wins_over_a_global_one_of_that_name():
    def own(subparsers):
        subparsers.add_parser("own").add_argument("--logfile", type=int)

    parser, told = added(Record("own", "own.py", "loaded", add_parser=own))
    assert told == []
    assert parser.parse_args(["own", "--logfile", "3"]).logfile == 3


def test_a_command_that_does_nothing_says_so():
    parser, _ = added(Record("c", "c.py", "loaded", add_parser=mine))
    args = parser.parse_args(["mine-get"])
    with pytest.raises(Exception, match="says nothing of what mine-get does"):
        args.run(args)


def test_every_bundled_factory_has_its_commands():
    records = {record.name: record for record in load_registry([]).records}
    assert {name for name, record in records.items() if record.add_parser} == {
        "core",
        "incident-siem",
        "organizations",
        "person",
    }
    assert {name for name, record in records.items() if record.factory} == {"incident-siem"}


# folders of the site's own factories


@pytest.mark.parametrize(
    "words", [["--config", "{}", "x"], ["x", "--config={}"], ["--config", "none", "--config", "{}"], ["x", "-c", "{}"]]
)
def test_folders_are_found_in_the_configuration_on_the_command_line(tmp_path, words):
    (tmp_path / "own").mkdir()
    (tmp_path / "c.yaml").write_text("factories: [./own, ./gone, 3]\n")
    assert find_folders([word.format(tmp_path / "c.yaml") for word in words]) == [tmp_path / "own"]


@pytest.mark.parametrize("text", ["factories: [", "factories: 3", "- factories", "itop: {}", ""])
def test_a_configuration_that_cannot_be_read_is_left_to_who_needs_it(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    assert find_folders(["--config", str(tmp_path / "c.yaml")]) == []
    assert find_folders(["--config"]) == []
    assert find_folders(["--config", str(tmp_path)]) == []


def test_the_help_is_coloured_on_a_terminal_only(monkeypatch):
    pytest.importorskip("rich_argparse")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = Parser(prog="p").format_help()
    assert "\x1b[" not in plain
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert argparse.ArgumentParser(prog="p").format_help() == plain
    assert "\x1b[" in Parser(prog="p").format_help()
