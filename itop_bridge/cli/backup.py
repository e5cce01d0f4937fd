"""`itop-bridge backup`: a copy of the journal, also while the daemon runs."""

import argparse
from pathlib import Path
from typing import Any

from itop_bridge.cli.control import add_operator_options, check_may_change, find_journal, say, say_json
from itop_bridge.command.output import escape


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "backup",
        help="copy the journal, also while the daemon runs",
        description="Copy the journal to a file, as it is at one moment, and check the copy. The daemon goes on"
        " meanwhile. The file is for its owner only: it holds alerts as they came.",
        epilog="Example: itop-bridge backup --journal /var/lib/itop-bridge/journal.db /srv/backup/journal-monday.db",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="where to")
    parser.add_argument("--force", action="store_true", help="replace FILE")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy, and tell what the copy holds. Raises BridgeError."""
    from itop_bridge.command.progress import show_progress  # noqa: PLC0415 - used here only
    from itop_bridge.control.door import check_there  # noqa: PLC0415 - heavy
    from itop_bridge.journal.backup import back_up  # noqa: PLC0415 - heavy

    check_may_change(args, has_dry_run=False)
    journal, _ = find_journal(args)
    check_there(journal)
    with show_progress() as advance:
        backup = back_up(journal, args.file, force=args.force, advance=advance)
    if args.json:
        facts = {"file": str(args.file), "bytes": backup.size_bytes, "version": backup.version}
        say_json({**facts, "last_event": backup.last_event})
    else:
        size = f"{backup.size_bytes / 2**20:.1f} MiB"
        say(escape(f"ok: {args.file}, {size}, up to event {backup.last_event}; checked"))
    return 0
