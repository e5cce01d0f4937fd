"""One connection to the broker: takes messages up to a bound of bytes and acknowledges them in order.

A connection is an epoch: what it delivered is acknowledged through it or not at all. aiomqtt brings calls
and answers together; reading, acknowledging and the end of a connection are ours. That leans on private names of
aiomqtt and paho, which a contract test holds.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage, error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import BridgeError
from itop_bridge.intake.inbox import Delivery, Inbox
from itop_bridge.intake.overlap import identify_filter, overlap_somewhere
from itop_bridge.intake.read_ahead import ReadAhead
from itop_bridge.journal.intake import Received

T = TypeVar("T")

SESSION_TAKEN_OVER = 0x8E
"""MQTT 5's reason code for "another client has connected with this client id"."""

_LEAST_REFUSAL = 0x80
"""From here on MQTT 5's reason codes tell a failure."""
_QUOTA_EXCEEDED = 0x97
"""The one that passes."""
_MOST_PACKET_BYTES = 268_435_460
"""MQTT knows no larger one."""
_MOST_FRAME_BYTES = 10
"""What a PUBLISH is beside its topic, properties and payload, at most: its length, the topic's, its number."""
_WINDOW = 20
"""So many publications paho sends ahead of their acknowledgements."""


class BrokerError(BridgeError):
    """The broker cannot be used."""


class BrokerUnreachableError(BrokerError):
    """No connection to the broker: name, network, TLS, or no answer."""


class BrokerRefusedError(BrokerError):
    """The broker refused the connection. `code` is MQTT 5's reason code."""

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class BrokerLostError(BrokerError):
    """The connection to the broker was lost."""


class PublishRefusedError(BrokerError):
    """The broker does not take a message, and will not: its topic is not allowed, or is none."""


class PublishTooLargeError(PublishRefusedError):
    """A message is larger than the broker takes; it was not sent, since that would cost the connection."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a connection ended. `code` is MQTT 5's reason code where the broker gave one."""

    reason: str
    code: int | None = None
    ours: bool = False
    """We hung up: what came could not be used, or an answer did not come."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages in order of arrival, and their acknowledgement: to be called once they are on the disk, else never."""

    messages: Sequence[Received]
    ignored: Sequence[str]
    """Why other messages are only acknowledged, a word for each: `retained` or `copy`."""
    acknowledge: Callable[[], int]
    """Gives how many were acknowledged: none at QoS 0, and none after a loss."""


