"""iTop's clock. Its dates carry no zone, and OQL's NOW() is the database's (FACTS: transcripts 910-912).

The distance to ours is learned from our own writes, whose `last_update` is the moment of the answer.
"""

import datetime
from dataclasses import dataclass

_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(slots=True)
class ServerClock:
    """Turns iTop's dates into seconds since the epoch, once a write has told the distance."""

    offset_s: float | None = None

    def learn(self, last_update: str, now: float) -> None:
        """Take the distance from the `last_update` that our own write was answered with just now."""
        read = _parse(last_update)
        if read is not None:
            self.offset_s = read - now

    def read(self, date: str) -> float | None:
        """Seconds since the epoch; None for an empty date, or while the distance is not known."""
        read = _parse(date)
        return None if read is None or self.offset_s is None else read - self.offset_s


def _parse(date: str) -> float | None:
    try:
        parsed = datetime.datetime.strptime(date, _FORMAT)  # noqa: DTZ007 - iTop names no zone, that is the point
    except ValueError:
        return None
    return parsed.replace(tzinfo=datetime.UTC).timestamp()
