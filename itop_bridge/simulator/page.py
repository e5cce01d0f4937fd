"""A page for people: the tickets with their logs. Everything in it is escaped; nothing in it is a script."""

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from itop_bridge.simulator.markup import render_text

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>iTop simulator</title>
<style>
body { background: #fafafa; color: #1b1b1b; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem }
article { background: #fff; border: 1px solid #ddd; border-left: 6px solid #c62828; border-radius: 6px }
article { margin: 1rem 0; padding: .2rem 1rem 1rem }
.resolved { border-left-color: #2e7d32 } .closed { border-left-color: #9e9e9e }
h2 { font-size: 1.1rem; margin: .6rem 0 .2rem } h3 { color: #555; font-size: .8rem; margin: .8rem 0 .2rem }
h2, pre { overflow-wrap: anywhere; unicode-bidi: isolate }
pre { background: #f3f3f3; border-radius: 4px; margin: .2rem 0 .6rem; padding: .5rem; white-space: pre-wrap }
p { color: #555; font-size: .85rem; margin: .1rem 0 }
</style></head><body><h1>iTop simulator</h1>
"""
_FACTS = {
    "status": "status",
    "priority": "priority",
    "organisation": "org_name",
    "caller": "caller_id_friendlyname",
    "team": "team_name",
    "agent": "agent_id_friendlyname",
    "last update": "last_update",
}
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What cannot be seen, or turns what follows round."""

_CELL_END = re.compile("</t[dh]>")
_LOGS = ("public_log", "private_log")
_TEXTS = ("description", "solution")
_NEWEST = 200


def render_page(tickets: Sequence[Mapping[str, Any]], attachments: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page, newest ticket first, with the names of what is attached; both as `Simulator.objects` gives them."""
    files: dict[str, list[str]] = {}
    for each in attachments:
        files.setdefault(str(each["item_id"]), []).append(str(each["contents"]["filename"]))
    counts = Counter(str(ticket.get("operational_status", "")) for ticket in tickets)
    told = ", ".join(f"{count} {_escape(status)}" for status, count in counts.most_common())
    shown = list(reversed(tickets))[:_NEWEST]
    cut = f"; the newest {_NEWEST} are shown" if len(shown) < len(tickets) else ""
    articles = "".join(_render_ticket(ticket, files.get(str(ticket["id"]), ())) for ticket in shown)
    return f"{_HEAD}<p>{len(tickets)} tickets{f': {told}' if told else ''}{cut}</p>\n{articles}</body></html>\n"


def _render_ticket(ticket: Mapping[str, Any], files: Sequence[str]) -> str:
    facts = " · ".join(f"{name} {_escape(ticket[code])}" for name, code in _FACTS.items() if ticket.get(code))
    texts = "".join(_render_text(code, _read_text(str(ticket[code]))) for code in _TEXTS if ticket.get(code))
    texts += _render_text("attachments", "\n".join(files)) if files else ""
    logs = "".join(_render_log(code, ticket[code]) for code in _LOGS if ticket.get(code))
    return (
        f'<article class="{_escape(ticket.get("operational_status", ""))}" id="{_escape(ticket["id"])}">'
        f"<h2>{_escape(ticket['ref'])} · {_escape(ticket['title'])}</h2>\n<p>{facts}</p>\n{texts}{logs}</article>\n"
    )


def _read_text(markup: str) -> str:
    """As text, with a gap between the cells of a table, which iTop's own texts do not have."""
    return render_text(_CELL_END.sub(r" \g<0>", markup))


def _render_text(code: str, text: str) -> str:
    return f"<h3>{code}</h3><pre>{_escape(text)}</pre>\n"


def _render_log(code: str, entries: Sequence[Mapping[str, Any]]) -> str:
    return f"<h3>{code}</h3>\n" + "".join(
        f"<p>{_escape(entry['date'])} {_escape(entry['user_login'])}</p><pre>{_escape(entry['message'])}</pre>\n"
        for entry in entries
    )


def _escape(value: object) -> str:
    """The value as text; what is hidden in it becomes visible."""
    shown = _HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", str(value).replace("\r\n", "\n"))
    return html.escape(shown)
