"""What the demo shows at its end: the incidents, and what went in and out."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from itop_bridge.demo.ledger import Ledger
from itop_bridge.demo.table import Cell, Column, Paint, render_table

Painter = Callable[[str], Paint]
"""From an SGR code to what paints with it."""

BOLD, RED, GREEN, YELLOW = "1", "31", "32", "33"

_COLUMNS = (
    Column("Incident"),
    Column("Title", flexible=True),
    Column("Org"),
    Column("Status"),
    Column("Priority"),
    Column("Alerts", right=True),
    Column("Log", right=True),
)
_KEY = re.compile(r"^\[SIEM-[0-9a-f]+\] ")
"""What the bridge finds its incidents again by: of no use to a reader of the table."""
_PRIORITIES = {"1": ("critical", RED), "2": ("high", YELLOW), "3": ("medium", "0"), "4": ("low", "0")}


def render_incidents(tickets: Sequence[Mapping[str, Any]], ledger: Ledger, *, width: int, paint: Painter) -> list[str]:
    """The table of iTop's incidents, with the alerts that each stands for and the number of its log entries.

    `tickets` as `Demo.tickets` gives them.
    """
    alerts = ledger.count("incident")
    rows = [_describe_row(ticket, alerts[str(ticket["ref"])], paint) for ticket in tickets]
    return render_table(_COLUMNS, rows, width=width, paint_head=paint(BOLD))


def _describe_row(ticket: Mapping[str, Any], alerts: int, paint: Painter) -> list[Cell]:
    priority, code = _PRIORITIES.get(str(ticket["priority"]), (str(ticket["priority"]), "0"))
    status = str(ticket["status"])
    return [
        Cell(str(ticket["ref"])),
        Cell(_KEY.sub("", str(ticket["title"]))),
        Cell(str(ticket["organization"])),
        Cell(status, paint(GREEN) if status == "resolved" else None),
        Cell(priority, paint(code)),
        Cell(f"{alerts:,}"),
        Cell(str(len(ticket["public_log"]))),
    ]


def render_totals(ledger: Ledger, calls: Counter[str]) -> Iterator[str]:
    """What went in, what became of it, and what went out to iTop. `calls` are counted by operation.

    Lines as they come from the journal: to be escaped where they are shown.
    """
    delivered, dropped, dead = (ledger.count(kind) for kind in ("incident", "dropped", "dead"))
    alerts = sum(map(Counter.total, (delivered, dropped, dead)))
    writes = len(ledger.writes)
    yield f"In     {alerts:,} alerts in {len(ledger.entries):,} MQTT messages"
    yield f"       {delivered.total():,} are in {len(delivered)} incidents, by {writes} writes"
    yield f"       {dropped.total():,} dropped: {_list(dropped) or 'none'}"
    yield f"       {dead.total():,} kept for a person, as dead letters: {_list(dead) or 'none'}"
    for letter in ledger.dead_letters:
        yield f"         {letter.topic}: {letter.payload[:60].decode('utf-8', 'replace')}"
        yield f"         {letter.detail[:100]}"
    yield f"Out    {calls.total():,} calls to iTop, {calls.total() / max(alerts, 1):.3f} for an alert:"
    yield f"       {_list(calls)}"


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
