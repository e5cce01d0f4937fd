"""Replay: journaled events mapped again with the routes of now, and recorded alerts taken in as events."""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from itop_bridge.alert import Event
from itop_bridge.control.controls import Controls, Stage, Tell
from itop_bridge.control.error import ControlError, RequestError
from itop_bridge.control.request import Recorded, ReplayEvents, ReplayRecorded
from itop_bridge.control.route import check_route
from itop_bridge.control.wait import wait_for_rest
from itop_bridge.journal.intake import Received
from itop_bridge.journal.landing import Element
from itop_bridge.journal.replay import Ending, Rehearsal, Span, describe_ending
from itop_bridge.triage.repeat import decide_replay
from itop_bridge.triage.route import Route, match_routes
from itop_bridge.triage.triage import map_event

MOST_PAYLOAD = 8 * 1024 * 1024
"""Bytes of one recorded alert: in base64 it fits one request."""
MOST_SHOWN = 10_000
"""Elements that are told one by one: the first."""
_MOST_EVENTS = 256
_MOST_BYTES = 8 * 1024 * 1024
_PART = 500
"""Elements in one commit, so that intake's find their turn."""
_FOREVER = 1e11


class _Account:
    """What the elements came to."""

    def __init__(self, *, verbose: bool) -> None:
        self._counts: Counter[str] = Counter()
        self._shown: list[dict[str, Any]] | None = [] if verbose else None

    def add(self, endings: Sequence[Ending]) -> None:
        self._counts.update(ending.outcome for ending in endings)
        if self._shown is not None:
            self._shown += map(describe_ending, endings[: MOST_SHOWN - len(self._shown)])

    def sum_up(self) -> dict[str, Any]:
        """`landed`, `landed_before`, `dropped`, `dead`, `given_up`; and, if wanted, `elements`."""
        names = ("landed", "landed_before", "dropped", "dead", "given_up")
        counts: dict[str, Any] = {name: self._counts[name] for name in names}
        return counts if self._shown is None else {**counts, "elements": self._shown}


async def replay_events(request: ReplayEvents, controls: Controls, tell: Tell) -> dict[str, Any]:
    """How many `events`, and what their elements came to; of `pruned` events the payload is gone.

    Each part is one commit: an operator who breaks off leaves whole parts done, and may ask again.
    """
    await check_route(request.route, controls)
    stage = controls.require_stage()
    stage.require_routes()
    until = _FOREVER if request.until is None else request.until
    span = await stage.replays.find_span(request.since, until)
    rehearsal = Rehearsal() if request.dry_run else None
    account = _Account(verbose=request.verbose)
    total = max(0, span.last - span.first + 1)
    events = pruned = 0
    rest = span
    await tell(0, total)
    while rest.first <= rest.last:
        portion = await stage.replays.fetch_events(rest, _MOST_EVENTS, _MOST_BYTES)
        if portion.last < rest.first:
            break
        await _replay(stage, portion.events, request.route, rehearsal, account)
        events, pruned = events + len(portion.events), pruned + portion.pruned
        rest = Span(portion.last + 1, span.last)
        await tell(rest.first - span.first, total)
    return {"events": events, "pruned": pruned, **account.sum_up(), "running": controls.daemon is not None}


async def _replay(
    stage: Stage, events: Sequence[Event], route: str | None, rehearsal: Rehearsal | None, account: _Account
) -> None:
    routes = stage.require_routes()  # of this moment: a reload may come between two portions
    if rehearsal is None:
        for each in routes:
            await stage.triage.record_profile(each.profile.hash, each.profile.body)
    # in a thread: one large event must not hold up the broker's keepalive
    elements = await asyncio.to_thread(_map, events, routes, route)
    for part in _split(elements):
        account.add(await stage.triage.record_replay(part, decide_replay, rehearsal))


def _map(events: Sequence[Event], routes: Sequence[Route], route: str | None) -> list[Element]:
    elements = [element for event in events for element in map_event(event, routes)]
    return [each for each in elements if route is None or each.route == route]


def _split(elements: Sequence[Element]) -> Iterator[Sequence[Element]]:
    """In parts; what several routes make of one element stays together."""
    start = 0
    while start < len(elements):
        end = min(start + _PART, len(elements))
        while end < len(elements) and _place(elements[end]) == _place(elements[end - 1]):
            end += 1
        yield elements[start:end]
        start = end


def _place(element: Element) -> tuple[int, int]:
    return element.event_id, element.index


async def replay_recorded(request: ReplayRecorded, controls: Controls, tell: Tell) -> dict[str, Any]:
    """How many alerts were `taken` in, and how many are `known` from a replay before; where the daemon runs, what the
    elements of those that were taken came to. A dry run tells what they would come to."""
    stage = controls.require_stage()
    _check_topic(request.topic, stage.find_routes())
    recorded = list(_read(request, stage.replays.clock()))
    if request.dry_run:
        return await _rehearse(stage, recorded, request, controls)
    ids = await stage.replays.record(recorded)
    answer = {"taken": len(ids), "known": len(recorded) - len(ids), "running": controls.daemon is not None}
    if controls.daemon is None or not ids:
        return answer

    async def count_left() -> int:
        return min(await stage.replays.count_unmapped(ids[-1]), len(ids))

    left = await wait_for_rest(count_left, len(ids), tell, controls.sleep)
    return {**answer, **await stage.replays.fetch_outcomes(ids), "waiting": left}


async def _rehearse(
    stage: Stage, recorded: Sequence[tuple[Received, int]], request: ReplayRecorded, controls: Controls
) -> dict[str, Any]:
    new = await stage.replays.find_new(recorded)
    # ids that no event has: -1 is the first of the request
    events = [
        Event(-place - 1, each.topic, each.payload, each.received, each.size)
        for place, (each, _) in ((place, recorded[place]) for place in new)
    ]
    account = _Account(verbose=request.verbose)
    await _replay(stage, events, None, Rehearsal(), account)
    known = len(recorded) - len(new)
    return {"taken": len(new), "known": known, "running": controls.daemon is not None, **account.sum_up()}


def _check_topic(topic: str, routes: Sequence[Route] | None) -> None:
    """Raises ControlError for a topic that no alert comes by: a mistake of spelling would make dead letters of all."""
    if not topic or set(topic) & set("+#\0"):
        raise RequestError(f"{topic!r} is not the topic of a message: no wildcards")
    if routes is not None and not match_routes(routes, topic):
        raise ControlError(f"no route has the topic {topic[:200]!r}; nothing was done")


def _read(request: ReplayRecorded, now: float) -> Iterator[tuple[Received, int]]:
    topic = request.topic.encode()
    for each in request.alerts:
        payload = _decode(each)
        if len(payload) > MOST_PAYLOAD:
            raise RequestError(f"a recorded alert has {len(payload)} bytes, and at most {MOST_PAYLOAD} are replayed")
        yield Received(topic, payload, now, len(payload)), each.n


def _decode(recorded: Recorded) -> bytes:
    try:
        return base64.b64decode(recorded.payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"a payload is not base64: {error}") from None
