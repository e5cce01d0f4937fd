"""`itop-bridge test-mail`: sends one mail as the daemon would."""

import argparse
import datetime
import socket
import time
from collections.abc import Mapping
from typing import Any

from itop_bridge.cli.control import check_may_change, say
from itop_bridge.cli.parser import add_config_option, add_global_options, config_of
from itop_bridge.errors import ConfigurationError, UsageError


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "test-mail",
        help="send a mail to try the section mail",
        description="Send one mail with an invented alert, by the section mail of a configuration, and tell who gets"
        " it. check --online only logs in at the mail server. With --dry-run the mail is printed and not sent.",
        epilog="Example: itop-bridge test-mail -c itop-bridge.yaml --route wazuh",
    )
    add_config_option(parser)
    parser.add_argument("--route", metavar="NAME", help="to the recipients of this route, with its templates")
    add_global_options(parser, again=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print to whom it was sent; 1 if a recipient was refused. Raises MailError, ConfigurationError."""
    import asyncio  # noqa: PLC0415 - heavy

    from itop_bridge.mail.correspondence import describe_correspondence  # noqa: PLC0415 - heavy
    from itop_bridge.mail.message import Draft, write_message  # noqa: PLC0415 - the same
    from itop_bridge.mail.server import send_message  # noqa: PLC0415 - the same
    from itop_bridge.mail.text import write_text  # noqa: PLC0415 - the same
    from itop_bridge.settings.load import load_settings  # noqa: PLC0415 - the same

    check_may_change(args)
    path = config_of(args)
    settings = load_settings(path).settings
    to = describe_correspondence(settings)
    if to is None:
        raise ConfigurationError([f"{path}: there is no section mail"])
    if args.route is not None and args.route not in to.rules:
        raise UsageError(f"there is no route {args.route!r}; there are {', '.join(sorted(to.rules))}")
    circle = to.rules_of(args.route or "").circle
    subject, text = write_text(_describe_sample(args.route or settings.routes[0].name, to.itop), to.pens[circle])
    now = datetime.datetime.now(datetime.UTC)
    message = write_message(Draft(subject, text, to.sender, circle.recipients), now)
    if args.dry_run:
        say(*(f"{name}: {value}" for name, value in message.items()), "", *message.get_content().splitlines())
        return 0
    refused = asyncio.run(send_message(to.server, message, to.sender, circle.recipients))
    say(*(f"{each}: {refused.get(each, 'sent')}" for each in circle.recipients))
    return 1 if refused else 0


def _describe_sample(route: str, itop: str) -> Mapping[str, Any]:
    """What the templates see: an alert that nobody raised."""
    from itop_bridge.journal.notice import Contents  # noqa: PLC0415 - heavy
    from itop_bridge.mail.text import Surroundings, describe_contents  # noqa: PLC0415 - the same

    now = time.time()
    alert = {
        "title": "A test, no alert",
        "severity": "high",
        "host": "srv-01",
        "rule": "test",
        "description": "Whoever reads this is reached by the mail of itop-bridge.",
    }
    contents = Contents(({"route": route, "at": now, "alert": alert},), 1, {"high": 1})
    return describe_contents("test", contents, Surroundings(socket.gethostname(), itop, now))
