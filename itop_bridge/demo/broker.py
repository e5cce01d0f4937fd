"""An MQTT broker inside the process: amqtt, which speaks MQTT 3.1.1. It forgets: for the demo only."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from itop_bridge.errors import BridgeError

HOST = "127.0.0.1"


class BrokerMissingError(BridgeError):
    """The demo needs the package amqtt: pip install 'itop-bridge[demo]'."""


@asynccontextmanager
async def serve_broker() -> AsyncIterator[int]:
    """Run a broker on a free port of this machine; yields the port. Raises BrokerMissingError."""
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - an extra that only the demo needs
    except ImportError as error:
        raise BrokerMissingError from error
    for name in ("amqtt", "transitions"):  # they warn of every client that leaves
        logging.getLogger(name).setLevel(logging.ERROR)
    port = _find_free_port()
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
