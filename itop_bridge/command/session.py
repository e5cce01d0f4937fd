"""What a command of a factory works with: the connection, its settings, its output. Light to import."""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from itop_bridge.command.output import escape, show_rows
from itop_bridge.errors import BridgeError, ConfigurationError, UsageError
from itop_bridge.itop.connection import ITop, describe_connection

if TYPE_CHECKING:
    from itop_bridge.command.desk import Desk, Written
    from itop_bridge.intent import Writing
    from itop_bridge.itop.action import GetAction
    from itop_bridge.itop.answer import Object
    from itop_bridge.settings.model import CommandSettings
    from itop_bridge.triage.registry import Record

S = TypeVar("S")
Handler = Callable[["Session", argparse.Namespace], Awaitable[int | None]]

_PAGE = 200


class Session:
    """One run of a command. `itop` is open, and the current connection: actions find it by themselves."""

    def __init__(self, settings: "CommandSettings", itop: ITop, args: argparse.Namespace) -> None:
        self._settings = settings
        self._args = args
        self.itop = itop

    def settings_of(self, name: str, settings_class: type[S]) -> S:
        """What the configuration's `commands.settings` says for `name`, as the factory's own dataclass. Raises
        ConfigurationError with every problem of it."""
        from itop_bridge.triage.registry import read_dataclass  # noqa: PLC0415 - brings pydantic

        checked, problems = read_dataclass(settings_class, name, self._settings.commands.settings.get(name, {}))
        if problems:
            where = f"{self._args.config}: commands.settings.{name}"
            paths = [".".join(["", *map(str, each.path)]) for each in problems]
            raise ConfigurationError(
                [f"{where}{path}: {each.message}" for path, each in zip(paths, problems, strict=True)]
            )
        settings: S = checked
        return settings

    @property
    def is_dry(self) -> bool:
        """True if the calls are printed and none is sent: what iTop would answer is not known."""
        return bool(self._args.dry_run)

    def show(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Print rows as `--output-format` says; in a dry run nothing is known that could be."""
        if not self.is_dry:
            show_rows(rows, columns, how=self._args.output_format)

    def say(self, text: str) -> None:
        """Print a line."""
        print(escape(text))  # noqa: T201 - what a command is for

    def say_done(self, written: "Written") -> None:
        """Print what was done: `created I-000012 (id 12)`, or as JSON or CSV."""
        if self._args.output_format == "table" and not self.is_dry:
            self.say(f"{written.verb} {written.ref} (id {written.id})")
        else:
            self.show([{"done": written.verb, "id": written.id, "ref": written.ref}], ("done", "id", "ref"))

    def tell(self, text: str) -> None:
        """Say a line to the person, beside the output."""
        print(escape(text), file=sys.stderr, flush=True)  # noqa: T201 - a command's word to its user

    async def read_all(self, action: "GetAction", **overrides: Any) -> "list[Object]":
        """All the objects of a get, page by page; on a terminal with its progress."""
        from itop_bridge.command.progress import show_progress  # noqa: PLC0415 - used here only
        from itop_bridge.itop.action import Pages  # noqa: PLC0415 - the same

        pages, found = Pages(_PAGE), list["Object"]()
        with show_progress() as advance:
            while pages.has_next:
                found += pages.take(await action(**overrides, itop=self.itop, limit=_PAGE, page=pages.number))
                advance(len(found), pages.total)
        return found

    def desk(self, writing: "Writing") -> "Desk":
        """What opens, tells and resolves incidents, written as `writing` says."""
        from itop_bridge.command.desk import Desk, Surroundings  # noqa: PLC0415 - heavy
        from itop_bridge.command.lock import find_folder, hold_case  # noqa: PLC0415 - the same

        folder = self._settings.commands.lock_folder or find_folder()

        def lock(case: str) -> AbstractAsyncContextManager[None]:
            if self.is_dry:
                return nullcontext()
            return hold_case(folder, f"{self.itop.connection.endpoint} {case}")

        around = Surroundings(
            lock=lock,
            tell=self.tell,
            time_limit_s=self._settings.itop.server_time_limit,
            is_dry=self._args.dry_run,
        )
        return Desk(self.itop, writing, around)

    def factories(self) -> "Sequence[Record]":
        """What was found of factories, with their status."""
        from itop_bridge.triage.registry import load_registry  # noqa: PLC0415 - used here only

        return load_registry(self._settings.factories).records


def command(handler: Handler) -> Callable[[argparse.Namespace], int]:
    """What a factory gives as `run=` of its parser: `parser.set_defaults(run=command(list_locations))`.

    The handler is a coroutine function of (session, args); it returns the exit code, or None for 0.
    """
    return partial(_run_command, handler)


def _run_command(handler: Handler, args: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415 - heavy

    from itop_bridge.settings.load import load_command_settings  # noqa: PLC0415 - heavy

    if args.config is None:
        raise UsageError("which configuration? Give --config FILE, before the command or after it")
    settings = load_command_settings(args.config)

    def run() -> int:
        return asyncio.run(_run(handler, settings, args))

    return _run_logged(run, settings, args) if args.logfile else run()


async def _run(handler: Handler, settings: "CommandSettings", args: argparse.Namespace) -> int:
    connection = describe_connection(settings.itop)
    if args.dry_run:
        from itop_bridge.command.dry_run import DryRun  # noqa: PLC0415 - used here only

        itop: ITop = DryRun(connection)
    else:
        itop = ITop(connection, read_only=args.read_only)
    async with itop:
        return await handler(Session(settings, itop, args), args) or 0


def _run_logged(run: Callable[[], int], settings: "CommandSettings", args: argparse.Namespace) -> int:
    """With a line in the log as it begins and as it ends, whatever happens."""
    import getpass  # noqa: PLC0415 - used here only
    import io  # noqa: PLC0415 - the same

    from itop_bridge.log import configure_log, get_logger, hide_secret  # noqa: PLC0415 - heavy
    from itop_bridge.settings.secret import find_secrets  # noqa: PLC0415 - the same

    for _, secret in find_secrets(settings):
        hide_secret(secret.reveal())
    try:
        configure_log(file=args.logfile, stream=io.StringIO())
    except OSError as error:
        raise BridgeError(f"cannot write the log {args.logfile}: {error.strerror}") from error
    log, started = get_logger(command=args.command, user=getpass.getuser()), time.monotonic()
    log.info("command.started")
    try:
        code = run()
    except BaseException as error:
        log.error("command.failed", detail=str(error) or type(error).__name__)
        raise
    log.info("command.finished", exit_code=code, duration_ms=round((time.monotonic() - started) * 1000))
    return code
