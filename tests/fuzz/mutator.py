"""Hostile payloads and topics: what SIEMs send, torn, stuffed and turned about. Seeded."""

import json
import random
from collections.abc import Sequence

NASTY = (
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    1e308,
    99999999999999999999,
    "",
    " ",
    "-",
    "null",
    "0",
    "\0",
    "\r\n",
    "\x1b[31m",
    "\u202e",
    "{{7919*7907}}",
    "{% for i in range(9999999) %}x{% endfor %}",
    "' OR 1=1",
    "\\'",
    "%",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "[sb:0123456789abcdef]",
    "[SIEM-0a1b2c3d4e5f]",
    "__class__",
    "a" * 5000,
    "\ud800",
    "é" * 3000,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"$": {"#": 1}},
    [1, "a", {}],
    "2026-11-24T12:00:00Z",
    "0000-00-00",
    "99999999999999",
    1e18,
    "::1",
    "1.2.3.4:99999",
    "256.1.1.1",
    "http://x/\nHost: y",
    "javascript:alert(1)",
    "CEF:0|a|b|c|d|e|11|x=\\",
    "LEEF:2.0|a|b|c|d|^|",
)
BYTES = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"NaN",
    b"1e400",
    b"\\u0000",
    b"\\ud800",
    b"\x1b[2J",
    b"\r",
    b"\n",
    b"|",
    b"=",
    b"\\",
    b'"',
)
TOPICS = (
    "siem/{}/%s",
    "siem//%s",
    "siem/../%s",
    "siem/EXC' OR 1=1/%s",
    "siem/{{7919*7907}}/%s",
    "siem/\u202e/%s",
    "nobody/listens",
)


class Mutator:
    """Draws payloads and topics from seeds."""

    def __init__(self, dice: random.Random, seeds: Sequence[tuple[str, bytes]]) -> None:
        self.dice = dice
        self.seeds = seeds
        """Pairs of a format and a payload."""

    def draw(self) -> tuple[bytes, bytes]:
        """A topic and a payload."""
        form, payload = self.dice.choice(self.seeds)
        for _ in range(self.dice.choice((0, 1, 1, 2, 3, 8))):
            payload = self._mutate(payload)
        return self._topic(form), payload

    def _topic(self, form: str) -> bytes:
        if self.dice.random() < 0.85:
            return f"siem/EXC/{form}".encode()
        topic = self.dice.choice(TOPICS)
        topic = (topic % form if "%s" in topic else topic).encode()
        return topic + b"\xff" if self.dice.random() < 0.1 else topic

    def _mutate(self, payload: bytes) -> bytes:
        change = self.dice.choice(
            (self._flip, self._cut, self._insert, self._double, self._other, self._nest, *[self._replace_value] * 6)
        )
        return change(payload)[:200_000]

    def _place(self, payload: bytes) -> int:
        return self.dice.randrange(len(payload) + 1)

    def _flip(self, payload: bytes) -> bytes:
        at = self._place(payload)
        return payload[:at] + self.dice.randbytes(self.dice.choice((1, 1, 4))) + payload[at + 1 :]

    def _cut(self, payload: bytes) -> bytes:
        return payload[: self._place(payload)] if self.dice.random() < 0.5 else payload[self._place(payload) :]

    def _insert(self, payload: bytes) -> bytes:
        at = self._place(payload)
        return payload[:at] + self.dice.choice(BYTES) * self.dice.choice((1, 1, 3, 1000)) + payload[at:]

    def _double(self, payload: bytes) -> bytes:
        return self.dice.choice((b"", b"\n", b",", b" ")).join([payload] * self.dice.choice((2, 3, 50)))

    def _other(self, payload: bytes) -> bytes:
        _, other = self.dice.choice(self.seeds)
        return payload[: self._place(payload)] + other[self._place(other) :]

    def _nest(self, payload: bytes) -> bytes:
        depth = self.dice.choice((1, 2, 500, 1100))
        opening, closing = self.dice.choice(((b"[", b"]"), (b'{"alerts":', b"}"), (b'{"a":', b"}")))
        return opening * depth + payload + closing * depth

    def _replace_value(self, payload: bytes) -> bytes:
        """One value of a JSON payload becomes a nasty one, or its key another."""
        try:
            root = json.loads(payload)
        except (ValueError, RecursionError):
            return self._flip(payload)
        holder = {"": root}
        place, key = holder, ""
        while isinstance(place[key], dict | list) and place[key] and self.dice.random() < 0.8:
            place = place[key]
            key = self.dice.choice(list(place)) if isinstance(place, dict) else self.dice.randrange(len(place))
        if self.dice.random() < 0.15 and isinstance(place, dict):
            place[str(self.dice.choice(NASTY))[:100]] = place.pop(key)
        else:
            place[key] = self.dice.choice(NASTY)
        return json.dumps(holder.get(""), ensure_ascii=self.dice.random() < 0.5).encode("utf-8", "surrogatepass")
