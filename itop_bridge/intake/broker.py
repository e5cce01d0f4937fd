"""The broker: how a connection to it is made, and what is published there."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from itop_bridge.intake.connection import (
    BrokerError,
    BrokerLostError,
    BrokerRefusedError,
    BrokerUnreachableError,
    Connection,
)
from itop_bridge.intake.inbox import Inbox
from itop_bridge.settings.model import Mqtt, Tls
from itop_bridge.system_error import explain_error

UNSUPPORTED_PROTOCOL_VERSION = 132
"""MQTT 5's reason code; paho gives MQTT 3.1.1's return code 1 this number too."""

_ANSWER_TIMEOUT_S = 10.0


class Broker:
    """Connects, one connection at a time, and publishes on the present one."""

    def __init__(self, settings: Mqtt, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.connection: Connection | None = None
        self._clock = clock

    @property
    def is_open(self) -> bool:
        """Whether something can be published now."""
        return self.connection is not None and self.connection.is_open

    @property
    def window(self) -> int:
        """How many messages may be published at once."""
        return self.connection.window if self.connection else 1

    @property
    def status_topic(self) -> str:
        """Where `online` and, as the last will, `offline` are retained."""
        return f"{self.settings.base_topic}/status"

    @property
    def itop_topic(self) -> str:
        """Where `reachable`, `unreachable` or, once nobody looks, `unknown` is retained."""
        return f"{self.settings.base_topic}/itop"

    async def connect(self) -> Connection:
        """A new connection with the session of our client id.

        MQTT 5 first, where `auto` is set; 3.1.1 only when the broker says that it does not know MQTT 5, never because
        it hung up. Raises BrokerRefusedError or BrokerUnreachableError.
        """
        context = await asyncio.to_thread(_load_tls, self.settings.tls)
        versions = decide_versions(self.settings.protocol)
        for version in versions:
            connection = self._new_connection(version, context)
            try:
                await connection.open()
            except BrokerRefusedError as error:
                if error.code != UNSUPPORTED_PROTOCOL_VERSION or version == versions[-1]:
                    raise
            except BrokerUnreachableError as error:
                where = f"{self.settings.host}:{self.settings.port}"
                raise BrokerUnreachableError(f"no connection to {where}: {_explain(error)}") from error
            else:
                self.connection = connection
                return connection
        raise AssertionError("the last version either connects or raises")

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> None:
        """Publish on the present connection, unless it is being ended; with QoS 1 the broker has it on return.

        Raises BrokerError, and PublishRefusedError if the broker does not take this message.
        """
        if self.connection is None or not self.connection.is_open:
            raise BrokerLostError
        await self.connection.send(topic, payload, qos=qos, retain=retain, correlation=correlation)

    async def publish_status(self, status: str) -> None:
        """Say `online` or `offline`, retained. Raises BrokerError."""
        await self._say(self.status_topic, status)

    async def publish_itop(self, word: str) -> None:
        """Say whether iTop is reached, retained. Raises BrokerError."""
        if not self.is_open:
            raise BrokerLostError
        await self._say(self.itop_topic, word)

    async def _say(self, topic: str, word: str) -> None:
        """Also while the connection is being ended."""
        if self.connection is None:
            raise BrokerLostError
        await self.connection.send(topic, word.encode(), qos=1, retain=True)

    async def disconnect(self) -> bool:
        """Say `offline` and leave; the session stays at the broker.

        True if the broker answered: then it has also read every acknowledgement that was sent before.
        """
        connection = self.connection
        if connection is None:
            return False
        connection.stop_taking()
        answered = False
        with contextlib.suppress(BrokerError):  # it is gone already: its last will says so
            await self.publish_status("offline")
            answered = True
            await self._say(self.itop_topic, "unknown")  # nobody looks any more
        await connection.close()
        self.connection = None
        return answered

    def _new_connection(self, version: aiomqtt.ProtocolVersion, context: ssl.SSLContext | None) -> Connection:
        settings = self.settings
        return Connection(
            Inbox(max_pending=settings.max_pending, max_payload=settings.max_payload, clock=self._clock),
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password.reveal() if settings.password else None,
            identifier=settings.client_id,
            protocol=version,
            will=aiomqtt.Will(self.status_topic, b"offline", qos=1, retain=True),
            keepalive=round(settings.keepalive),
            timeout=_ANSWER_TIMEOUT_S,
            tls_context=context,
            socket_options=_socket_options(round(settings.keepalive)),
            **_session_options(version, settings),
        )


def decide_versions(protocol: str) -> tuple[aiomqtt.ProtocolVersion, ...]:
    """The protocol versions to try, in order, for `mqtt.protocol`."""
    choices = {
        "auto": (aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311),
        "5": (aiomqtt.ProtocolVersion.V5,),
        "3.1.1": (aiomqtt.ProtocolVersion.V311,),
    }
    return choices[protocol]


_OTHER_NAME = (62, 64)
"""OpenSSL's codes for a certificate that is for another host name or address."""
_EXPIRED = 10
"""And for one that has expired."""


def _explain(error: BrokerUnreachableError) -> str:
    """Why, as the system or TLS has it, and what can be mended; aiomqtt keeps their error as a context only."""
    cause: BaseException | None = error
    while cause and not (isinstance(cause, OSError) and str(cause)):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        hints = dict.fromkeys(_OTHER_NAME, "mqtt.host must be a name in it") | {_EXPIRED: "the broker needs a new one"}
        hint = hints.get(cause.verify_code, "mqtt.tls.ca_file must hold the authority that signed it")
        return f"certificate verify failed: {cause.verify_message}; {hint}"
    return explain_error(cause) if isinstance(cause, OSError) else str(error)


def _session_options(version: aiomqtt.ProtocolVersion, settings: Mqtt) -> dict[str, Any]:
    """What keeps the session: without these, aiomqtt wipes it at each start."""
    if version != aiomqtt.ProtocolVersion.V5:
        return {"clean_session": False}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's Properties has no types
    properties.SessionExpiryInterval = round(settings.session_expiry)
    properties.ReceiveMaximum = settings.receive_maximum
    return {"clean_start": False, "properties": properties}


def _load_tls(tls: Tls | None) -> ssl.SSLContext | None:
    """A context that verifies the broker's certificate and name; read again for each connection, so that a renewed
    certificate is taken up. Blocks on the disk. Raises BrokerUnreachableError."""
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file:
            password = tls.key_password.reveal() if tls.key_password else ""  # without one, OpenSSL asks the terminal
            context.load_cert_chain(tls.cert_file, tls.key_file, password)
    except OSError as error:  # ssl.SSLError is one
        raise BrokerUnreachableError(f"the files under mqtt.tls cannot be used: {error}") from error
    return context


def _socket_options(keepalive_s: int) -> list[tuple[int, int, int]]:
    """The kernel notices a dead peer within one keepalive, paho within two."""
    if not keepalive_s:
        return []
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, keepalive_s // 2)),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 6)),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, keepalive_s * 1000),
    ]
