"""Options that several factories have. Light."""

import argparse


def add_organization_options(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`--org-id`, `--org-code`, `--org-name`: at most one of them; read with `organization_of`."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--org-id", type=int, metavar="ID", help="the organisation, by its id in iTop")
    group.add_argument("--org-code", type=read_name, metavar="CODE", help="the organisation, by its code")
    group.add_argument("--org-name", type=read_name, metavar="NAME", help="the organisation, by its name")


def organization_of(args: argparse.Namespace) -> int | dict[str, str] | None:
    """The organisation that was given, as a key: 2, or {"code": "EXC"}; None if none was."""
    if args.org_id is not None:
        number: int = args.org_id
        return number
    given: dict[str, str | None] = {"code": args.org_code, "name": args.org_name}
    return next(({name: value} for name, value in given.items() if value is not None), None)


def read_name(text: str) -> str:
    """For argparse's `type`: a name or reference of iTop's, which holds no control characters."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!a} holds control characters, or bytes that are no text")
    return text
