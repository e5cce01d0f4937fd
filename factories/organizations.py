"""The organisations that iTop knows."""

import argparse
from typing import Any

from itop_bridge.factory import GetAction, Session, add_organization_options, command, organization_of

NAME = "organizations"
COLUMNS = ("id", "name", "code", "status", "parent_name")


def add_parser(subparsers: Any) -> None:
    """The command `orgs-get`."""
    parser = subparsers.add_parser("orgs-get", help="list organisations")
    add_organization_options(parser)
    parser.set_defaults(run=command(list_organizations))


async def list_organizations(session: Session, args: argparse.Namespace) -> None:
    """orgs-get."""
    found = await session.read_all(GetAction(iclass="Organization", key=organization_of(args), output=COLUMNS[1:]))
    session.show([{"id": each.key, **each.fields} for each in found], COLUMNS)
