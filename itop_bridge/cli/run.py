"""`itop-bridge run`: the daemon."""

import argparse
import asyncio
import signal
from pathlib import Path

from itop_bridge.daemon import Signals, run_daemon
from itop_bridge.errors import BridgeError, ConfigurationError, JournalFormatError
from itop_bridge.log import configure_log, describe_expected, get_logger, hide_secret
from itop_bridge.settings.load import Loaded, load_settings
from itop_bridge.settings.model import Settings
from itop_bridge.settings.secret import find_secrets
from itop_bridge.triage.load import Routing, load_routing


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError with every problem of the configuration."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the daemon listens: its usual effect is the process's end
    loaded, routing = _load(args.config)
    log = loaded.settings.log
    layout = args.log_format or log.format
    configure_log(log.level, layout=None if layout == "auto" else layout, file=args.logfile or log.file)
    _tell(loaded, routing)
    try:
        asyncio.run(_run(args.config, loaded, routing, shadow=args.shadow))
    except JournalFormatError as error:
        raise ConfigurationError([str(error)]) from error  # a restart would not help
    except BridgeError as error:
        get_logger().critical("daemon.failed", failure=describe_expected(error))
        raise
    except Exception as error:
        get_logger().critical("daemon.failed", exc_info=error)
        raise
    return 0


async def _run(config: Path, loaded: Loaded, routing: Routing, *, shadow: bool) -> None:
    signals = Signals()
    signals.listen()
    await run_daemon(loaded.settings, routing, signals, lambda: _load_again(config), shadow=shadow)


def _load(config: Path) -> tuple[Loaded, Routing]:
    loaded = load_settings(config)
    for _, secret in find_secrets(loaded.settings):
        hide_secret(secret.reveal())
    return loaded, load_routing(loaded)


def _load_again(config: Path) -> tuple[Settings, Routing]:
    """For a reload, which changes nothing if a file is bad: a factory that does not load any more must not give way to
    a bundled one of its name. Raises ConfigurationError."""
    loaded, routing = _load(config)
    if failed := routing.registry.failed:
        raise ConfigurationError([f"{each.origin}: the factory does not load: {each.detail}" for each in failed])
    _tell(loaded, routing)
    return loaded.settings, routing


def _tell(loaded: Loaded, routing: Routing) -> None:
    log = get_logger()
    for warning in loaded.warnings:
        log.warning("configuration.warned", warning=warning)
    for record in routing.registry.records:
        if record.status == "failed":
            log.error("factory.rejected", factory=record.name, origin=record.origin, detail=record.detail)
        else:
            log.debug("factory.loaded", factory=record.name, origin=record.origin, status=record.status)
