"""The inbox of a connection: messages that were read and are not acknowledged, bounded by bytes."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paho.mqtt.client import MQTTMessage

from itop_bridge.intake.overlap import CopyWatch
from itop_bridge.journal.intake import Received

HEAD_BYTES = 4096
"""How much is kept of a payload that is too large."""

MOST_IN_BATCH = 1000

_MESSAGE_BYTES = 500  # what an empty message costs in memory: the bound must hold for those too


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, and what it is acknowledged by."""

    mid: int
    qos: int
    cost: int
    """Bytes of memory, about."""
    message: Received
    ignored: str | None
    """Why it is only acknowledged, not journaled: `retained` or `copy`."""


class Inbox:
    """Takes paho's messages in order of arrival. It never refuses one: who reads the socket asks `is_full` first."""

    def __init__(self, *, max_pending: int, max_payload: int, clock: Callable[[], float] = time.time) -> None:
        self.pending = 0
        """Bytes, about, of what was put in and is not settled."""
        self._max_pending = max_pending
        self._max_payload = max_payload
        self._clock = clock
        self._waiting: deque[Delivery] = deque()
        self._copies = CopyWatch()

    def __len__(self) -> int:
        """How many messages wait to be taken."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the bound is passed."""
        return self.pending > self._max_pending

    @property
    def has_room(self) -> bool:
        """Whether half of the bound is free again."""
        return self.pending <= self._max_pending // 2

    def put(self, message: MQTTMessage) -> None:
        """Add a message. Never raises, whatever it holds: paho would hand it in again for ever."""
        received = self._receive(message)
        ignored = self._decide_ignored(received, getattr(message.properties, "SubscriptionIdentifier", ()))
        cost = _MESSAGE_BYTES + len(received.payload) + len(received.topic)
        self._waiting.append(Delivery(message.mid, message.qos, cost, received, ignored))
        self.pending += cost

    def take(self) -> list[Delivery]:
        """What waits, the oldest first, at most a batch; it stays pending until it is settled."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_BATCH))]

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Free the room of what is on the disk."""
        self.pending -= sum(delivery.cost for delivery in deliveries)

    def _decide_ignored(self, received: Received, identifiers: Sequence[int]) -> str | None:
        if received.retain:  # the broker's memory, sent on a subscribe; a live message never has the flag
            return "retained"
        return "copy" if self._copies.is_copy(received.topic, received.payload, identifiers) else None

    def _receive(self, message: MQTTMessage) -> Received:
        payload = message.payload
        correlation = getattr(message.properties, "CorrelationData", None)
        return Received(
            topic=bytes(message._topic),  # noqa: SLF001 - `topic` raises where it is not UTF-8
            payload=bytes(payload) if len(payload) <= self._max_payload else cut_payload(payload, self._max_payload),
            received=self._clock(),
            size=len(payload),
            qos=message.qos,
            retain=message.retain,
            response_topic=getattr(message.properties, "ResponseTopic", None),
            correlation=None if correlation is None else bytes(correlation),
        )


def cut_payload(payload: bytes | bytearray, most: int) -> bytes:
    """What is kept of a payload over `most` bytes: its head, and the SHA-256 of the whole in a last line.

    The hash keeps two payloads with one head apart, also where redeliveries are recognised. Never over `most` bytes
    itself, so that it is always shorter than what was sent.
    """
    tail = b"\nsha256:" + hashlib.sha256(payload).hexdigest().encode()
    return bytes(payload[: min(HEAD_BYTES, most - len(tail))]) + tail
