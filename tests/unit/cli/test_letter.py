import io
import json
import sys

import pytest
from filled import fill, park

from itop_bridge.cli import letter
from itop_bridge.cli.letter import describe_letter, summarise_retry
from itop_bridge.cli.main import build_parser


def states(operator):
    return [state for (state,) in operator.query("SELECT state FROM dead_letters ORDER BY id")]


def test_the_list_is_tab_separated_in_a_pipe(operator):
    code, out, err = operator.run("dead-letters", "list")
    assert (code, err) == (0, "")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["id", "time", "state", "route", "reason", "of", "detail"]
    assert rows[0] == ["1", "1970-01-01 00:16:40", "open", "", "invalid_json", "event 1/0", "line 1\\x1b[2J"]
    assert len(rows) == 3


def test_as_json_it_is_an_object_per_line(operator):
    _, out, _ = operator.run("dead-letters", "list", "--json")
    letters = [json.loads(line) for line in out.splitlines()]
    assert [(each["id"], each["reason"], each["topic"]) for each in letters] == [
        (number, "invalid_json", "siem/EXC/wazuh") for number in (1, 2, 3)
    ]


def test_the_format_of_all_commands_holds_too(operator):
    _, out, _ = operator.run("--output-format", "json", "dead-letters", "list")
    assert len(json.loads(out)) == 3
    _, out, _ = operator.run("dead-letters", "list", "--output-format", "csv")
    assert out.startswith("id,time,")


def test_a_terminal_gets_a_table_that_fits(operator, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    operator.run("dead-letters", "list")
    lines = stream.getvalue().splitlines()
    assert "\x1b[2J" not in stream.getvalue()
    assert all(len(line) <= 80 for line in lines)
    assert "reason" in lines[0]


def test_filters_leave_some(operator):
    operator.change(park)
    for words, ids in {
        ("--route", "r"): ["4"],
        ("--reason", "invalid_json"): ["1", "2", "3"],
        ("--newer", "1d"): [],
        ("--older", "1d"): ["1", "2", "3", "4"],
        ("--state", "dropped"): [],
        ("--state", "all"): ["1", "2", "3", "4"],
    }.items():
        _, out, _ = operator.run("dead-letters", "list", *words)
        assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ids, words


def test_a_list_that_is_cut_says_so(operator):
    code, out, err = operator.run("dead-letters", "list", "--limit", 2)
    assert (code, len(out.splitlines()), err) == (0, 3, "2 of 3: --limit N shows more, filters show others\n")


def test_a_long_list_comes_page_by_page(operator, monkeypatch):
    operator.change(fill, 4)
    monkeypatch.setattr(letter, "_PAGE", 2)
    _, out, err = operator.run("dead-letters", "list")
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == list("1234567")
    assert err == ""


def test_one_is_shown_with_its_payload_behind_a_bar(operator):
    code, out, _ = operator.run("dead-letters", "show", 1)
    assert code == 0
    assert out.splitlines() == [
        "dead letter 1",
        "  state    open",
        "  reason   invalid_json",
        "  field    payload",
        "  detail   line 1\\x1b[2J",
        "  time     1970-01-01 00:16:40",
        "  topic    siem/EXC/wazuh",
        "  event    1, element 0",
        "  payload  27 bytes",
        "  | {not json",
        "  | state  open\\x1b[31m\\xff",
    ]


def test_one_is_shown_as_json(operator):
    _, out, _ = operator.run("dead-letters", "show", 1, "--json")
    assert json.loads(out)["payload"] == "{not json\nstate  open\x1b[31m\\xff"


def test_a_payload_that_was_pruned_is_said_to_be():
    letter = dict.fromkeys(("field", "settled", "route", "case", "case_id"))
    letter |= {"id": 1, "state": "open", "reason": "x", "detail": "", "at": 0, "topic": "t", "event_id": 1, "idx": 0}
    assert "  payload  5 bytes, no longer kept" in describe_letter({**letter, "size": 5, "payload": None})


def test_one_that_is_not_there_is_told(operator):
    assert operator.run("dead-letters", "show", 9) == (1, "", "there is no dead letter 9\n")


@pytest.mark.parametrize("verb", ["retry", "drop"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "which ones? Give ids, or --all\n"),
        (["--route", "r"], "which ones? Give ids, or --all with the filters\n"),
        (["1", "--all"], "either ids, or --all"),
        (["1", "--older", "1h"], "either ids, or --all"),
    ],
)
def test_never_all_by_an_oversight(operator, verb, words, told):
    code, out, err = operator.run("dead-letters", verb, *words)
    assert (code, out) == (2, "")
    assert told in err
    assert states(operator) == ["open"] * 3


