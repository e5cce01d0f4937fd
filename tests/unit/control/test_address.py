import socket
from pathlib import Path

import pytest

from itop_bridge.control.address import MOST_BYTES, socket_of
from itop_bridge.control.error import SocketError


def test_the_socket_lies_beside_the_journal():
    assert socket_of(Path("/var/lib/itop-bridge/journal.db")) == Path("/var/lib/itop-bridge/journal.db.control")


def test_a_path_that_is_too_long_says_what_to_do():
    with pytest.raises(SocketError, match=r"108 bytes.*at most 107.*journal\.path"):
        socket_of(Path("/" + "x" * (MOST_BYTES - len("/.control") + 1)))


def test_bytes_count_and_not_characters():
    with pytest.raises(SocketError):
        socket_of(Path("/" + "é" * 60))


def test_the_longest_path_is_one_that_the_system_takes(tmp_path):
    name = "x" * (MOST_BYTES - len(str(tmp_path)) - len("/.control"))
    path = socket_of(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with socket.socket(socket.AF_UNIX) as listener, pytest.raises(OSError, match="too long"):
        listener.bind(f"{path}x")
