"""`itop-bridge status`: what the daemon does now, and what ails it; the same as /readyz."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import add_operator_options, operate, say, say_json
from itop_bridge.cli.pause import describe_pauses
from itop_bridge.cli.sheet import draw_facts, format_age, format_moment, shorten

if TYPE_CHECKING:
    from itop_bridge.control.door import Door

_EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"
_NOT_READY = 1


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "status",
        help="what the daemon does now, and what ails it",
        description="What the daemon does now, as /readyz tells it; exit code 1 unless it runs and is ready.",
        epilog="Example: itop-bridge status --watch --journal /var/lib/itop-bridge/journal.db",
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
        yield (
            "triage",
            "{events} events: {accepted} accepted, {dropped} dropped, {rejected} rejected".format_map(status["triage"]),
        )
    backlog = status["journal"]
    yield "waiting", f"{backlog['waiting']} events"
    yield "pending", f"{backlog['pending']} intents of {backlog['cases']} cases"
    if backlog["oldest"] is not None:
        yield "oldest", f"{format_moment(backlog['oldest'])}, {format_age(now - backlog['oldest'])} ago"
    yield "unverified", f"{backlog['unverified']} writes"
    yield "parked", f"{backlog['parked']} cases"
    yield "dead letters", str(backlog["dead_letters"])
    for pause in describe_pauses(status["pauses"]):
        yield "paused", pause
    for name, alarm in status.get("alarms", {}).items():
        yield "alarm", shorten(f"{name} since {format_moment(alarm['since'])} {alarm['detail']}")


def _describe_daemon(status: Mapping[str, Any]) -> str:
    if not status["running"]:
        return "does not run; this is what its journal holds"
    return f"{'ready' if status['ready'] else 'degraded'}, version {status['version']}"


def _describe_broker(broker: Mapping[str, Any]) -> str:
    state = "subscribed" if broker["ready"] else "connected" if broker["connected"] else "not connected"
    since = f" since {format_moment(broker['since'])}" if broker["since"] is not None else ""
    return f"{state}{since}; {broker['received']} messages, {broker['journaled']} journaled"


def _describe_itop(itop: Mapping[str, Any]) -> str:
    state = "reachable" if itop["reachable"] else "unreachable"
    why = ": ".join(each for each in (itop["reason"], itop["detail"]) if each)
    return f"{state}, {sum(itop['calls'].values())} calls{f' ({shorten(why)})' if why else ''}"