@pytest.mark.parametrize("words", [["0"], ["x"], ["--all", "--older", "5"]])
def test_what_is_no_id_or_age_is_wrong_usage(operator, words):
    with pytest.raises(SystemExit) as caught:
        operator.run("dead-letters", "retry", *words)
    assert caught.value.code == 2


def test_retried_while_the_daemon_is_stopped_they_are_taken_up_later(operator):
    assert operator.run("dead-letters", "retry", 1, 3)[:2] == (0, "retried 2: taken up when the daemon starts\n")
    assert states(operator) == ["retrying", "open", "retrying"]
    assert operator.run("dead-letters", "retry", 1)[:2] == (0, "no open dead letter to retry\n")


def test_all_that_the_filters_leave_are_retried(operator):
    operator.change(park)
    assert operator.run("dead-letters", "retry", "--all", "--reason", "invalid_json")[0] == 0
    assert states(operator) == ["retrying"] * 3 + ["open"]


def test_those_that_are_named_are_dropped_at_once(operator):
    assert operator.run("dead-letters", "drop", 2)[:2] == (0, "dropped 1\n")
    assert states(operator) == ["open", "dropped", "open"]


def test_all_are_dropped_only_with_a_yes(operator, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code, _, err = operator.run("dead-letters", "drop", "--all")
    assert code == 2
    assert "Drop 3 dead letters? Give --yes" in err
    assert states(operator) == ["open"] * 3
    assert operator.run("dead-letters", "drop", "--all", "--yes")[:2] == (0, "dropped 3\n")
    assert states(operator) == ["dropped"] * 3


@pytest.mark.parametrize(("typed", "code", "state"), [("n\n", 1, "open"), ("y\n", 0, "dropped")])
def test_on_a_terminal_a_person_says_so(operator, monkeypatch, typed, code, state):
    class Keyboard(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    assert operator.run("dead-letters", "drop", "--all")[0] == code
    assert states(operator) == [state] * 3


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_a_dry_run_counts_wherever_it_stands(operator, verb, place):
    words = ["dead-letters", verb, "--all"]
    words = ["--dry-run", *words] if place == "before" else [*words, "--dry-run"]
    assert operator.run(*words)[:2] == (0, f"would {verb} 3 dead letters\n")
    assert states(operator) == ["open"] * 3


def test_read_only_changes_nothing(operator):
    assert operator.run("--read-only", "dead-letters", "drop", 1)[0] == 1
    assert operator.run("dead-letters", "retry", 1, "--read-only")[0] == 1
    assert states(operator) == ["open"] * 3


def test_a_lost_entry_that_cannot_be_looked_for_is_not_said_to_be_missing():
    answer = {"found": 1, "changed": 0, "running": True}
    assert summarise_retry(answer, dry_run=False) == (
        "1 dead letter cannot be retried: what was written then is no longer known. Drop it"
    )


def test_a_summary_tells_what_became_of_them():
    answer = {"found": 1200, "changed": 1200, "running": True, "landed": 1190, "dropped": 3, "dead": 7}
    answer |= {"retrying": 0, "released": 0}
    assert summarise_retry(answer, dry_run=False) == "retried 1200: 1190 landed, 3 dropped, 7 dead again"
    answer |= {"retrying": 2, "released": 1, "landed": 0, "dropped": 0, "dead": 0}
    assert summarise_retry(answer, dry_run=False) == "retried 1200: 1 case tried again, 2 not worked off yet"
    assert summarise_retry({"found": 0, "changed": 0}, dry_run=True) == "no open dead letter to retry"


@pytest.mark.parametrize("words", [["list"], ["show", "1"], ["retry", "1"], ["drop", "1"]])
def test_every_help_has_an_example(words, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["dead-letters", words[0], "--help"])
    out = capsys.readouterr().out
    assert "Example: itop-bridge dead-letters" in out
    assert "--journal" in out
