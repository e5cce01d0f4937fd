import csv
import io
import json
import re

import pytest

from itop_bridge.command.output import escape, show_rows

ROWS = [
    {"id": 1, "title": 'a, "b"\tc\nd', "log": {"entries": []}, "hidden": "x"},
    {"id": 2, "title": "\x1b[31mred\u202e [bold]x[/bold] é", "log": None},
]
COLUMNS = ("id", "title", "log")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(how, stream=None):
    stream = stream or io.StringIO()
    show_rows(ROWS, COLUMNS, how=how, stream=stream)
    return stream.getvalue()


def test_in_a_pipe_columns_are_separated_by_tabs_and_a_row_is_a_line():
    lines = [line.split("\t") for line in shown("table").splitlines()]
    assert lines == [
        ["id", "title", "log"],
        ["1", 'a, "b"\\tc\\nd', '{"entries": []}'],
        ["2", "\\x1b[31mred\\u202e [bold]x[/bold] é", ""],
    ]


def test_json_keeps_values_as_they_are_and_only_the_columns():
    assert json.loads(shown("json")) == [{name: row[name] for name in COLUMNS} for row in ROWS]
    assert shown("json").isascii()


def test_csv_can_be_read_back():
    read = list(csv.reader(io.StringIO(shown("csv"))))
    assert read[0] == list(COLUMNS)
    assert read[1] == ["1", 'a, "b"\tc\nd', '{"entries": []}']


def test_a_terminal_gets_a_table_and_obeys_nothing_in_it(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown("table", Terminal())
    assert "title" in text.splitlines()[0]
    assert "\\x1b[31mred\\u202e [bold]x[/bold]" in text
    assert "\x1b[31m" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("how", ["table", "csv"])
def test_no_rows_are_a_header(how):
    stream = io.StringIO()
    show_rows([], COLUMNS, how=how, stream=stream)
    assert stream.getvalue().split() == list(COLUMNS) or stream.getvalue() == "id,title,log\n"


def test_what_is_printable_stays():
    assert escape("é ü 漢") == "é ü 漢"


def test_on_a_terminal_only_the_last_column_is_folded(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    row = {"id": 12345, "time": "2026-11-24 10:00:00", "reason": "organization_missing", "detail": "word " * 30}
    terminal = Terminal()
    show_rows([row], tuple(row), stream=terminal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert all(name in lines[2] for name in ("12345", "2026-11-24 10:00:00", "organization_missing"))
    assert max(map(len, lines)) <= 80
    assert terminal.getvalue().count("word") == 30


def test_a_table_that_is_too_wide_is_the_terminals_to_wrap_and_nothing_of_it_is_lost(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    row = {f"c{number}": f"value-{number:012}" for number in range(5)} | {"long": "z" * 100}
    terminal = Terminal()
    show_rows([row], tuple(row), stream=terminal)
    line = terminal.getvalue().splitlines()[2]
    assert all(f"value-{number:012}" in line for number in range(5))
    assert terminal.getvalue().count("z") == 100
