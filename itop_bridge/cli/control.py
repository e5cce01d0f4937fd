"""What operators' commands share: which journal they mean, the door to it, and the question before they act."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.parser import add_config_option, add_global_options
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError

if TYPE_CHECKING:
    from itop_bridge.control.door import Door
    from itop_bridge.control.request import Request
    from itop_bridge.triage.route import Route

Work = Callable[["Door"], Awaitable[int]]

SERVICE_JOURNAL = Path("/var/lib/itop-bridge/journal.db")
"""Where the unit and the Debian package keep it."""


_JOURNAL_HELP = (
    "the journal, instead of the configuration's; with neither of both $STATE_DIRECTORY/journal.db, or the service's"
    f" ({SERVICE_JOURNAL})"
)


def add_operator_options(parser: argparse.ArgumentParser, *, json: bool = False) -> None:
    """`--config`, `--journal`, where there is something to print `--json`, and the options of all commands."""
    add_config_option(parser)
    parser.add_argument("--journal", type=Path, metavar="FILE", help=_JOURNAL_HELP)
    if json:
        parser.add_argument("--json", action="store_true", help="JSON: an object, of a list one per line")
    add_global_options(parser, again=True)


def operate(args: argparse.Namespace, work: Work) -> int:
    """Do `work` at the door of the journal that is meant. Raises BridgeError."""
    import asyncio  # noqa: PLC0415 - heavy

    journal, routes = find_journal(args)
    return asyncio.run(_operate(journal, routes, args.config, work))


async def _operate(journal: Path, routes: Sequence[str] | None, config: Path | None, work: Work) -> int:
    from itop_bridge.control.door import open_door  # noqa: PLC0415 - heavy

    async with open_door(journal, routes, load_routes=lambda: _load_routes(config)) as door:
        return await work(door)


def _load_routes(config: Path | None) -> "Sequence[Route] | None":
    """The configuration's routes, compiled; no secret is read. Raises ConfigurationError."""
    if config is None:
        return None
    from itop_bridge.settings.load import load_settings  # noqa: PLC0415 - heavy
    from itop_bridge.triage.load import load_routing  # noqa: PLC0415 - heavy

    return load_routing(load_settings(config, offline=True)).routes


def find_journal(args: argparse.Namespace) -> tuple[Path, Sequence[str] | None]:
    """The journal's file, and the names of the routes if a configuration was given. Raises UsageError or
    ConfigurationError."""
    if args.config is None:
        return args.journal or find_usual_journal(os.environ, SERVICE_JOURNAL), None
    from itop_bridge.settings.outline import load_outline  # noqa: PLC0415 - heavy

    try:
        outline = load_outline(args.config)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, _WITHOUT_CONFIGURATION]) from error
    return args.journal or outline.journal, outline.routes


_WITHOUT_CONFIGURATION = "(without the configuration: --journal FILE instead of --config)"


def find_usual_journal(environ: Mapping[str, str], service: Path) -> Path:
    """Where the journal is unless anything says otherwise: in systemd's state folder, else the service's if that is
    there. Raises UsageError."""
    folder = environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd lists several folders with colons
    if folder:
        return Path(folder, service.name)
    if not _is_there(service):
        raise UsageError(f"which journal? Give --config FILE or --journal FILE; there is none at {service}")
    return service


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # the folder is closed to this user: the way in will say so
        return True


async def ask(door: "Door", request: "Request") -> dict[str, Any]:
    """The answer; on a terminal with how far it has come."""
    from itop_bridge.command.progress import show_progress  # noqa: PLC0415 - used here only

    with show_progress() as advance:

        async def tell(done: int, total: int) -> None:
            advance(done, total)

        return await door.ask(request, tell)


def answer(args: argparse.Namespace, request: "Request", describe: Callable[[dict[str, Any]], Iterable[str]]) -> int:
    """Ask one thing and print what comes back: with `--json` as it is, else in the lines of `describe`.

    Raises BridgeError.
    """

    async def work(door: "Door") -> int:
        told = await ask(door, request)
        if args.json:
            say_json(told)
        else:
            say(*describe(told))
        return 0

    return operate(args, work)


def count_found(args: argparse.Namespace, request: "Request") -> int:
    """How many a request is about, which is given as a dry run. Raises BridgeError."""

    async def work(door: "Door") -> int:
        return int((await door.ask(request))["found"])

    return operate(args, work)


def check_may_change(args: argparse.Namespace, *, has_dry_run: bool = True) -> None:
    """Raises BridgeError with `--read-only`, and UsageError with a `--dry-run` that the command does not have."""
    if args.read_only:
        raise BridgeError(f"{args.command}: nothing was done; leave out --read-only to let it be done")
    if args.dry_run and not has_dry_run:
        raise UsageError(f"{args.command} has no dry run")


def confirm(args: argparse.Namespace, question: str) -> bool:
    """True with `--yes`, or if a person says so. Raises UsageError where nobody can be asked."""
    if args.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Give --yes, since nobody can be asked here (no terminal)")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def say(*lines: str) -> None:
    """Print lines; whatever of others is in them is escaped already."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def tell(line: str) -> None:
    """Say something to the person, beside the output."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a command's word to its user


def say_json(*objects: Mapping[str, Any]) -> None:
    """One JSON object per line."""
    import json  # noqa: PLC0415 - used here only

    say(*(json.dumps(each) for each in objects))


def read_duration(text: str) -> float:
    """For argparse's `type`: seconds of `30s`, `2h`, `7d`."""
    from itop_bridge.settings.unit import parse_duration  # noqa: PLC0415 - heavy

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def read_moment(text: str) -> float:
    """For argparse's `type`: seconds since the epoch of `2h` (ago), `2026-11-24` or `2026-11-24T10:00` (UTC)."""
    import datetime  # noqa: PLC0415 - used here only
    import time  # noqa: PLC0415 - the same

    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    try:
        return time.time() - read_duration(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a duration (2h, 7d) nor a date (2026-11-24, 2026-11-24T10:00, in UTC)"
        ) from None


def read_count(text: str) -> int:
    """For argparse's `type`: a number above 0 that the journal can hold."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"must be a number, 1 or more, not {text!r}")
    return int(text)
