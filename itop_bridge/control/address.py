"""Where a daemon can be spoken to: a Unix socket beside its journal."""

import os
from pathlib import Path

from itop_bridge.control.error import SocketError

MOST_BYTES = 107
"""Of a socket's path: `sun_path` of unix(7), without its last byte, which is null."""


def socket_of(journal: Path) -> Path:
    """The control socket of the daemon whose journal this is. Raises SocketError if its path is too long for one."""
    path = journal.with_name(f"{journal.name}.control")
    length = len(os.fsencode(path))
    if length > MOST_BYTES:
        raise SocketError(
            f"{path} has {length} bytes, and a socket's path at most {MOST_BYTES}: move the journal to a folder with a"
            " shorter path (journal.path)"
        )
    return path
