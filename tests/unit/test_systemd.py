"""sd_notify: one datagram per sign, to whoever listens at $NOTIFY_SOCKET."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from itop_bridge import systemd


@pytest.fixture
def listen() -> Iterator:
    """Binds a datagram socket, as the service manager does; gives what came."""
    sockets: list[socket.socket] = []

    def bind(address: str) -> socket.socket:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sockets.append(receiver)
        receiver.bind(address)
        receiver.setblocking(False)
        return receiver

    yield bind
    for receiver in sockets:
        receiver.close()


def test_without_a_service_manager_nothing_is_sent() -> None:
    assert systemd.notify("READY=1", {}) is False
    assert systemd.notify("READY=1", {"NOTIFY_SOCKET": ""}) is False


@pytest.mark.parametrize(
    ("environ", "listens"), [({}, False), ({"NOTIFY_SOCKET": ""}, False), ({"NOTIFY_SOCKET": "/run/x"}, True)]
)
def test_a_service_manager_listens_where_it_says_so(environ: dict[str, str], listens: bool) -> None:
    assert systemd.is_listening(environ) is listens


def test_a_state_is_one_datagram(listen, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    receiver = listen(address)
    assert systemd.notify("READY=1", {"NOTIFY_SOCKET": address}) is True
    assert systemd.notify("STATUS=connected", {"NOTIFY_SOCKET": address}) is True
    assert [receiver.recv(100), receiver.recv(100)] == [b"READY=1", b"STATUS=connected"]
    with pytest.raises(BlockingIOError):
        receiver.recv(100)


def test_an_address_with_an_at_sign_is_an_abstract_socket(listen) -> None:
    name = f"itop-bridge-test-{secrets.token_hex(8)}"
    receiver = listen(f"\0{name}")
    assert systemd.notify("WATCHDOG=1", {"NOTIFY_SOCKET": f"@{name}"}) is True
    assert receiver.recv(100) == b"WATCHDOG=1"


def test_the_address_comes_from_the_environment(listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    receiver = listen(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert systemd.notify("STOPPING=1") is True
    assert receiver.recv(100) == b"STOPPING=1"


def test_a_manager_that_has_gone_away_is_told_nothing(listen, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    assert systemd.notify("READY=1", {"NOTIFY_SOCKET": str(address)}) is False
    listen(str(address)).close()
    assert systemd.notify("WATCHDOG=1", {"NOTIFY_SOCKET": str(address)}) is False


@pytest.mark.parametrize(("usec", "seconds"), [("30000000", 15.0), ("500000", 0.25)])
def test_a_sign_of_life_is_wanted_twice_per_period(usec: str, seconds: float) -> None:
    assert systemd.watchdog_s({"WATCHDOG_USEC": usec}) == seconds


def test_without_a_watchdog_no_sign_of_life_is_wanted() -> None:
    assert systemd.watchdog_s({}) is None
