"""Tables for a terminal: aligned by what a mark is wide, cut to the width, control characters escaped. Pure."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from itop_bridge.log import escape_text

Paint = Callable[[str], str]

_GAP = "  "
_LEAST = 12
"""A flexible column is not cut below this, even if the line gets too long."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A flexible one takes the room that the others leave."""

    title: str
    right: bool = False
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and how it is painted once it has its width."""

    text: str
    paint: Paint | None = None


def render_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, width: int, paint_head: Paint | None = None
) -> list[str]:
    """The lines of a table, its head first."""
    table = [[Cell(column.title, paint_head) for column in columns], *rows]
    safe = [[escape_text(cell.text) for cell in row] for row in table]
    widths = [max(map(text_width, texts)) for texts in zip(*safe, strict=True)]
    spare = width - sum(widths) - len(_GAP) * (len(widths) - 1)
    for index, column in enumerate(columns):
        if column.flexible and spare < 0:
            widths[index] = max(min(widths[index], _LEAST), widths[index] + spare)
    return [
        _GAP.join(
            _paint(cell, fit(text, wide, right=column.right))
            for cell, text, wide, column in zip(row, texts, widths, columns, strict=True)
        ).rstrip()
        for row, texts in zip(table, safe, strict=True)
    ]


def text_width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return sum(map(_mark_width, text))


def fit(text: str, width: int, *, right: bool = False) -> str:
    """A text cut, with an ellipsis, or filled up with blanks to exactly `width` cells."""
    if text_width(text) > width:
        room = width - 1
        kept = []
        for mark in text:
            room -= _mark_width(mark)
            if room < 0:
                break
            kept.append(mark)
        text = "".join(kept) + "…"
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks


def _mark_width(mark: str) -> int:
    if unicodedata.combining(mark):
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def _paint(cell: Cell, text: str) -> str:
    return cell.paint(text) if cell.paint else text
