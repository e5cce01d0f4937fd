"""`itop-bridge check`: everything that is wrong with a configuration, before it is used."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import check_may_change
from itop_bridge.cli.parser import add_config_option, config_of
from itop_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from itop_bridge.settings.load import Loaded

Checker = Callable[["Loaded"], Sequence[str]]
"""A further check of settings that are valid in themselves: one line per problem, as `Loaded.locate` begins them."""


def load_checkers() -> Sequence[Checker]:
    """The further checks. Imported here, since they are heavy."""
    from itop_bridge.triage.load import find_problems  # noqa: PLC0415 - heavy

    return (find_problems,)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check",
        help="tell all that is wrong with a configuration",
        description="Load a configuration as the daemon would and tell every problem and doubt (exit code 78). With"
        " --online also log in to broker, mail server and iTop, and ask whether they have what it speaks of (exit code"
        " 1 if they cannot be reached).",
        epilog="Example: itop-bridge check --online -c itop-bridge.yaml",
    )
    add_config_option(parser)
    parser.add_argument(
        "--online", action="store_true", help="ask broker, iTop and mail server too; nothing is written or mailed"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the warnings and a summary. Raises ConfigurationError with all problems."""
    if args.online:
        check_may_change(args)  # one of the questions to iTop is a create, which it must refuse
    loaded = check_settings(config_of(args), load_checkers())
    print("\n".join(summarise(loaded)))  # noqa: T201 - what the command is for
    if not args.online:
        return 0
    from itop_bridge.cli.online import run_online  # noqa: PLC0415 - heavy

    return run_online(loaded)


def check_settings(path: Path, checkers: Sequence[Checker]) -> "Loaded":
    """Load and check; warnings go to stderr. Raises ConfigurationError with the problems of all checkers."""
    from itop_bridge.settings.load import load_routes_alone, load_settings  # noqa: PLC0415 - heavy

    try:
        loaded = load_settings(path)
    except ConfigurationError as error:
        alone = load_routes_alone(path)
        raise ConfigurationError([*error.problems, *(_find_problems(checkers, alone) if alone else ())]) from None
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - what the command is for
    if problems := _find_problems(checkers, loaded):
        raise ConfigurationError(problems)
    return loaded


def _find_problems(checkers: Sequence[Checker], loaded: "Loaded") -> list[str]:
    return [problem for checker in checkers for problem in _problems_of(checker, loaded)]


def _problems_of(checker: Checker, loaded: "Loaded") -> Sequence[str]:
    try:
        return checker(loaded)
    except ConfigurationError as error:
        return error.problems


def summarise(loaded: "Loaded") -> list[str]:
    """What was understood: a line per route."""
    routes = loaded.settings.routes
    name_width = max(len(route.name) for route in routes)
    topic_width = max(len(route.topic) for route in routes)
    lines = [
        f"  {route.name:<{name_width}}  {route.topic:<{topic_width}}  "
        f"{route.format} -> {route.factory}, {route.organization}"
        for route in routes
    ]
    own = loaded.settings.own_incidents
    if own:
        lines.append(f"  own incidents: {own.factory}, {own.organization}")
    return [f"ok: {len(routes)} route{'' if len(routes) == 1 else 's'}", *lines]
