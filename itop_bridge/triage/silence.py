"""Silences, compiled: which alerts open nothing, and when; and which of them hold now."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from itop_bridge.errors import ElementError, ExpressionError
from itop_bridge.outcome import Dropped
from itop_bridge.settings.silence import DAYS, RouteSilence
from itop_bridge.triage.case_key import Scene
from itop_bridge.triage.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the week by the clock on the wall, `to` possibly on the next day. Minutes after midnight."""

    days: frozenset[int]
    """Of its beginning; Monday is 0."""
    start: int
    to: int
    zone: ZoneInfo

    def holds(self, moment: dt.datetime) -> bool:
        """Whether an aware time is within it. Where the clock is put back, an hour that comes twice is so twice."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.start < self.to:
            return local.weekday() in self.days and self.start <= minute < self.to
        if minute >= self.start:
            return local.weekday() in self.days
        return minute < self.to and (local.weekday() - 1) % 7 in self.days


@dataclass(frozen=True, slots=True, eq=False)
class Silence:
    """Firing alerts that it matches are dropped while it holds."""

    name: str
    matches: Matcher
    start: float | None
    """Seconds since the epoch."""
    until: float | None
    windows: tuple[Window, ...]

    def holds(self, moment: dt.datetime) -> bool:
        """Whether it is in effect at an aware time."""
        at = moment.timestamp()
        if (self.start is not None and at < self.start) or (self.until is not None and at >= self.until):
            return False
        return not self.windows or any(window.holds(moment) for window in self.windows)


def make_silence(name: str, settings: RouteSilence, matches: Matcher) -> Silence:
    """The silence of the configuration; `name` is for one that has none."""
    windows = tuple(
        Window(
            frozenset(DAYS.index(day) for day in each.days),
            each.start,
            each.to,
            ZoneInfo(each.timezone or settings.timezone),
        )
        for each in settings.windows
    )
    return Silence(settings.name or name, matches, *settings.bounds(), windows)


def find_silence(silences: Sequence[Silence], scene: Scene, moment: dt.datetime) -> Silence | None:
    """The first that holds at `moment` and matches. Raises ElementError if an expression fails."""
    try:
        return next((each for each in silences if each.holds(moment) and each.matches(scene)), None)
    except ExpressionError as error:
        raise ElementError("expression_failed", str(error), "silences") from error


class Watch:
    """Tells when silences begin and end to hold, and how many alerts each dropped meanwhile. By their names, so that a
    reload ends none."""

    def __init__(self) -> None:
        self._dropped: dict[str, int] = {}
        """By those that hold."""

    def count(self, results: Iterable[object]) -> None:
        """Alerts were mapped, some of them dropped by silences."""
        for result in results if self._dropped else ():
            if isinstance(result, Dropped) and result.reason == "silenced" and result.detail in self._dropped:
                self._dropped[result.detail] += 1

    def look(self, silences: Iterable[Silence], moment: dt.datetime) -> Iterator[tuple[str, int | None]]:
        """Those that hold and did not at the last look, with None; and those that hold no longer, with their count."""
        holding = dict.fromkeys(silence.name for silence in silences if silence.holds(moment))
        for name in [name for name in self._dropped if name not in holding]:
            yield name, self._dropped.pop(name)
        for name in holding:
            if name not in self._dropped:
                self._dropped[name] = 0
                yield name, None
