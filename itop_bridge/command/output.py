"""What commands print: a table for people, plain columns for a pipe, JSON or CSV for programs."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

Format = Literal["table", "json", "csv"]
FORMATS: Sequence[Format] = ("table", "json", "csv")

_WIDEST = 40
"""A column of a table that is wider is folded, and the last one always: an id or a time stays whole."""
_FOLDED = 20
"""What a folded column has, at least."""
_BETWEEN = 3
"""What lies between two columns."""


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

    cells = [[Text(escape(row.get(name))) for name in columns] for row in rows]
    heads = [Text(name) for name in columns]
    widths = [max(cell.cell_len for cell in column) for column in zip(heads, *cells, strict=True)]
    folded = [place == len(columns) - 1 or width > _WIDEST for place, width in enumerate(widths)]
    table = Table(header_style="bold", show_edge=False)
    for head, fold in zip(heads, folded, strict=True):
        table.add_column(head, overflow="fold", no_wrap=not fold)
    for row_cells in cells:
        table.add_row(*row_cells)
    console = Console(file=stream, highlight=False)
    needed = sum(min(width, _FOLDED) if fold else width for width, fold in zip(widths, folded, strict=True))
    console.width = max(console.width, needed + _BETWEEN * len(columns))  # where it is wider, the terminal wraps lines
    console.print(table)
