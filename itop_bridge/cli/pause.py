"""`itop-bridge pause` and `resume`: delivery held back, of one route or of all, while intake goes on."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import add_operator_options, check_may_change, operate, say
from itop_bridge.cli.sheet import format_moment
from itop_bridge.command.output import escape

if TYPE_CHECKING:
    from itop_bridge.control.door import Door
    from itop_bridge.control.request import Pause, Resume


def add_parsers(subparsers: Any) -> None:
    pause = subparsers.add_parser(
        "pause",
        help="hold delivery back, of one route or of all",
        description="Hold delivery back; alerts are taken in and kept. It holds across restarts, until `resume`.",
        epilog="Example: itop-bridge pause --route wazuh --config itop-bridge.yaml",
    )
    resume = subparsers.add_parser(
        "resume",
        help="let delivery go on",
        description="Let delivery go on, of one route, or after a pause of all.",
        epilog="Example: itop-bridge resume --route wazuh --config itop-bridge.yaml",
    )
    for parser, run in ((pause, run_pause), (resume, run_resume)):
        parser.add_argument("--route", metavar="NAME", help="of this route only")
        add_operator_options(parser)
        parser.set_defaults(run=run)


def run_pause(args: argparse.Namespace) -> int:
    """Hold back."""
    from itop_bridge.control.request import Pause  # noqa: PLC0415 - heavy

    return _change(args, Pause(args.route))


def run_resume(args: argparse.Namespace) -> int:
    """Go on."""
    from itop_bridge.control.request import Resume  # noqa: PLC0415 - heavy

    return _change(args, Resume(args.route))


def _change(args: argparse.Namespace, request: "Pause | Resume") -> int:
    check_may_change(args, has_dry_run=False)

    async def work(door: "Door") -> int:
        answer = await door.ask(request)
        say(*summarise_pauses(answer, args.command, args.route))
        return 0

    return operate(args, work)


def summarise_pauses(answer: Mapping[str, Any], command: str, route: str | None) -> list[str]:
    """What was done, and which pauses hold now. Pure."""
    what = "everything" if route is None else f"route {escape(route)}"
    done = {"pause": "paused", "resume": "resumed"}[command]
    state = {"pause": "was paused already", "resume": "was not paused"}[command]
    first = f"{what} is {done}" if answer["changed"] else f"{what} {state}"
    return [first, *(f"paused: {line}" for line in describe_pauses(answer["pauses"]))]


def describe_pauses(pauses: Mapping[str, float]) -> list[str]:
    """`wazuh since 2026-11-24 10:00:00`, one each. Pure."""
    return [
        f"{'everything' if route == '*' else escape(route)} since {format_moment(since)}"
        for route, since in sorted(pauses.items())
    ]
