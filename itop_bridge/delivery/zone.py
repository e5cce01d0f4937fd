"""iTop's clock. Its dates carry no zone, and OQL's NOW() is the database's (FACTS: transcripts 910-912).

The distance to ours is learned from our own writes, whose `last_update` is the moment of the answer; the journal keeps
it over a restart.
"""

import datetime
import math
from dataclasses import dataclass

_FORMAT = "%Y-%m-%d %H:%M:%S"
_MOVED_S = 5.0
_ZONES_S = 900.0
"""Time zones are whole quarters of an hour apart."""
_DRIFT_S = 60.0
"""By so much the two machines' clocks may differ otherwise."""


@dataclass(slots=True)
class ServerClock:
    """Turns iTop's dates into seconds since the epoch, once a write has told the distance."""

    offset_s: float | None = None

    def learn(self, last_update: str, now: float) -> bool:
        """Take the distance from the `last_update` that our own write was answered with just now. True if it is
        another than before."""
        read, before = _parse(last_update), self.offset_s
        if read is None:
            return False
        self.offset_s = read - now
        return before is None or abs(self.offset_s - before) > _MOVED_S

    def estimate(self, last_update: str, sent: float, now: float) -> bool:
        """Take the zone, if nothing is known yet, from a write of ours that was found: the incident was touched last
        between `sent` and `now`. False if more than one zone would do."""
        read = _parse(last_update)
        if read is None or self.offset_s is not None:
            return False
        least = math.ceil((read - now - _DRIFT_S) / _ZONES_S)
        most = math.floor((read - sent + _DRIFT_S) / _ZONES_S)
        if least == most:
            self.offset_s = least * _ZONES_S
        return least == most

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
