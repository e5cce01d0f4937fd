"""Copies: one message that a broker delivers once per subscription that matches it (MQTT 5, section 3.3.4)."""

import zlib
from collections.abc import Sequence
from itertools import combinations

from itop_bridge.settings.topic import overlap

_HIGHEST_IDENTIFIER = 268_435_455


def overlap_somewhere(filters: Sequence[str]) -> bool:
    """Whether a topic may match two of `filters`."""
    return any(overlap(one, other) for one, other in combinations(filters, 2))


def identify_filter(filter_: str) -> int:
    """A subscription identifier that a filter keeps for ever: the broker stores it with what it queues."""
    return 1 + zlib.crc32(filter_.encode()) % _HIGHEST_IDENTIFIER


class CopyWatch:
    """Tells copies by their subscription identifiers. Copies follow each other directly.

    A publisher that sends the same twice is not mistaken for copies: those carry the same identifiers.
    """

    def __init__(self) -> None:
        self._message: tuple[bytes, bytes] | None = None
        self._seen: set[int] = set()

    def is_copy(self, topic: bytes, payload: bytes, identifiers: Sequence[int]) -> bool:
        """Whether this message, the next that came, is the one before, through another subscription."""
        message = (topic, payload) if identifiers else None
        if message and message == self._message and self._seen.isdisjoint(identifiers):
            self._seen.update(identifiers)
            return True
        self._message = message
        self._seen = set(identifiers)
        return False
