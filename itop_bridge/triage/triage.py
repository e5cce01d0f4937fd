"""The triage stage: events from the journal, in order, mapped to intents that land on their cases."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog

from itop_bridge.alert import Alert, Event, State
from itop_bridge.beat import Beat, Beats
from itop_bridge.crash_point import pass_point
from itop_bridge.errors import ElementError, JournalFullError
from itop_bridge.intent import Case, CreateIncident, Intent, ResolveIncident
from itop_bridge.journal.landing import Element, Landing, Owed, Tally
from itop_bridge.journal.retry import Retry
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.settings.own_incident import OWN_ROUTE
from itop_bridge.settings.topic import OWN_TOPICS
from itop_bridge.triage.heartbeat import find_heard
from itop_bridge.triage.inhibition import Circumstance, weigh_alert
from itop_bridge.triage.repeat import decide_landing, decide_retry
from itop_bridge.triage.route import Route, Scene, match_routes
from itop_bridge.triage.silence import Watch, find_silence
from itop_bridge.triage.sum import Sums

log = structlog.get_logger(__name__)

STALLED_S = 300.0
"""A triage that has not come a step further for so long hangs: in a factory, say, which is foreign code."""
_MOST_EVENTS = 256
_MOST_BYTES = 8 * 1024 * 1024
_MOST_ELEMENTS = 500
_MOST_RETRIES = 5_000
_TICK_S = 5.0
_FULL_S = 5.0
_MOST_DESCRIPTION = 4_000


@dataclass(slots=True)
class Counters:
    """Elements since the start."""

    events: int = 0
    mapping_s: float = 0.0
    """What mapping took."""
    accepted: int = 0
    dropped: int = 0
    rejected: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    """The dropped ones by reason."""
    rejections: dict[str, int] = field(default_factory=dict)
    """The rejected ones by reason."""

    def add(self, tally: Tally, *, retried: bool = False) -> None:
        """Count a batch. What was `retried` and is rejected again was counted before."""
        self.accepted += tally.accepted
        self.dropped += tally.dropped
        _add(self.drops, tally.drops)
        if not retried:
            self.rejected += tally.rejected
            _add(self.rejections, tally.reasons)


def _do_nothing(_: float) -> None:
    """Nobody wants to know."""


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for reason, count in more.items():
        counts[reason] = counts.get(reason, 0) + count


class Triage:
    """Maps what intake journaled."""

    def __init__(
        self,
        journal: TriageJournal,
        routes: Sequence[Route],
        alarms: Alarms,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Any] = asyncio.sleep,
        beat: Beat | None = None,
    ) -> None:
        self._beat = beat or Beats().begin("triage", STALLED_S)
        self._journal = journal
        self._clock = clock
        self.routes = routes
        """A reload replaces them as a whole."""
        self._alarms = alarms
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._profiles: set[str] = set()
        self._silences = Watch()
        self._stormy = True
        """Whether a storm may hold: one that began before the start, too."""
        self._sums = Sums(clock)
        self.counters = Counters()
        self.on_mapped: Callable[[float], None] = _do_nothing
        """Called for each event, with the seconds from its receipt until what became of it was on the disk."""

    def wake(self) -> None:
        """Events were journaled."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Map until `stop`; what is left waits in the journal."""
        while not stop.is_set():
            self._beat.move()
            self._wake.clear()
            try:
                if await self.step():
                    self._alarms.clear("journal_full")
                    continue
                self._sums.tell()
                await self._journal.expire_waiting()
                await self._watch_storms()
            except JournalFullError as error:
                self._alarms.raise_("journal_full", detail=str(error))
                await self._sleep(_FULL_S)
                continue
            await self._wait(stop)
        self._sums.flush()

    async def _wait(self, stop: asyncio.Event) -> None:
        waits = {asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(stop.wait())}
        _, pending = await asyncio.wait(waits, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()

    async def step(self) -> bool:
        """Map the next events, and the next dead letters that are tried again; False if none waits."""
        self._watch_silences()
        mapped = await self._map_next()
        return await self._retry_next() or mapped

    async def _map_next(self) -> bool:
        events = await self._journal.fetch_waiting(_MOST_EVENTS, _MOST_BYTES)
        if not events:
            return False
        routes = self.routes  # of this moment: a reload may come while the events are mapped
        await self._record_profiles(routes)
        # in a thread: one large event must not hold up the broker's keepalive
        started = self._clock()
        elements = await asyncio.to_thread(self._map, events, routes)
        self.counters.mapping_s += self._clock() - started
        pass_point("triage.mapped")
        heard = find_heard(events, routes)
        for part in _whole_events(elements):
            self._beat.move()
            tally = await self._journal.record(part, decide_landing, through=part[-1].event_id, heard=heard)
            pass_point("triage.committed")
            self._count(tally)
            self._silences.count(each.result for each in part)
        self.counters.events += len(events)
        now = self._clock()
        for event in events:
            self.on_mapped(now - event.received)
        return True

    async def _retry_next(self) -> bool:
        retries = await self._journal.fetch_retries(_MOST_RETRIES, _MOST_BYTES)
        if not retries:
            return False
        routes = self.routes
        await self._record_profiles(routes)
        elements = await asyncio.to_thread(self._map_again, retries, routes)
        for start in range(0, len(retries), _MOST_ELEMENTS):
            self._beat.move()
            part = retries[start : start + _MOST_ELEMENTS]
            tally = await self._journal.record_retries(
                [(retry, elements.get(retry.event_id, ())) for retry in part],
                decide_retry,
                routes={route.name for route in self.routes},
            )
            self._count_retried(tally)
        return True

    async def _record_profiles(self, routes: Sequence[Route]) -> None:
        for route in routes:
            if route.profile.hash not in self._profiles:
                await self._journal.record_profile(route.profile.hash, route.profile.body)
                self._profiles.add(route.profile.hash)

    def _watch_silences(self) -> None:
        """One line when a silence begins to hold, and one when it ends."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        silences = [silence for route in self.routes for silence in route.silences]
        for name, dropped in self._silences.look(silences, now):
            if dropped is None:
                log.info("silence.began", silence=name)
            else:
                log.info("silence.ended", silence=name, dropped=dropped)

    async def _watch_storms(self) -> None:
        """One line when a storm is over."""
        if not self._stormy:
            return
        ended, self._stormy = await self._journal.settle_storms()
        for storm in ended:
            place = {"route": storm.route, "organization": storm.organization, "case": storm.case}
            log.info("storm.ended", **place, cases=storm.cases, lasted_s=round(storm.lasted_s))

    def _count(self, tally: Tally) -> None:
        self.counters.add(tally)
        self._sums.add(tally)
        for route, organization, case in tally.storms:
            log.warning("storm.began", route=route, organization=organization, case=case)
        self._stormy = self._stormy or bool(tally.storms)
        if tally.letters:
            routes = sorted({route for _, route in tally.letters if route})
            first = tally.letters[0][0]
            log.warning("elements.rejected", reasons=dict(tally.reasons), event_id=first, routes=routes)

    def _count_retried(self, tally: Tally) -> None:
        self.counters.add(tally, retried=True)
        log.info("letters.retried", accepted=tally.accepted, dropped=tally.dropped, rejected=tally.rejected)

    def _map_again(self, retries: Sequence[Retry], routes: Sequence[Route]) -> dict[int, list[Element]]:
        """The elements of each event as the configuration of now reads it."""
        events = {retry.event_id: retry.event for retry in retries if retry.event is not None}
        return {event_id: list(self._map_one(event, routes)) for event_id, event in events.items()}

    def _map(self, events: Sequence[Event], routes: Sequence[Route]) -> list[Element]:
        return [element for event in events for element in self._map_one(event, routes)]

    def _map_one(self, event: Event, routes: Sequence[Route]) -> Iterator[Element]:
        self._beat.move()
        return map_event(event, routes)


def _whole_events(elements: Sequence[Element]) -> Iterator[Sequence[Element]]:
    """Elements in parts for one commit each, so that intake's commits find their turn; no event is split, since the
    journal's cursor is an event."""
    start = 0
    while start < len(elements):
        end = min(start + _MOST_ELEMENTS, len(elements))
        while end < len(elements) and elements[end].event_id == elements[end - 1].event_id:
            end += 1
        yield elements[start:end]
        start = end


def map_event(event: Event, routes: Sequence[Route]) -> Iterator[Element]:
    """What the elements of an event ask for; one element never affects its neighbours."""
    try:
        topic = event.topic.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Element(event.id, 0, Rejected("invalid_topic", f"the topic is not UTF-8: {error}", "topic"))
        return
    if event.size > len(event.payload):
        detail = f"{event.size} bytes; only the head of the payload is kept (mqtt.max_payload)"
        yield Element(event.id, 0, Rejected("too_large", detail, "payload"))
        return
    matches = match_routes(routes, topic)
    if not matches:
        own = OWN_ROUTE if topic.startswith(OWN_TOPICS) else None  # no own incident tells of one
        yield Element(event.id, 0, Rejected("no_route", f"no route has the topic {topic[:200]!r}", "topic", own))
        return
    first = matches[0][0]
    read = first.format.read(
        event, timezone=first.timezone, unknown_severity=first.unknown_severity, console_url=first.console_url
    )
    for index, item in enumerate(read):
        if isinstance(item, Alert):
            yield from _route(item, matches)
        else:
            yield Element(event.id, index, replace(item, route=first.name) if isinstance(item, Rejected) else item)


def _route(alert: Alert, matches: Sequence[tuple[Route, dict[str, str]]]) -> Iterator[Element]:
    """The alert goes to the first route of its topic whose `when` holds, and on while that says `continue`.

    What fails in one route takes nothing from the others.
    """
    taken = False
    for route, names in matches:
        element = _try_route(alert, route, {"alert": alert, "raw": alert.raw, "topic": names})
        if element is not None:
            taken = True
            yield element
            if not route.continues:
                return
    if not taken:
        yield Element(alert.event_id, alert.index, Dropped("filtered"), alert_id=alert.id)


def _try_route(alert: Alert, route: Route, scene: Scene) -> Element | None:
    """What a route makes of an alert; None if it does not want it. Only what fires can be silenced."""
    element = partial(Element, alert.event_id, alert.index, alert_id=alert.id)
    bearing = None
    try:
        if route.is_heartbeat(scene):
            return element(Dropped("heartbeat", route.name))
        if not route.accepts(scene):
            return None
        fires = alert.state is State.FIRING
        silence = find_silence(route.silences, scene, alert.received) if route.silences and fires else None
        if silence is not None and not route.rules:
            return element(Dropped("silenced", route.name, silence.name))
        case, weak = route.case_of(alert, scene)
        if route.rules:
            bearing = weigh_alert(route.rules, alert, scene, _circumstance(alert, route, case))
    except ElementError as error:
        return element(Rejected(error.reason, error.detail, error.field, route.name))
    if silence is not None:  # it holds others back all the same
        return element(Dropped("silenced", route.name, silence.name), bearing)
    return element(_land(alert, route, case, weak=weak), bearing)


def _circumstance(alert: Alert, route: Route, case: Case) -> Circumstance:
    alert_id = _identify(alert, case) or f"event {alert.event_id}.{alert.index}"
    return Circumstance(_scope(route, case), alert_id, case.organization, route.policy.firing_expires)


def _scope(route: Route, case: Case) -> str:
    return f"{case.organization}|{route.scope}"


def _land(alert: Alert, route: Route, case: Case, *, weak: bool) -> Landing | Rejected:
    try:
        intents = tuple(route.handle(alert, case))
    except Exception as error:  # noqa: BLE001 - a factory is foreign code: its failure is this alert's alone
        return Rejected("factory_failed", f"{type(error).__name__}: {error}", route.profile.factory, route.name)
    facts = _describe(alert, weak=weak)
    return Landing(
        scope=_scope(route, case),
        identity=_identify(alert, case),
        state=alert.state,
        one_shot=alert.one_shot,
        episode=alert.time.timestamp() if alert.time else None,
        content=alert.content_hash,
        received=alert.received.timestamp(),
        intents=tuple(_owe(intent, facts) for intent in intents),
        profile=route.profile.hash,
        duplicate_window_s=route.policy.duplicate_window,
        resolve_wait_s=route.policy.resolve_wait,
        group_wait_s=route.policy.group_wait,
        route=route.name,
        storm=route.policy.storm,
    )


def _identify(alert: Alert, case: Case) -> str | None:
    """What tells a repeat from a new alert: the id; without one the content of a dated one-shot alert, or, for an
    alert that has states, its case. An undated alert without id is always new."""
    if alert.id is not None:
        return alert.id
    if not alert.one_shot:
        return f"case {case.digest}"
    return f"content {alert.content_hash}" if alert.time else None


def _owe(intent: Intent, facts: bytes) -> Owed:
    kind = "append"
    impact, urgency = 3, 4
    if isinstance(intent, CreateIncident):
        kind, impact, urgency = "create", intent.impact, intent.urgency
    elif isinstance(intent, ResolveIncident):
        kind = "resolve"
    case = intent.case
    return Owed(kind, case.key, case.digest, case.organization, urgency, impact, facts)


def _describe(alert: Alert, *, weak: bool) -> bytes:
    """The alert for the texts, without the payload."""
    return orjson.dumps(
        {
            "id": alert.id,
            "format": alert.format,
            "title": alert.title,
            "severity": str(alert.severity),
            "state": alert.state,
            "time": alert.time.strftime("%Y-%m-%d %H:%M:%S UTC") if alert.time else None,
            "description": alert.description[:_MOST_DESCRIPTION] if alert.description else None,
            "host": alert.host,
            "user": alert.user,
            "source": alert.source,
            "destination": alert.destination,
            "rule": alert.rule,
            "link": alert.link,
            "tenant": alert.tenant,
            "observables": dict(alert.observables),
            "notes": [*alert.notes, "case_key_weak"] if weak else alert.notes,
        }
    )
