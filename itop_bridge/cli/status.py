"""`itop-bridge status`: what the daemon does now, and what ails it; the same as /readyz."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import add_operator_options, operate, say, say_json
from itop_bridge.cli.pause import describe_pauses
from itop_bridge.cli.sheet import draw_facts, format_age, format_count, format_moment, shorten

if TYPE_CHECKING:
    from itop_bridge.control.door import Door

_EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"
_NOT_READY = 1
_LATE_S = 60.0


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "status",
        help="what the daemon does now, and what ails it",
        description="What the daemon does now, as /readyz tells it; exit code 1 unless it runs and is ready.",
        epilog="Example: itop-bridge status --watch",
    )
    parser.add_argument("--watch", action="store_true", help="again every two seconds, until Ctrl-C")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the status once, or again and again. Returns 1 if the daemon is not ready."""
    code = operate(args, lambda door: _show(door, args))
    while args.watch:
        time.sleep(_EVERY_S)
        code = operate(args, lambda door: _show(door, args))
    return code


async def _show(door: "Door", args: argparse.Namespace) -> int:
    from itop_bridge.control.request import FetchStatus  # noqa: PLC0415 - heavy

    status = await door.ask(FetchStatus())
    if args.json:
        say_json(status)
    else:
        head = _CLEAR if args.watch and sys.stdout.isatty() else ""
        say(head + "\n".join(describe_status(status, time.time())))
    return 0 if status["ready"] else _NOT_READY


def describe_status(status: Mapping[str, Any], now: float) -> list[str]:
    """The status as lines. Pure."""
    return draw_facts(_facts(status, now), indent="")


def _facts(status: Mapping[str, Any], now: float) -> Iterator[tuple[str, Any]]:
    yield "daemon", _describe_daemon(status)
    if status["running"]:
        yield "broker", _describe_broker(status["broker"])
        yield "itop", _describe_itop(status["itop"])
        yield "triage", _describe_triage(status["triage"])
    backlog = status["journal"]
    yield "waiting", format_count(backlog["waiting"], "event")
    yield "pending", _describe_pending(backlog)
    if backlog["oldest"] is not None:
        yield "oldest", f"{format_moment(backlog['oldest'])}, {format_age(now - backlog['oldest'])} ago"
    if late := _describe_late(backlog["late"], now):
        yield "late", late
    yield "unverified", format_count(backlog["unverified"], "write")
    yield "parked", format_count(backlog["parked"], "case")
    yield "dead letters", str(backlog["dead_letters"])
    for pause in describe_pauses(status["pauses"]):
        yield "paused", pause
    for name, alarm in status.get("alarms", {}).items():
        yield "alarm", _fit(f"{name} since {format_moment(alarm['since'])} {alarm['detail']}")


def _describe_triage(triage: Mapping[str, int]) -> str:
    told = "{accepted} accepted, {dropped} dropped, {rejected} rejected".format_map(triage)
    return f"{format_count(triage['events'], 'event')}: {told}"


def _describe_pending(backlog: Mapping[str, int]) -> str:
    """What a parked case owes waits for a person: its case is not among those that are due."""
    parked = backlog.get("pending_parked", 0)  # a daemon of before does not tell it
    due = f"{format_count(backlog['pending'] - parked, 'intent')} of {format_count(backlog['cases'], 'case')}"
    return f"{due}, {parked} of parked ones" if parked else due


def _describe_late(late: Mapping[str, Mapping[str, float]], now: float) -> str:
    """Empty where nothing has been late for long: what is being written now is late by a moment."""
    age_s = now - min((each["oldest"] for each in late.values()), default=now)
    if age_s < _LATE_S:
        return ""
    cases, critical = sum(int(each["cases"]) for each in late.values()), int(late.get("1", {}).get("cases", 0))
    urgent = f" ({critical} critical)" if critical else ""
    told = f"{format_count(cases, 'case')} without incident{urgent}" if cases else "entries of incidents"
    return f"{told}, oldest {int(age_s // 60)}m{int(age_s % 60):02}s"


def _fit(text: str) -> str:
    """In full in a pipe, where whoever reads it wants the cause."""
    return shorten(text) if sys.stdout.isatty() else text


def _describe_daemon(status: Mapping[str, Any]) -> str:
    if not status["running"]:
        return "does not run; this is what its journal holds"
    return f"{'ready' if status['ready'] else 'degraded'}, version {status['version']}"


def _describe_broker(broker: Mapping[str, Any]) -> str:
    state = "subscribed" if broker["ready"] else "connected" if broker["connected"] else "not connected"
    since = f" since {format_moment(broker['since'])}" if broker["since"] is not None else ""
    return f"{state}{since}; {format_count(broker['received'], 'message')}, {broker['journaled']} journaled"


def _describe_itop(itop: Mapping[str, Any]) -> str:
    state = "reachable" if itop["reachable"] else "unreachable"
    why = ": ".join(each for each in (itop["reason"], itop["detail"]) if each)
    calls = format_count(sum(itop["calls"].values()), "call")
    return f"{state}{_describe_next_call(itop)}, {calls}{f' ({_fit(why)})' if why else ''}"


def _describe_next_call(itop: Mapping[str, Any]) -> str:
    """Where none may be made now."""
    if (probe_in_s := itop.get("probe_in_s")) is not None:
        return f", next probe in {probe_in_s:.0f} s"
    return f", throttled for {throttled_s:.0f} s more" if (throttled_s := itop.get("throttled_s")) else ""
