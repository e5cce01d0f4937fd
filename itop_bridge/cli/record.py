"""`itop-bridge record`: what a site's test iTop answers, and where that is not what the bridge expects."""

import argparse
import getpass
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_bridge.errors import BridgeError

if TYPE_CHECKING:
    from itop_bridge.cli.probe import Probe, Record, Subject
    from itop_bridge.itop.client import Connection


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "record",
        help="try out a test iTop, and tell where it is not as the bridge expects",
        description="Read, and make, change and remove a few clearly marked tickets on a TEST iTop; tell each answer "
        "that is not what the bridge expects. Exit code 1 if there is any.",
    )
    parser.add_argument("--against", required=True, metavar="URL", help="the iTop, as https://itop-test.example.com")
    parser.add_argument("--user", required=True, help="the user that the bridge will be")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="holds the password; else it is asked for")
    parser.add_argument(
        "--organization", required=True, metavar="NAME", help="code or name of the tickets' organisation"
    )
    parser.add_argument("--class", dest="iclass", default="Incident", help="the class of the tickets (%(default)s)")
    parser.add_argument(
        "--field",
        type=_field,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value that this iTop wants in a ticket, as team_id=6; may be repeated",
    )
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="trust these certificates instead of the system's")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write each exchange, without passwords (JSON lines)"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask whether this is a test iTop")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 if all is as expected, else 1. Raises BridgeError if it may not or cannot begin."""
    import asyncio  # noqa: PLC0415 - heavy

    from itop_bridge.cli.probe import Subject  # noqa: PLC0415 - heavy
    from itop_bridge.itop.client import Connection  # noqa: PLC0415 - heavy

    _confirm(args)
    connection = Connection(args.against, args.user, _read_password(args), ca_file=args.ca_file)
    marker = f"itop-bridge record {secrets.token_hex(8)}"
    subject = Subject(iclass=args.iclass, organization=args.organization, marker=marker, fields=dict(args.field))
    exchanges: list[Mapping[str, Any]] = []
    try:
        return asyncio.run(_run(connection, subject, exchanges.append))
    finally:
        if args.output:
            _write(args.output, exchanges)


def _field(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name or not found:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    return name, value


def _confirm(args: argparse.Namespace) -> None:
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise BridgeError("this writes to the iTop: say --yes, as there is no terminal to ask on")
    _tell(f"This makes, changes and removes tickets on {args.against}: {args.iclass}, {args.organization}.")
    if input("Is it a test iTop? [y/N] ").strip().lower() not in ("y", "yes"):
        raise BridgeError("nothing was done")


def _read_password(args: argparse.Namespace) -> str:
    if args.password_file:
        try:
            text: str = args.password_file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise BridgeError(f"cannot read {args.password_file}") from error
        return text.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise BridgeError("give the password with --password-file, as there is no terminal to ask on")
    return getpass.getpass(f"Password of {args.user}: ")


async def _run(connection: "Connection", subject: "Subject", record: "Record") -> int:
    from itop_bridge.cli.probe import Probe, Site  # noqa: PLC0415 - heavy

    differing = count = 0
    async with Site(connection, record) as site:
        probe = Probe(site, subject)
        try:
            async for finding in probe.findings():
                count += 1
                differing += not finding.agrees
                _tell(f"{'ok      ' if finding.agrees else 'DIFFERS '} {finding.name}")
                if not finding.agrees:
                    _tell(f"          expected {finding.expected}\n          answered {finding.answered}")
        finally:
            cleaned = await _clean_up(probe, subject)
    _tell(f"{count} calls: {count - differing} as expected, {differing} not")
    return int(differing > 0 or not cleaned)


async def _clean_up(probe: "Probe", subject: "Subject") -> bool:
    from itop_bridge.itop.error import ITopError  # noqa: PLC0415 - heavy

    if not probe.may_have_written:
        return True
    try:
        async for told in probe.clean_up():
            _tell(f"made      {told}")
    except ITopError as error:
        _tell(f"NOT cleaned up: {error}\n          look for tickets with {subject.marker!r} in the description")
        return False
    return True


def _write(path: Path, exchanges: list[Mapping[str, Any]]) -> None:
    try:
        path.write_text("".join(f"{json.dumps(exchange)}\n" for exchange in exchanges), encoding="utf-8")
    except OSError as error:
        raise BridgeError(f"cannot write {path}: {error.strerror}") from error


def _tell(text: str) -> None:
    from itop_bridge.log import escape_text  # noqa: PLC0415 - heavy

    print(*(escape_text(line) for line in text.split("\n")), sep="\n", flush=True)  # noqa: T201 - what the command is for
