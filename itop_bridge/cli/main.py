"""`itop-bridge`: the commands, and how their failures are told."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from itop_bridge import __version__
from itop_bridge.cli import (
    backup,
    case,
    check,
    event,
    init,
    letter,
    pause,
    record,
    reload,
    replay,
    show,
    status,
    trial,
    trial_mail,
)
from itop_bridge.cli.failure import describe_failure, list_causes
from itop_bridge.cli.parser import (
    OLD_NAME,
    Parser,
    add_config_option,
    add_factory_commands,
    add_global_options,
    add_version_option,
    config_of,
    find_folders,
    read_words,
)
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError
from itop_bridge.triage.registry import load_registry

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2  # argparse's own
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: systemd does not restart on it
EXIT_INTERRUPTED = 130  # what a shell gives for SIGINT

Subparsers = Any  # argparse's own type has no public name


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 ok, 1 failed, 2 usage, 78 configuration.

    A command may have another code for a failure: `exit_failed` among its parser's defaults.
    """
    words = read_words(sys.argv[1:] if argv is None else argv)
    parser = build_parser(find_folders(words))
    _complete(parser)
    args = parser.parse_args(words)
    if args.notify_mail and not args.mail_recipients:
        parser.error("--notify-mail needs --mail-recipients")
    return _run_command(args)


def _run_command(args: argparse.Namespace) -> int:
    failed: int = getattr(args, "exit_failed", EXIT_FAILED)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except UsageError as error:
        _tell([f"{Path(sys.argv[0]).name}: error: {error}"])
        _notify(args, error)
        return EXIT_USAGE
    except ConfigurationError as error:
        _tell([*list_causes(error), *error.problems] if args.verbose else error.problems)
        _notify(args, error)
        return EXIT_CONFIGURATION
    except BridgeError as error:
        _tell(describe_failure(error, args))
        _notify(args, error)
        return failed
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return failed
    except Exception as error:
        # a bug is not hidden, nor taken for the answer of a command whose 1 means something
        _notify(args, error)
        if failed == EXIT_FAILED:
            raise
        traceback.print_exc()
        return failed
    return code


