"""Any class of iTop: list, get, create, update, stimulate, delete."""

import argparse
from typing import Any

from itop_bridge.factory import (
    CreateAction,
    DeleteAction,
    GetAction,
    ListAction,
    Session,
    StimulateAction,
    UpdateAction,
    command,
    parse_fields,
    parse_key,
)

NAME = "core"

_KEY = "the object: its id, or a query in quotes: 'SELECT Person WHERE …'"
_FIELDS = "values: text, or int:4, float:1.5, bool:yes, json:[…]; org_id.code=EXC names an object by its attribute"


def add_parser(subparsers: Any) -> None:
    """The commands `core-…`."""
    listing = subparsers.add_parser("core-list", help="list iTop's operations, or the factories")
    listing.add_argument("what", nargs="?", choices=("operations", "factories"), default="operations")
    listing.set_defaults(run=command(list_what))

    get = subparsers.add_parser("core-get", help="list objects of a class")
    get.add_argument("iclass", metavar="CLASS", help="Person, Server, Incident, …")
    get.add_argument("--output", nargs="+", metavar="ATTRIBUTE", help="what to show; by default the friendly name")
    get.add_argument("--keys", nargs="+", default=[], metavar="NAME=VALUE", help=f"only those with these {_FIELDS}")
    get.add_argument("--oql", metavar="QUERY", help="only those of this query")
    get.set_defaults(run=command(get_objects))

    create = subparsers.add_parser("core-create", help="create an object")
    create.add_argument("iclass", metavar="CLASS", help="Person, Server, …")
    create.add_argument("--fields", nargs="+", required=True, metavar="NAME=VALUE", help=_FIELDS)
    create.set_defaults(run=command(create_object))

    update = subparsers.add_parser("core-update", help="change an object")
    _add_object(update)
    update.add_argument("--fields", nargs="+", required=True, metavar="NAME=VALUE", help=_FIELDS)
    update.set_defaults(run=command(update_object))

    stimulus = subparsers.add_parser("core-stimulus", help="take an object to its next state")
    _add_object(stimulus)
    stimulus.add_argument("stimulus", metavar="STIMULUS", help="ev_assign, ev_resolve, …")
    stimulus.add_argument("--fields", nargs="+", default=[], metavar="NAME=VALUE", help=_FIELDS)
    stimulus.set_defaults(run=command(stimulate_object))

    delete = subparsers.add_parser("core-delete", help="delete objects, and what cannot be without them")
    _add_object(delete)
    delete.add_argument("--simulate", action="store_true", help="only tell what would go")
    delete.set_defaults(run=command(delete_objects))


def _add_object(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iclass", metavar="CLASS", help="Person, Server, Incident, …")
    parser.add_argument("key", metavar="KEY", help=_KEY)


async def list_what(session: Session, args: argparse.Namespace) -> None:
    """core-list."""
    if args.what == "factories":
        rows = [
            {"factory": each.name, "status": each.status, "origin": each.origin, "detail": each.detail}
            for each in session.factories()
        ]
        session.show(rows, ("factory", "status", "origin", "detail"))
    else:
        operations = (await ListAction()()).operations
        rows = [{"operation": name, "description": told} for name, told in operations.items()]
        session.show(rows, ("operation", "description"))


async def get_objects(session: Session, args: argparse.Namespace) -> None:
    """core-get."""
    output = tuple(name for given in args.output or ["friendlyname"] for name in given.split(",") if name)
    key = args.oql or parse_fields(args.keys) or None
    found = await session.read_all(GetAction(iclass=args.iclass, key=key, output=output))
    columns = ("id", *(name for name in output if name != "id"))
    session.show([{"id": each.key, **each.fields} for each in found], columns)


async def create_object(session: Session, args: argparse.Namespace) -> None:
    """core-create."""
    _show(session, await CreateAction(iclass=args.iclass, fields=parse_fields(args.fields))())


async def update_object(session: Session, args: argparse.Namespace) -> None:
    """core-update."""
    _show(session, await UpdateAction(iclass=args.iclass, key=parse_key(args.key), fields=parse_fields(args.fields))())


async def stimulate_object(session: Session, args: argparse.Namespace) -> None:
    """core-stimulus."""
    action = StimulateAction(
        iclass=args.iclass, key=parse_key(args.key), stimulus=args.stimulus, fields=parse_fields(args.fields)
    )
    _show(session, await action())


async def delete_objects(session: Session, args: argparse.Namespace) -> None:
    """core-delete."""
    answer = await DeleteAction(iclass=args.iclass, key=parse_key(args.key), simulate=args.simulate)()
    _show(session, answer)
    if answer.message:
        session.tell(answer.message)


def _show(session: Session, answer: Any) -> None:
    rows = [{"class": each.iclass, "id": each.key, "name": each.fields.get("friendlyname")} for each in answer]
    session.show(rows, ("class", "id", "name"))
