"""A small MQTT broker that misbehaves on demand: for faults that a real broker does not show."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14


@dataclass
class Connect:
    level: int
    """4 is MQTT 3.1.1, 5 is MQTT 5."""
    client_id: str
    clean: bool
    keepalive: int
    properties: bytes
    will_topic: str | None = None
    will_payload: bytes | None = None
    will_retained: bool = False
    username: str | None = None
    password: str | None = None


@dataclass
class FakeBroker:
    """Serves one client at a time; what it got is in the lists, what it does in the settings."""

    refuse: dict[int, int] = field(default_factory=dict)
    """CONNACK code by protocol level."""
    hang_up: set[int] = field(default_factory=set)
    """Protocol levels whose CONNECT is answered by closing the socket."""
    session_present: bool = False
    grant: Callable[[str], int] = field(default=lambda _: 1)
    take: Callable[[str], int | None] = field(default=lambda _: 0)
    """The PUBACK's reason code by topic; None: no PUBACK."""
    connack_properties: bytes = b""
    silent: bool = False
    """Answers CONNECT and PUBLISH only: no SUBACK, no PINGRESP."""

    connects: list[Connect] = field(default_factory=list)
    subscribed: list[tuple[str, int]] = field(default_factory=list)
    """Filters with their options byte."""
    identifiers: list[bytes] = field(default_factory=list)
    """The properties of each SUBSCRIBE."""
    unsubscribed: list[str] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    disconnects: int = 0

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        await self.hang_up_now()
        await self._server.wait_closed()

    async def until(self, condition: Callable[[], object], timeout_s: float = 5) -> None:
        """Wait until what was received fulfils `condition`."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def send(
        self, topic: bytes, payload: bytes = b"{}", *, mid: int = 1, qos: int = 1, retain: bool = False, properties=b""
    ) -> None:
        """Deliver a message."""
        await self._write(PUBLISH, self._publish_body(topic, payload, mid, qos, properties), flags=qos << 1 | retain)

    async def send_at_once(self, topic: bytes, payloads: list[bytes]) -> None:
        """Deliver messages, numbered from 1, in one write."""
        bodies = [self._publish_body(topic, payload, mid, 1, b"") for mid, payload in enumerate(payloads, 1)]
        self._writer.write(b"".join(b"\x32" + _length(len(body)) + body for body in bodies))
        await self._writer.drain()

    def _publish_body(self, topic: bytes, payload: bytes, mid: int, qos: int, properties: bytes) -> bytes:
        body = struct.pack("!H", len(topic)) + topic
        if qos:
            body += struct.pack("!H", mid)
        if self.connects[-1].level == 5:
            body += _length(len(properties)) + properties
        return body + payload

    async def disconnect(self, reason: int) -> None:
        """MQTT 5's DISCONNECT with a reason, then close."""
        await self._write(DISCONNECT, bytes([reason]))
        await self.hang_up_now()

    async def hang_up_now(self) -> None:
        """Close the socket without a word."""
        if self._writer:
            self._writer.close()
            self._writer = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while True:
                kind, flags, body = await _read_packet(reader)
                await self._handle(kind, flags, body)
                async with self._changed:
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError, struct.error):  # gone, or no MQTT
            writer.close()

    async def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            await self._welcome(parse_connect(body))
        elif kind == PUBACK:
            self.acknowledged.append(struct.unpack("!H", body[:2])[0])
        elif kind == PUBLISH:
            await self._accept(flags, body)
        elif kind == DISCONNECT:
            self.disconnects += 1
        elif not self.silent:
            await self._answer(kind, body)

    async def _welcome(self, connect: Connect) -> None:
        self.connects.append(connect)
        if connect.level in self.hang_up:
            await self.hang_up_now()
            return
        code = self.refuse.get(connect.level, 0)
        properties = _length(len(self.connack_properties)) + self.connack_properties if connect.level == 5 else b""
        await self._write(CONNACK, bytes([self.session_present and not code, code]) + properties)
        if code:
            await self.hang_up_now()

    async def _accept(self, flags: int, body: bytes) -> None:
        topic, rest = _text(body)
        if flags & 6:
            mid, rest = rest[:2], rest[2:]
            code = self.take(topic)
            if code is not None:
                await self._write(PUBACK, mid + (bytes([code]) if code else b""))
        self.published.append((topic, self._skip_properties(rest), bool(flags & 1)))

    async def _answer(self, kind: int, body: bytes) -> None:
        mid, rest = body[:2], body[2:]
        empty = b"\0" if self.connects[-1].level == 5 else b""
        if kind == PINGREQ:
            await self._write(PINGRESP, b"")
            return
        if kind == SUBSCRIBE and empty:
            self.identifiers.append(rest[1 : 1 + rest[0]])
        rest = self._skip_properties(rest)
        codes = b""
        while rest:
            name, rest = _text(rest)
            if kind == SUBSCRIBE:
                self.subscribed.append((name, rest[0]))
                codes += bytes([self.grant(name)])
                rest = rest[1:]
            else:
                self.unsubscribed.append(name)
                codes += b"\0" if empty else b""
        await self._write(SUBACK if kind == SUBSCRIBE else UNSUBACK, mid + empty + codes)

    def _skip_properties(self, body: bytes) -> bytes:
        return body[1 + body[0] :] if self.connects[-1].level == 5 else body

    async def _write(self, kind: int, body: bytes, flags: int = 0) -> None:
        if self._writer:
            self._writer.write(bytes([kind << 4 | flags]) + _length(len(body)) + body)
            await self._writer.drain()


def parse_connect(body: bytes) -> Connect:
    """A CONNECT packet's variable header and payload."""
    level, flags, keepalive = struct.unpack("!BBH", body[6:10])
    rest = body[10:]
    properties = b""
    if level == 5:
        properties, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    client_id, rest = _text(rest)
    connect = Connect(level, client_id, bool(flags & 2), keepalive, properties)
    if flags & 4:
        if level == 5:
            rest = rest[1 + rest[0] :]
        connect.will_topic, rest = _text(rest)
        connect.will_payload, rest = _binary(rest)
        connect.will_retained = bool(flags & 0x20)
    if flags & 0x80:
        connect.username, rest = _text(rest)
    if flags & 0x40:
        connect.password, rest = _text(rest)
    return connect


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    head = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if not digit & 128:
            return head >> 4, head & 15, await reader.readexactly(length)


def _length(number: int) -> bytes:
    digits = bytearray()
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | 0x80 if number else digit)
        if not number:
            return bytes(digits)


def _binary(body: bytes) -> tuple[bytes, bytes]:
    size = struct.unpack("!H", body[:2])[0]
    return body[2 : 2 + size], body[2 + size :]


def _text(body: bytes) -> tuple[str, bytes]:
    data, rest = _binary(body)
    return data.decode(), rest
