"""Telling systemd how the service is doing (sd_notify(3)): one datagram to $NOTIFY_SOCKET."""

import os
import socket
from collections.abc import Mapping


def is_listening(environ: Mapping[str, str] = os.environ) -> bool:
    """True where a service manager wants to be told."""
    return bool(environ.get("NOTIFY_SOCKET"))


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `RELOADING=1` or `STATUS=…`, several in lines.

    False where no service manager listens, or it cannot be reached: it misses a sign that it waits for by itself, and
    one that has gone away does not end the daemon.
    """
    if not is_listening(environ):
        return False
    address = environ["NOTIFY_SOCKET"]
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return False
    return True


def watchdog_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often a sign of life is wanted: half of $WATCHDOG_USEC; None if the unit has no watchdog."""
    period = environ.get("WATCHDOG_USEC")
    return int(period) / 2_000_000 if period else None