def build_parser(folders: Sequence[Path] = ()) -> argparse.ArgumentParser:
    """All commands and their options: the program's own, and those of the factories, also in `folders`."""
    name = Path(sys.argv[0]).name
    parser = Parser(
        prog=name if name == OLD_NAME else "itop-bridge",
        description="A bridge from SIEM alerts on MQTT to incidents in iTop.",
    )
    add_global_options(parser)
    add_version_option(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    _add_run(subparsers)
    check.add_parser(subparsers)
    trial.add_parser(subparsers)
    trial_mail.add_parser(subparsers)
    init.add_parser(subparsers)
    show.add_parser(subparsers)
    show.add_schema(subparsers)
    for operators in (status, letter, case, event, replay, reload, backup):
        operators.add_parser(subparsers)
    pause.add_parsers(subparsers)
    _add_simulate(subparsers)
    record.add_parser(subparsers)
    _add_demo(subparsers)
    subparsers.add_parser("version", help="print the version").set_defaults(run=_print_version)
    add_factory_commands(subparsers, load_registry(folders).records, lambda line: _tell([line]))
    return parser


def _add_run(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration again.",
    )
    add_config_option(parser)
    parser.add_argument(
        "--logfile",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="log to this file too (wins over log.file)",
    )
    parser.add_argument(
        "--log-format",
        choices=("auto", "json", "console", "logfmt", "ecs"),
        help="how a line of the log is written (wins over log.format)",
    )
    parser.add_argument(
        "--shadow", action="store_true", help="decide and log what would be written in iTop, and write nothing there"
    )
    parser.set_defaults(run=_run)


def _add_simulate(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "simulate",
        help="run a stand-in for iTop",
        description="Run a stand-in for iTop's REST API, for tests and rehearsals. It keeps everything in memory.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="the port; 0 takes a free one (%(default)s)")
    parser.add_argument(
        "--itop-version", choices=("2.7", "3.1", "3.2"), default="3.2", help="the release of iTop to play (%(default)s)"
    )
    parser.add_argument(
        "--install",
        choices=("itil", "simple"),
        default="itil",
        help="ITIL incident management, or simple tickets: no class Incident (%(default)s)",
    )
    parser.add_argument(
        "--php", type=int, choices=(7, 8), default=8, help="below 8, transitions miss keys too (%(default)s)"
    )
    parser.add_argument("--datamodel", type=Path, metavar="FILE", help="changes to the data model (JSON merge patch)")
    parser.add_argument("--no-sample", action="store_true", help="start without organisations, teams and services")
    parser.add_argument("--seed", type=Path, metavar="FILE", help="more objects and users to start with (YAML or JSON)")
    parser.add_argument("--latency", type=_seconds, default=0.0, metavar="SECONDS", help="what each call takes (0)")
    parser.add_argument(
        "--latency-p95", type=_seconds, metavar="SECONDS", help="what one call in twenty takes; the others vary below"
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND[:operation][:times]",
        help="something that goes wrong, as http_503:create:3; docs/simulator.md lists the kinds; may be repeated",
    )
    parser.add_argument("--chaos", type=int, metavar="SEED", help="faults at random, the same for the same seed")
    parser.add_argument("--people", type=int, metavar="SEED", help="people who work on the tickets at random")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write each exchange, no passwords (JSON lines)")
    parser.set_defaults(run=_simulate)


def _add_demo(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="show the bridge at work on this machine",
        description="Start a broker, a stand-in for iTop and the daemon, send alerts, and show what became of them.",
    )
    parser.add_argument(
        "--alerts", type=_count, default=2000, metavar="N", help="how many alerts the storm has (%(default)s)"
    )
    parser.add_argument(
        "--class",
        dest="iclass",
        choices=("Incident", "UserRequest"),
        default="Incident",
        help="what to write; UserRequest for an iTop that has no incidents (%(default)s)",
    )
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    parser.add_argument("--no-color", action="store_true", help="plain text")
    parser.set_defaults(run=_demo)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be 0 to 3600 seconds, not {text}")
    return seconds


def _fault(text: str) -> Any:
    from itop_bridge.cli.simulate import parse_fault  # noqa: PLC0415 - heavy

    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return count


def _run(args: argparse.Namespace) -> int:
    config_of(args)  # before anything heavy is loaded
    from itop_bridge.cli.run import run  # noqa: PLC0415 - heavy

    return run(args)


def _simulate(args: argparse.Namespace) -> int:
    from itop_bridge.cli.simulate import run  # noqa: PLC0415 - heavy

    return run(args)


def _demo(args: argparse.Namespace) -> int:
    from itop_bridge.cli.demo import run  # noqa: PLC0415 - heavy

    return run(args)


def _print_version(_args: argparse.Namespace) -> int:
    print(f"itop-bridge {__version__}")  # noqa: T201 - what the command is for
    return EXIT_OK


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks how a word goes on, and end; docs/cli.md tells how to set it up."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # noqa: PLC0415 - for the shell only

        argcomplete.autocomplete(parser)


def _notify(args: argparse.Namespace, error: Exception) -> None:
    if not args.notify_mail:
        return
    from itop_bridge.cli.mail import notify  # noqa: PLC0415 - heavy
    from itop_bridge.mail.server import MailError  # noqa: PLC0415 - heavy

    lines = describe_failure(error, args) if isinstance(error, BridgeError) else [f"{type(error).__name__}: {error}"]
    try:
        notify(args, list(dict.fromkeys([*list_causes(error), *lines])))
    except MailError as trouble:
        _tell([str(trouble)])


def _tell(lines: Sequence[str]) -> None:
    from itop_bridge.log import escape_text  # noqa: PLC0415 - heavy

    for line in lines:
        print(escape_text(line), file=sys.stderr)  # noqa: T201 - the command line's own error output


def _abandon_stdout() -> None:
    """The reader has gone: nothing more can be written, also not by the interpreter as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
