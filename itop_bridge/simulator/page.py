"""A page for people: the tickets with their logs. Everything in it is escaped; nothing in it is a script."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>iTop simulator</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
article { border: 1px solid #ccc; border-radius: 6px; margin: 1rem 0; padding: 0 1rem }
.ongoing { border-left: 6px solid #c62828 } .resolved { border-left: 6px solid #2e7d32 } .closed { opacity: .6 }
pre { background: #f5f5f5; overflow-x: auto; padding: .5rem; white-space: pre-wrap }
</style></head><body><h1>iTop simulator</h1>
"""
_SHOWN = (
    "status",
    "priority",
    "urgency",
    "impact",
    "org_name",
    "caller_name",
    "team_name",
    "agent_name",
    "last_update",
)


def render_page(tickets: Sequence[Mapping[str, Any]]) -> str:
    """The page; the tickets as `Simulator.objects` gives them."""
    articles = "".join(_render_ticket(ticket) for ticket in reversed(tickets))
    return f"{_HEAD}<p>{len(tickets)} tickets</p>\n{articles}</body></html>\n"


def _render_ticket(ticket: Mapping[str, Any]) -> str:
    facts = " · ".join(f"{_escape(code)} {_escape(ticket[code])}" for code in _SHOWN if ticket.get(code))
    return (
        f'<article class="{_escape(ticket["operational_status"])}">'
        f"<h2>{_escape(ticket['ref'])} {_escape(ticket['title'])}</h2>\n<p>{facts}</p>\n"
        f"<pre>{_escape(ticket['description'])}</pre>\n"
        + "".join(_render_log(code, ticket[code]) for code in ("public_log", "private_log") if ticket[code])
        + (f"<h3>solution</h3><pre>{_escape(ticket['solution'])}</pre>" if ticket["solution"] else "")
        + "</article>\n"
    )


def _render_log(code: str, entries: Sequence[Mapping[str, Any]]) -> str:
    shown = "".join(
        f"<p>{_escape(entry['date'])} {_escape(entry['user_login'])}</p><pre>{_escape(entry['message'])}</pre>\n"
        for entry in entries
    )
    return f"<h3>{_escape(code)}</h3>\n{shown}"


def _escape(value: object) -> str:
    return html.escape(str(value))
