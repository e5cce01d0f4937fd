import argparse
import datetime
import io
import sys
import time
from types import SimpleNamespace

import pytest

from itop_bridge.cli import control
from itop_bridge.cli.control import check_may_change, confirm, operate, read_count, read_duration, read_moment, say_json
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError


def args(**values):
    usual = {"config": None, "journal": None, "yes": False, "read_only": False, "dry_run": False, "command": "pause"}
    return SimpleNamespace(**{**usual, **values})


def test_without_a_journal_nothing_is_done(monkeypatch, tmp_path):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(control, "SERVICE_JOURNAL", tmp_path / "journal.db")
    with pytest.raises(UsageError, match="Give --config FILE or --journal FILE; there is none at"):
        operate(args(), None)


def test_with_neither_option_it_is_that_of_the_state_folder_or_else_of_the_service(tmp_path):
    service = tmp_path / "journal.db"
    service.touch()
    assert control.find_usual_journal({}, service) == service
    assert str(control.find_usual_journal({"STATE_DIRECTORY": "/x:/y"}, service)) == "/x/journal.db"


def test_a_folder_that_is_closed_is_no_folder_without_a_journal():
    class Closed:
        def exists(self):
            raise PermissionError

    service = Closed()
    assert control.find_usual_journal({}, service) is service


def test_where_the_configuration_is_broken_the_way_without_it_is_told(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("journal: [")
    with pytest.raises(ConfigurationError) as caught:
        control.find_journal(args(config=config))
    assert len(caught.value.problems) > 1
    assert "--journal FILE instead of --config" in caught.value.problems[-1]


def test_the_configuration_names_the_journal_and_an_option_wins(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("journal: {path: /x/j.db}\nroutes: [{name: a}]\n")
    journal, routes = control.find_journal(args(config=config))
    assert (str(journal), routes) == ("/x/j.db", ("a",))
    assert control.find_journal(args(config=config, journal=tmp_path))[0] == tmp_path
    assert control.find_journal(args(journal=tmp_path)) == (tmp_path, None)


def test_read_only_changes_nothing():
    check_may_change(args())
    with pytest.raises(BridgeError, match="leave out --read-only"):
        check_may_change(args(read_only=True))


def test_a_dry_run_that_there_is_not_is_never_a_real_one():
    check_may_change(args(dry_run=True))
    with pytest.raises(UsageError, match="pause has no dry run"):
        check_may_change(args(dry_run=True), has_dry_run=False)


class Keyboard(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "answer"), [("y\n", True), (" YES \n", True), ("\n", False), ("yep\n", False)])
def test_a_person_is_asked(monkeypatch, capsys, typed, answer):
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    assert confirm(args(), "Drop 3?") is answer
    assert capsys.readouterr().out == "Drop 3? [y/N] "


def test_where_nobody_can_be_asked_the_answer_is_no(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="Give --yes"):
        confirm(args(), "Drop 3?")
    assert confirm(args(yes=True), "Drop 3?")


def test_json_is_a_line_each_that_a_terminal_obeys_nothing_of(capsys):
    say_json({"a": "\x1b[2J\x9b\n"}, {"b": None})
    assert capsys.readouterr().out == '{"a": "\\u001b[2J\\u009b\\n"}\n{"b": null}\n'


def test_no_json_is_no_line(capsys):
    say_json()
    assert capsys.readouterr().out == ""


def test_durations_have_units():
    assert read_duration("1h30m") == 5400
    with pytest.raises(argparse.ArgumentTypeError, match="a duration such as"):
        read_duration("5")


def test_a_moment_is_an_age_or_a_date(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 10_000.0)
    assert read_moment("2h") == 2800.0
    noon = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC).timestamp()
    assert [read_moment(text) for text in ("2026-11-24T12:00", "2026-11-24T12:00Z", "2026-11-24T13:00+01:00")] == [
        noon
    ] * 3
    assert read_moment("2026-11-24") == noon - 12 * 3600
    with pytest.raises(argparse.ArgumentTypeError, match="neither a duration"):
        read_moment("yesterday")


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "²", "9223372036854775808"])
def test_a_count_is_above_nought_and_fits_the_journal(text):
    assert read_count("12") == 12
    with pytest.raises(argparse.ArgumentTypeError):
        read_count(text)
