"""The parser: options that all commands share, and the commands that factories add. Light: read for every `--help`."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from itop_bridge import __version__
from itop_bridge.command.output import FORMATS
from itop_bridge.errors import BridgeError, UsageError
from itop_bridge.spelling import suggest
from itop_bridge.triage.registry import Record

Subparsers = Any  # argparse's own type has no public name

OLD_NAME = "soc.apiclient.itop"
"""What the older tool was called: the same program answers to it."""


class Parser(argparse.ArgumentParser):
    """No abbreviations: a later option could make one in someone's script ambiguous. Help in colours on a terminal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raises ArgumentError; of the many commands it names the one that may have been meant."""
        commands = action.choices
        if isinstance(action, argparse._SubParsersAction) and value not in (commands or ()):  # noqa: SLF001 - as the base
            hint = suggest(str(value), commands or (), "; --help lists what there is")
            raise argparse.ArgumentError(None, f"there is no command {value!r}{hint}")
        super()._check_value(action, value)

    def format_help(self) -> str:
        """The help. The colours are loaded for it only."""
        if sys.stdout.isatty():
            from rich_argparse import RichHelpFormatter  # noqa: PLC0415 - heavy, and for a terminal only

            self.formatter_class = RichHelpFormatter
        return super().format_help()


def read_words(words: Sequence[str]) -> list[str]:
    """The words of a command line as the parser wants them: `--inc_title` is `--inc-title`, and the addresses that
    follow `--mail-recipients` are one. What stands behind `--` is left alone. Pure."""
    read: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return [*read, *words[place:]]
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            read.append(name.replace("_", "-") + equals + value)
        elif len(read) > 1 and read[-2] == "--mail-recipients" and "@" in word:
            read[-1] += f",{word}"
        else:
            read.append(word)
    return read


def add_global_options(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add what stands before the command. `again` is for the place after it: not shown, and what is not given there
    does not undo what was given before."""
    for names, options in _global_options():
        unseen = {"help": argparse.SUPPRESS, "default": argparse.SUPPRESS} if again else {}
        try:
            parser.add_argument(*names, **{**options, **unseen})
        except argparse.ArgumentError:
            if not again:
                raise  # else the command has an option of that name


def _global_options() -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    yield (
        ("--config",),
        {"type": Path, "metavar": "FILE", "help": "the configuration (YAML, or the older tool's JSON)"},
    )
    yield (
        ("--logfile",),
        {"type": Path, "metavar": "FILE", "help": "log to this file, rotated at 10 MiB, five kept"},
    )
    yield (
        ("--output-format",),
        {"choices": FORMATS, "default": "table", "help": "table (tab-separated in a pipe), json or csv"},
    )
    yield ("--read-only",), {"action": "store_true", "help": "refuse to send what writes"}
    yield ("--dry-run",), {"action": "store_true", "help": "print the calls to iTop and send none"}
    yield ("-v", "--verbose"), {"action": "store_true", "help": "tell the causes of a failure too"}
    yield ("--notify-mail",), {"action": "store_true", "help": "send a mail if the command fails"}
    yield (
        ("--mail-server",),
        {"default": "localhost", "metavar": "HOST[:PORT]", "help": "the mail server (localhost:25)"},
    )
    yield (
        ("--mail-recipients",),
        {"type": _read_addresses, "default": [], "metavar": "ADDRESS", "help": "who gets the mail: one or several"},
    )
    yield ("--mail-from",), {"metavar": "ADDRESS", "help": "whom it is from (itop-bridge@ this host)"}
    yield (
        ("--mail-starttls",),
        {"action": "store_true", "help": "send it over TLS, with the server's certificate verified"},
    )


def _read_addresses(text: str) -> list[str]:
    addresses = [each for each in text.replace(",", " ").split() if each]
    for each in addresses:
        if "@" not in each.strip("@") or not each.isprintable():
            raise argparse.ArgumentTypeError(f"{each!r} is no mail address")
    return addresses


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """`--config` after the command; read it with `config_of`."""
    parser.add_argument(
        "-c", "--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="the configuration (YAML)"
    )


def config_of(args: argparse.Namespace) -> Path:
    """The configuration's file. Raises UsageError if none was given."""
    path: Path | None = args.config
    if path is None:
        raise UsageError("which configuration? Give --config FILE")
    return path


def add_version_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"itop-bridge {__version__}")


def add_factory_commands(subparsers: Subparsers, records: Sequence[Record], tell: Callable[[str], None]) -> None:
    """Add the commands of every factory that has some; one that fails is told, and takes no other down."""
    for record in records:
        if record.status == "failed":
            tell(f"the factory {record.name} ({record.origin}) cannot be loaded: {record.detail}")
        if record.add_parser is None:
            continue
        adder = _Adder(subparsers)
        try:
            record.add_parser(adder)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: told, and the others work
            tell(f"the factory {record.name} ({record.origin}) cannot add its commands: {error!r}")
        for parser in adder.parsers:
            add_global_options(parser, again=True)


class _Adder:
    """argparse's subparsers, as a factory sees them: they remember what was added."""

    def __init__(self, subparsers: Subparsers) -> None:
        self._subparsers = subparsers
        self.parsers: list[argparse.ArgumentParser] = []

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = self._subparsers.add_parser(
            name, **{"description": options.get("help"), **options}
        )
        parser.set_defaults(run=_run_nothing)
        self.parsers.append(parser)
        return parser


def _run_nothing(args: argparse.Namespace) -> int:
    raise BridgeError(f"the factory says nothing of what {args.command} does: its parser has no `run`")


def find_folders(words: Sequence[str]) -> list[Path]:
    """The folders with factories that the configuration on the command line names; none if it cannot be read: whoever
    needs it will say so."""
    path = _find_config(words)
    try:
        content = path.read_bytes() if path else b""
    except OSError:
        return []
    if path is None or b"factories" not in content:
        return []
    from itop_bridge.settings.document import parse_document  # noqa: PLC0415 - brings YAML

    try:
        data = parse_document(content, str(path)).data
    except BridgeError:
        return []
    named = data.get("factories") if isinstance(data, dict) else None
    folders = [path.parent / each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return [each for each in folders if each.is_dir()]


def _find_config(words: Sequence[str]) -> Path | None:
    found: Path | None = None
    for place, word in enumerate(words):
        if word in ("-c", "--config") and place + 1 < len(words):
            found = Path(words[place + 1])
        elif word.startswith("--config="):
            found = Path(word.partition("=")[2])
    return found
