"""`itop-bridge reload`: what SIGHUP does, with its result."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import add_operator_options, check_may_change, operate, say

if TYPE_CHECKING:
    from itop_bridge.control.door import Door


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reload",
        help="let the daemon read its configuration again",
        description="Let the daemon read its configuration again, as SIGHUP does. If it is not usable nothing changes,"
        " and every problem is told (exit code 78).",
        epilog="Example: itop-bridge reload --config itop-bridge.yaml",
    )
    add_operator_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reload, and tell what came of it. Raises ConfigurationError with every problem."""
    check_may_change(args, has_dry_run=False)

    async def work(door: "Door") -> int:
        from itop_bridge.control.request import Reload  # noqa: PLC0415 - heavy

        say(summarise_reload(await door.ask(Reload())))
        return 0

    return operate(args, work)


def summarise_reload(answer: Mapping[str, Any]) -> str:
    """What is in use now, and what is not yet. Pure."""
    count = len(answer["routes"])
    told = f"ok: {count} route{'' if count == 1 else 's'}"
    return f"{told}; taken up by a restart only: {', '.join(answer['restart'])}" if answer["restart"] else told
