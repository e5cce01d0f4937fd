"""What operators read of one thing: facts and steps under each other, and texts of others marked as such. Pure."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from itop_bridge.command.output import escape

_WIDEST = 120


def format_moment(moment: float | None) -> str:
    """Seconds since the epoch as `2026-11-24 10:00:00` (UTC, as the log has it); empty for None."""
    if moment is None:
        return ""
    try:
        return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"@{moment:g}"


def format_count(count: int, what: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def format_age(seconds: float) -> str:
    """A duration by its two largest units: `3d4h`, `12m5s`."""
    rest, parts = max(0, int(seconds)), list[str]()
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count and len(parts) < 2:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def shorten(text: Any, most: int = _WIDEST) -> str:
    """One escaped line of at most so many characters."""
    line = escape(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def draw_facts(facts: Iterable[tuple[str, Any]], indent: str = "  ") -> list[str]:
    """`name  value`, aligned; what is None or empty is left out."""
    told = [(name, escape(value)) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in told), default=0)
    return [f"{indent}{name:<{width}}  {value}" for name, value in told]


def draw_steps(steps: Sequence[tuple[float | None, str, Any]], indent: str = "  ") -> list[str]:
    """`time  what  detail`, aligned, in the order given."""
    width = max((len(what) for _, what, _ in steps), default=0)
    return [
        f"{indent}{format_moment(at):<19}  {what:<{width}}  {escape(detail)}".rstrip() for at, what, detail in steps
    ]


def quote(text: str) -> list[str]:
    """A text that an attacker may have written, line by line behind a bar: it cannot pass for the program's own."""
    return [f"  | {escape(line)}" for line in text.split("\n")]


_STATES = {
    "in_flight": "under way",
    "unknown": "not known whether iTop did it",
    "applied": "iTop says it is done",
    "confirmed": "seen in iTop",
    "absent": "it is not in iTop, and is planned anew",
    "failed": "iTop refused it, or it was not sent",
}


def describe_attempt(attempt: Mapping[str, Any]) -> str:
    """One write to iTop: what, which, and what is known of it."""
    incident = attempt["ref"] or (attempt["incident"] and f"incident {attempt['incident']}")
    where = f" in {incident}" if incident else ""
    known = _STATES.get(attempt["state"], attempt["state"])
    again = f", looked for at {format_moment(attempt['look'])}" if attempt["look"] is not None else ""
    return f"{attempt['kind']}{where} (attempt {attempt['id']}): {known}{again}"
