"""`itop-bridge`: the commands, and how their failures are told."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from itop_bridge import __version__
from itop_bridge.cli import check, show
from itop_bridge.errors import BridgeError, ConfigurationError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: systemd does not restart on it
EXIT_INTERRUPTED = 130  # what a shell gives for SIGINT

Subparsers = Any  # argparse's own type has no public name


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 ok, 1 failed, 78 configuration (2, usage, is raised by argparse)."""
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ConfigurationError as error:
        _tell(error.problems)
        return EXIT_CONFIGURATION
    except BridgeError as error:
        _tell(_causes_of(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return EXIT_FAILED
    return code


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="itop-bridge", description="A bridge from SIEM alerts on MQTT to incidents in iTop."
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(subparsers)
    check.add_parser(subparsers)
    show.add_parser(subparsers)
    _add_simulate(subparsers)
    _add_demo(subparsers)
    subparsers.add_parser("version", help="print the version").set_defaults(run=_print_version)
    return parser


def _add_run(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration again.",
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--logfile", type=Path, metavar="FILE", help="log to this file too (wins over log.file)")
    parser.set_defaults(run=_run)


def _add_simulate(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "simulate",
        help="run a stand-in for iTop",
        description="Run a stand-in for iTop's REST API, for tests and rehearsals. It keeps everything in memory.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="the port; 0 takes a free one (%(default)s)")
    parser.add_argument("--latency", type=_seconds, default=0.0, metavar="SECONDS", help="wait before each answer (0)")
    parser.add_argument("--no-sample", action="store_true", help="start without organisations, teams and services")
    parser.set_defaults(run=_simulate)


def _add_demo(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="show the bridge at work on this machine",
        description="Start a broker, a stand-in for iTop and the daemon, send alerts, and show what became of them.",
    )
    parser.add_argument("--alerts", type=_count, default=2000, metavar="N", help="how many alerts (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the journal and the logs")
    parser.add_argument("--no-color", action="store_true", help="plain text")
    parser.set_defaults(run=_demo)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be 0 to 3600 seconds, not {text}")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return count


def _run(args: argparse.Namespace) -> int:
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


def _causes_of(error: BridgeError) -> list[str]:
    """One line per cause, oldest first; errors of other people's code with their type."""
    from itop_bridge.log import chain_of  # noqa: PLC0415 - heavy

    return [
        str(cause) if isinstance(cause, BridgeError) else f"{type(cause).__name__}: {cause}"
        for cause in chain_of(error)
    ]


def _tell(lines: Sequence[str]) -> None:
    from itop_bridge.log import escape_text  # noqa: PLC0415 - heavy

    for line in lines:
        print(escape_text(line), file=sys.stderr)  # noqa: T201 - the command line's own error output


def _abandon_stdout() -> None:
    """The reader has gone: nothing more can be written, also not by the interpreter as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
