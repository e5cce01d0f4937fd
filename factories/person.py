"""The persons that iTop knows."""

import argparse
from typing import Any

from itop_bridge.factory import GetAction, Session, add_organization_options, command, organization_of

NAME = "person"
COLUMNS = ("id", "first_name", "name", "email", "phone", "org_name")


def add_parser(subparsers: Any) -> None:
    """The command `person-get`."""
    parser = subparsers.add_parser("person-get", help="list persons")
    add_organization_options(parser)
    parser.add_argument("--name", help="only those of this family name")
    parser.add_argument("--first-name", help="only those of this first name")
    parser.add_argument("--email", help="only those of this address")
    parser.set_defaults(run=command(list_persons))


async def list_persons(session: Session, args: argparse.Namespace) -> None:
    """person-get."""
    given = {"name": args.name, "first_name": args.first_name, "email": args.email, "org_id": organization_of(args)}
    key = {name: value for name, value in given.items() if value is not None} or None
    found = await session.read_all(GetAction(iclass="Person", key=key, output=COLUMNS[1:]))
    session.show([{"id": each.key, **each.fields} for each in found], COLUMNS)
