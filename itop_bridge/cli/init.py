"""`itop-bridge init`: a first configuration, from a few answers."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import say
from itop_bridge.command.output import escape
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError

if TYPE_CHECKING:
    from itop_bridge.trial.draft import Draft

Ask = Callable[[str], str]

_FILE = "itop-bridge.yaml"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "init",
        help="write a first configuration",
        description="Write a first configuration that passes `check`. Asks for what no option gives; with --yes nothing"
        " is asked, and the defaults hold.",
        epilog="Example: itop-bridge init --yes --mqtt-host broker.example --mqtt-tls --mqtt-user bridge"
        " --itop-address https://itop.example --itop-user bridge --route wazuh itop-bridge.yaml",
    )
    parser.add_argument("file", nargs="?", default=_FILE, type=Path, metavar="FILE", help="where to (%(default)s)")
    parser.add_argument("--mqtt-host", metavar="HOST", help="the broker's name or address (localhost)")
    parser.add_argument("--mqtt-port", type=int, metavar="PORT", help="its port (8883 with TLS, else 1883)")
    parser.add_argument("--mqtt-tls", action=argparse.BooleanOptionalAction, help="TLS to the broker (no)")
    parser.add_argument("--mqtt-ca-file", metavar="FILE", help="authorities to verify it by (the system's)")
    parser.add_argument("--mqtt-user", metavar="NAME", help="whom to log in as (nobody)")
    parser.add_argument("--itop-address", metavar="URL", help="where iTop is (http://127.0.0.1:8080, the stand-in's)")
    parser.add_argument("--itop-user", metavar="NAME", help="its account for the bridge (itop-bridge)")
    parser.add_argument("--organization", metavar="CODE", help="of all incidents (told by the topic's level {org})")
    parser.add_argument(
        "--route",
        dest="routes",
        action="append",
        metavar="FORMAT[=TOPIC]",
        help="a format, and the topic it comes by; may be repeated (auto)",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, write, and say what is next. Raises BridgeError, and ConfigurationError for answers that do not pass."""
    from itop_bridge.trial.draft import check_draft, list_next_steps, write_draft  # noqa: PLC0415 - heavy

    path: Path = args.file
    if path.exists() and not args.force:
        raise BridgeError(f"{path} is there already: --force overwrites it")
    if not args.yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here (no terminal): give --yes, and the options that --help tells")
    draft = gather(args, _answer_nothing if args.yes else _ask)
    text = write_draft(draft)
    try:
        check_draft(path, text)
    except ConfigurationError as error:
        raise ConfigurationError([name_option(problem) for problem in error.problems]) from error
    try:
        with path.open("w" if args.force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BridgeError(f"{path} cannot be written: {error.strerror}") from error
    say(*map(escape, list_next_steps(path, draft)))
    return 0


_PROBLEM = re.compile(r".*?:\d+:\d+: (?P<path>[\w.\[\]-]+): (?P<text>.*)")
_OPTIONS = {
    "mqtt.host": "--mqtt-host",
    "mqtt.port": "--mqtt-port",
    "mqtt.tls": "--mqtt-tls",
    "mqtt.tls.ca_file": "--mqtt-ca-file",
    "mqtt.username": "--mqtt-user",
    "itop.address": "--itop-address",
    "itop.user": "--itop-user",
    "organization": "--organization",
}


def name_option(problem: str) -> str:
    """A problem at the option that gave the value, since the file that its place is of was not written. Pure."""
    found = _PROBLEM.fullmatch(problem)
    if found is None:
        return problem
    of_route, _, key = found["path"].rpartition("].")
    if of_route and key != "organization":
        return f"--route: {key}: {found['text']}"
    return f"{_OPTIONS.get(key, key)}: {found['text']}"


def _ask(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        raise BridgeError("nothing was written") from None


def _answer_nothing(_question: str) -> str:
    return ""


def gather(args: argparse.Namespace, ask: Ask) -> "Draft":
    """The options, and for what they leave out the answers; an empty answer is the default. Raises UsageError."""
    from itop_bridge.trial.draft import Draft  # noqa: PLC0415 - heavy

    host = args.mqtt_host or ask("The MQTT broker's host [localhost]: ") or "localhost"
    tls = args.mqtt_tls
    if tls is None:
        tls = args.mqtt_ca_file is not None or _is_yes(ask("TLS to the broker? [y/N]: "))
    ca_file = args.mqtt_ca_file or (ask("A file with its authorities [the system's]: ") if tls else "")
    if ca_file and not tls:
        raise UsageError("--mqtt-ca-file is of no use with --no-mqtt-tls")
    usual_port = 8883 if tls else 1883
    port = args.mqtt_port
    if port is None:
        port = _read_port(ask(f"Its port [{usual_port}]: "), usual_port)
    user = args.mqtt_user or ask("Its user for the bridge [none]: ")
    address = args.itop_address or ask("iTop's address [http://127.0.0.1:8080]: ") or "http://127.0.0.1:8080"
    itop_user = args.itop_user or ask("Its account for the bridge [itop-bridge]: ") or "itop-bridge"
    organization = args.organization or ask("The organisation's code in iTop [the topic's level {org}]: ")
    words = args.routes or ask("Formats, each FORMAT or FORMAT=TOPIC, with blanks between [auto]: ").split() or ["auto"]
    routes = tuple(_read_routes(words, organization))
    return Draft(host, port, tls, ca_file, user, address, itop_user, organization, routes)


def _is_yes(answer: str) -> bool:
    return answer.lower() in ("y", "yes")


def _read_port(answer: str, usual: int) -> int:
    if answer and not (answer.isascii() and answer.isdigit()):
        raise UsageError(f"the port must be a number, not {answer!r}")
    return int(answer) if answer else usual


def _read_routes(words: Sequence[str], organization: str) -> Iterator[tuple[str, str, str]]:
    """(name, format, topic) of `FORMAT` or `FORMAT=TOPIC`; several of one format are numbered."""
    names: list[str] = []
    for word in words:
        form, _, topic = word.partition("=")
        names.append(form)
        count = names.count(form)
        name = form if count == 1 else f"{form}-{count}"
        yield name, form, topic or ("siem/" if organization else "siem/{org}/") + name
