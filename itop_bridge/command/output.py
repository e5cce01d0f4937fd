"""What commands print: a table for people, plain columns for a pipe, JSON or CSV for programs."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

Format = Literal["table", "json", "csv"]
FORMATS: Sequence[Format] = ("table", "json", "csv")


def show_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, how: Format = "table", stream: TextIO | None = None
) -> None:
    """Print one line per row. `table` is a table on a terminal, and tab-separated columns with a header elsewhere.

    What is in iTop is data: nothing of it is obeyed by a terminal, and a tab or newline in it is written as \\t or \\n.
    CSV keeps texts as they are, also those that a spreadsheet takes for a formula.
    """
    stream = sys.stdout if stream is None else stream
    if how == "json":
        listed = [{name: row.get(name) for name in columns} for row in rows]
        stream.write(json.dumps(listed, indent=2) + "\n")
    elif how == "csv":
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(row.get(name)) for name in columns] for row in rows)
    elif stream.isatty():
        _draw_table(rows, columns, stream)
    else:
        lines = [list(columns), *([escape(row.get(name)) for name in columns] for row in rows)]
        stream.writelines("\t".join(line) + "\n" for line in lines)


def escape(value: Any) -> str:
    """A value on one line, with whatever is not printable as a backslash and its code."""
    text = _plain(value)
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _draw_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], stream: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy, and for a terminal only
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    table = Table(header_style="bold", show_edge=False)
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape(row.get(name))) for name in columns))
    Console(file=stream, highlight=False).print(table)
