"""One sample through the whole of triage, offline: what each of its alerts would come to. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from itop_bridge.alert import Alert, Event
from itop_bridge.journal.landing import Landing
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.recognition import AutoFormat
from itop_bridge.triage.route import match_routes
from itop_bridge.triage.triage import map_event
from itop_bridge.trial.call import Call, plan_calls
from itop_bridge.trial.reading import Read, read_alone, read_event
from itop_bridge.trial.sample import Sample
from itop_bridge.trial.site import Site
from itop_bridge.trial.step import Step, trace_routes
from itop_bridge.trial.topic import Topic, choose_topic

Ending = Landing | Dropped | Rejected


@dataclass(frozen=True, slots=True)
class Try:
    """One element of a sample."""

    index: int
    read: Read
    endings: tuple[Ending, ...]
    """What triage makes of it. Empty for an alert that no route was asked about."""
    steps: tuple[Step, ...] = ()
    """What each route says of it."""
    calls: tuple[tuple[Call, ...], ...] = ()
    """For each landing of `endings`, in order, the calls that it comes to, if they were asked for."""
    group: tuple[str, ...] = ()
    """Of an alert that no route was asked about: the format and the values of its own case key."""
    weak: bool = False
    """Whether that key is weak, so that the alert's content stands for it."""

    @property
    def alert(self) -> Alert | None:
        return self.read.element if isinstance(self.read.element, Alert) else None

    @property
    def landings(self) -> tuple[Landing, ...]:
        return tuple(each for each in self.endings if isinstance(each, Landing))


@dataclass(frozen=True, slots=True)
class Tried:
    """A sample, and what became of its elements."""

    file: str
    tries: tuple[Try, ...]
    topic: Topic | None = None
    """None if no route was asked."""


def try_format(sample: Sample, format_: Format | AutoFormat, now: float) -> Tried:
    """Read a sample, and no more. `now` is when it is taken to arrive (seconds since the epoch)."""
    event = Event(0, b"", sample.payload, now)
    reads = enumerate(read_alone(event, format_))
    return Tried(sample.file, tuple(_try_alone(index, read, format_) for index, read in reads))


def _try_alone(index: int, read: Read, format_: Format | AutoFormat) -> Try:
    if not isinstance(read.element, Alert):
        return Try(index, read, (read.element,))
    values, weak = format_.case_fields(read.element)
    return Try(index, read, (), group=(read.element.format, *values), weak=weak)


def try_routes(sample: Sample, site: Site, topic: str | None, now: float, *, with_calls: bool = True) -> Tried:
    """Map a sample as the daemon would, and plan what would be sent; each alert as if it were the first of its case."""
    chosen = Topic(topic) if topic is not None else choose_topic(Event(0, b"", sample.payload, now), site.routes)
    event = Event(0, chosen.text.encode(), sample.payload, now)
    matches = match_routes(site.routes, chosen.text)
    reads = list(read_event(event, matches[0][0])) if matches else []
    course = _Course(site, chosen.text, now, with_calls)
    mapped = groupby(map_event(event, site.routes), key=lambda element: element.index)
    endings = ((index, tuple(each.result for each in elements)) for index, elements in mapped)
    tries = tuple(course.follow(index, reads[index] if reads else None, ends) for index, ends in endings)
    return Tried(sample.file, tries, chosen)


@dataclass(frozen=True, slots=True)
class _Course:
    """Follows elements from a topic."""

    site: Site
    topic: str
    now: float
    with_calls: bool

    def follow(self, index: int, read: Read | None, endings: tuple[Ending, ...]) -> Try:
        if read is None or not isinstance(read.element, Alert):  # as triage tells it: it knows the route too
            [ending] = endings
            if isinstance(ending, Landing):
                raise AssertionError("what is no alert does not land")
            return Try(index, Read(ending, read.format if read else None, read.why if read else None), endings)
        calls = tuple(
            tuple(plan_calls(each, self.site.style_of(each.profile), self.now))
            for each in endings
            if self.with_calls and isinstance(each, Landing)
        )
        return Try(index, read, endings, tuple(self._trace(read.element, endings)), calls)

    def _trace(self, alert: Alert, endings: tuple[Ending, ...]) -> Iterator[Step]:
        taken = {each.route for each in endings if each.route}
        return trace_routes(alert, self.topic, self.site.routes, taken, self.site.conditions)