class Connection(aiomqtt.Client):
    """Opens once, and is lost or closed once.

    While the inbox is full the socket is not read; it is again when half of the bound is free. (paho drops a link that
    it did not read for two keepalives: a long pause is a reconnect.) `options` are aiomqtt's.
    """

    def __init__(self, inbox: Inbox, **options: Any) -> None:
        super().__init__(**options)
        self._client.manual_ack_set(True)
        self._read_ahead = ReadAhead(self._client._sock_recv)  # noqa: SLF001 - the one place where paho reads
        self._client._sock_recv = self._read_ahead  # type: ignore[method-assign]  # noqa: SLF001 - as above
        self._client.disable_logger()  # what it would say is said in `loss`, and it costs time per message
        self.pending_calls_threshold = 1000
        self.session_present = False
        self.loss: Loss | None = None
        self._inbox = inbox
        self._stirred = asyncio.Event()
        self._gone = asyncio.Event()
        self._paused = False
        self._ending = False
        self._abandoned = False
        self._watched = False
        self._may_identify = False
        self._publishing: dict[int, asyncio.Future[ReasonCode]] = {}
        self.window = _WINDOW
        """How many messages may be sent at once, and wait for their PUBACK."""
        self._most_bytes = _MOST_PACKET_BYTES

    @property
    def is_open(self) -> bool:
        """Whether it takes messages of ours: it is not lost, and nobody ends it."""
        return self.loss is None and not self._ending

    @property
    def is_mqtt5(self) -> bool:
        """Whether the connection speaks MQTT 5."""
        return int(self._client.protocol) == aiomqtt.ProtocolVersion.V5

    @property
    def pending(self) -> int:
        """Bytes, about, that were read and are not acknowledged."""
        return self._inbox.pending

    @property
    def paused(self) -> bool:
        """Whether the socket is not read because too much waits for its commit."""
        return self._paused

    # opening and closing

    async def open(self) -> None:
        """Connect. Raises BrokerRefusedError (the broker said no) or BrokerUnreachableError."""
        opened = False
        try:
            await self.__aenter__()
            opened = True
        except MqttConnectError as error:
            code = error.rc.value if isinstance(error.rc, ReasonCode) else int(error.rc or 0)
            raise BrokerRefusedError(code, str(error.rc)) from error
        except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a host that TLS cannot name
            raise BrokerUnreachableError(str(error)) from error
        finally:
            if not opened:
                self._abandoned = True  # where it was cancelled, aiomqtt's thread goes on connecting
                self._connected.cancel()
                self.drop("not connected")

    async def close(self) -> None:
        """Disconnect and keep the session; what is not acknowledged comes again."""
        self.stop_taking()
        if self.loss is None:
            try:
                await self.__aexit__(None, None, None)
            except aiomqtt.MqttError:
                self.drop("no answer to the disconnect")

    def drop(self, reason: str) -> None:
        """Close the socket without a word: the broker publishes the last will."""
        self._lose(Loss(reason, ours=True))
        self._client._sock_close()  # noqa: SLF001 - paho has no public way to close without DISCONNECT

    def stop_taking(self) -> None:
        """Take no further message; `next_batch` ends with what was taken. The broker keeps the rest, unacknowledged."""
        self._ending = True
        self._stirred.set()
        if self._paused:
            self._resume()  # answers to our last calls are still to be read

    # messages

    async def next_batch(self) -> Batch | None:
        """What arrived since the last one, waiting for a first; None once the connection has ended and all is taken."""
        while not self._inbox:
            if self._ending or self.loss:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        return self._take_batch()

    def _take_batch(self) -> Batch:
        taken = self._inbox.take()
        messages = [delivery.message for delivery in taken if not delivery.ignored]
        ignored = [delivery.ignored for delivery in taken if delivery.ignored]
        return Batch(messages, ignored, partial(self._acknowledge, taken))

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        self._inbox.settle(deliveries)
        if self.loss is not None:
            return 0
        for delivery in deliveries:
            self._client.ack(delivery.mid, delivery.qos)
            pass_point("intake.acknowledging", self._client.loop_write)  # else it is sent by the loop, later
        if self._paused and self._inbox.has_room:
            self._resume()
        return sum(delivery.qos > 0 for delivery in deliveries)

    def _on_message(self, _client: Paho, _userdata: Any, message: MQTTMessage) -> None:
        if self._ending:
            return
        self._inbox.put(message)
        self._stirred.set()
        if self._inbox.is_full and not self._paused:
            self._pause()

    # calls

    async def subscribe_filters(self, filters: Sequence[str]) -> list[str]:
        """Subscribe at QoS 1, without retained messages, and return the filters that the broker did not grant so.

        Raises BrokerError when the connection is lost or does not answer.
        """
        if not self._may_identify or not overlap_somewhere(filters):
            return await self._subscribe(filters, None)
        refused = []
        for filter_ in filters:
            refused += await self._subscribe([filter_], identify_filter(filter_))
        return refused

    async def _subscribe(self, filters: Sequence[str], identifier: int | None) -> list[str]:
        options: Any = SubscribeOptions(qos=1, retainHandling=2) if self.is_mqtt5 else 1
        properties = _properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier)
        granted = await self._unless_lost(
            self.subscribe([(filter_, options) for filter_ in filters], properties=properties)
        )
        if len(granted) != len(filters):
            raise BrokerError(f"the broker answered {len(granted)} filters, {len(filters)} were asked for")
        codes = [code.value if isinstance(code, ReasonCode) else code for code in granted]
        return [filter_ for filter_, code in zip(filters, codes, strict=True) if code not in (1, 2)]

    async def unsubscribe_filters(self, filters: Sequence[str]) -> None:
        """Unsubscribe. Raises BrokerError when the connection is lost or does not answer."""
        await self._unless_lost(self.unsubscribe(list(filters)))

    async def send(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, correlation: bytes | None = None
    ) -> None:
        """Publish; with QoS 1 it returns once the broker has it. Raises BrokerError.

        That is PublishRefusedError where the broker says so: only MQTT 5 has a word for that.
        """
        properties = _properties(PacketTypes.PUBLISH, CorrelationData=correlation if self.is_mqtt5 else None)
        code = await self._unless_lost(self._publish(topic, payload, qos, properties, retain=retain))
        if code is not None and code.value == _QUOTA_EXCEEDED:
            raise BrokerError(str(code))
        if code is not None and code.value >= _LEAST_REFUSAL:
            raise PublishRefusedError(str(code))

    async def _publish(
        self, topic: str, payload: bytes, qos: int, properties: Properties | None, *, retain: bool
    ) -> ReasonCode | None:
        """The PUBACK's reason code, which aiomqtt's own `publish` does not give."""
        try:
            if _measure(topic, payload, properties) > self._most_bytes:
                raise PublishTooLargeError(f"the broker takes no message of more than {self._most_bytes} bytes")
            info = self._client.publish(topic, payload, qos, retain, properties)
        except ValueError as error:
            raise PublishRefusedError(str(error)) from error
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(error_string(info.rc))
        if not qos:
            return None
        acknowledged = self._publishing[info.mid] = self._loop.create_future()
        try:
            return await self._wait_for(acknowledged, None)
        finally:
            del self._publishing[info.mid]

    async def _unless_lost(self, call: Coroutine[Any, Any, T]) -> T:
        calling = asyncio.create_task(call, name="mqtt-call")
        losing = asyncio.create_task(self._gone.wait(), name="mqtt-loss")
        try:
            await asyncio.wait({calling, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise BrokerLostError(self.loss.reason if self.loss else None)
            return calling.result()
        except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a topic that cannot be sent
            raise BrokerError(str(error)) from error
        finally:
            calling.cancel()
            losing.cancel()

    # paho's callbacks

    def _on_connect(
        self,
        client: Paho,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        self._may_identify = self.is_mqtt5 and getattr(properties, "SubscriptionIdentifierAvailable", 1) == 1
        self._most_bytes = getattr(properties, "MaximumPacketSize", _MOST_PACKET_BYTES)
        self.window = max(1, min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW + 1) - 1))  # one for the status
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, _client: Paho, _userdata: Any, mid: int, reason_code: ReasonCode, _properties: Properties
    ) -> None:
        acknowledged = self._publishing.get(mid)
        if acknowledged is not None and not acknowledged.done():
            acknowledged.set_result(reason_code)

    def _on_disconnect(
        self,
        _client: Paho,
        _userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._lose(Loss(f"the broker disconnected: {reason_code}", reason_code.value))
        elif str(reason_code) == "Unspecified error":  # paho's word for an end of file or an error of the socket
            self._lose(Loss("the connection was closed"))
        else:
            self._lose(Loss(str(reason_code), ours=True))

    def _lose(self, loss: Loss) -> None:
        if self.loss:
            return
        self.loss = loss
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(f"closed before it was connected: {loss.reason}"))
        if not self._disconnected.done():
            self._disconnected.set_result(None)
        self._gone.set()
        self._stirred.set()

    # the socket

    def _on_socket_open(self, _client: Paho, _userdata: Any, sock: socket.socket) -> None:
        # in aiomqtt's connecting thread
        if self._abandoned:
            sock.close()
            raise ConnectionAbortedError("nobody waits for this connection any more")
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: socket.socket) -> None:
        if self._client.socket() is sock:
            self._watched = True
            self._loop.add_reader(sock.fileno(), self._read)
            self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt-keepalive")

    def _on_socket_register_write(self, _client: Paho, _userdata: Any, sock: socket.socket) -> None:
        if self._watched:
            self._loop.add_writer(sock.fileno(), self._write)
        else:  # in the connecting thread: the CONNECT
            self._loop.call_soon_threadsafe(self._watch_write, sock)

    def _watch_write(self, sock: socket.socket) -> None:
        if self._client.socket() is sock:
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        self._guard(self._client.loop_write)
        sock = self._client.socket()
        if sock is not None and not self._client.want_write():
            self._loop.remove_writer(sock.fileno())  # paho forgets to, where it wrote outside of this callback

    def _read(self) -> None:
        self._guard(self._read_packets)

    def _read_packets(self) -> None:
        """Read what is there, up to one chunk: other tasks have their turn then."""
        while not self._paused:
            self._client.loop_read()
            if not self._read_ahead.has_more or self._client.socket() is None:
                break

    def _guard(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - paho's parser raises anything, and would meet the same packet again
            self.drop(f"{type(error).__name__}: {error}")

    def _pause(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def _resume(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)  # what was read ahead does not make the socket readable


def _properties(packet_type: int, **values: object) -> Properties | None:
    """MQTT 5's properties; None if no value is set."""
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return None
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]  # paho's Properties has no types
    for name, value in given.items():
        setattr(properties, name, value)
    return properties


def _measure(topic: str, payload: bytes, properties: Properties | None) -> int:
    """The most bytes that a PUBLISH takes. Raises ValueError for what is no text."""
    packed = properties.pack() if properties else b""  # type: ignore[no-untyped-call]  # as above
    return _MOST_FRAME_BYTES + len(topic.encode()) + len(packed) + len(payload)
