"""The worker: takes the cases whose turn it is, reads them together, and carries out one step of each."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Literal

import structlog

from itop_bridge.beat import Beats
from itop_bridge.delivery.attempt import Order, Pace, Sender, wait_for_space
from itop_bridge.delivery.casework import Casework
from itop_bridge.delivery.enrichment import Enrichment
from itop_bridge.delivery.job import Job
from itop_bridge.delivery.movement import Movement, count_most
from itop_bridge.delivery.reading import Reader
from itop_bridge.delivery.reference import References
from itop_bridge.delivery.rest import Rests
from itop_bridge.delivery.shadow import Shadow
from itop_bridge.delivery.sight import Seen, Sight
from itop_bridge.delivery.strain import tell_strain
from itop_bridge.delivery.style import Styles
from itop_bridge.delivery.verification import Verification
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.errors import JournalFullError
from itop_bridge.itop.error import ITopError, NotAllowedError, PermanentError, UncertainError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.measured import name_outcome
from itop_bridge.journal.case import Attempt, CaseState
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.turn import LOOK_TOGETHER_S
from itop_bridge.log import Alarms, Faults

log = structlog.get_logger(__name__)

_ENDED_BY_PERSON = (
    "incident_twin",
    "log_budget",
    "log_full",
    "reference_refused",
    "resolve_way_closed",
)

_MOST_LOOKS = 200
_LONGEST_PAUSE_S = 60.0
_CLOSED_S = 5.0
"""How often operators' pauses are looked at while iTop cannot be reached."""
_READ_FAILED_S = 30.0
_READ_REFUSED_S = 300.0
_EXPIRE_EVERY_S = 600.0
_MOST_EXPIRED = 1_000
"""In one commit, so that intake's find their turn."""


class Delivery:
    """Carries out what the journal owes, one call in flight per case.

    `on_write` takes the kind of each write that iTop has, and the seconds since its oldest alert was received;
    `movement` is told that the stage moves.
    """

    def __init__(  # noqa: PLR0913 - four collaborators, and what the daemon or a test adds
        self,
        journal: DeliveryJournal,
        gate: Gate,
        alarms: Alarms,
        pace: Pace,
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(8),
        shadow: bool = False,
        on_write: Callable[[str, float], None] | None = None,
        movement: Movement | None = None,
    ) -> None:
        self._movement = movement or Movement(Beats(pace.monotonic), timeout_s=30.0, rate_per_s=pace.rate)
        pace = replace(pace, sleep=partial(self._nap, pace.sleep))
        self._journal = journal
        self._gate = gate
        self._alarms = alarms
        self._pace = pace
        self._clock = pace.clock
        self._monotonic = pace.monotonic
        self._faults = Faults(clock=pace.monotonic)
        self._sleep = pace.sleep
        self._expire_at = 0.0
        self._server_clock = ServerClock()
        self._reader = Reader(gate, self._server_clock)
        self._references = References(gate, pace.monotonic)
        self._sender = Sender(journal, gate, self._server_clock, alarms, pace, self._refuse, on_write)
        self._styles = Styles(journal.fetch_profile)
        self._enrichment = Enrichment(gate, journal, self._styles, alarms, pace.monotonic)
        self._shadow = Shadow(journal, pace.clock, everything=shadow)
        self._verification = Verification(
            journal,
            gate,
            alarms,
            reader=self._reader,
            sender=self._sender,
            references=self._references,
            styles=self._styles,
            server_clock=self._server_clock,
            clock=pace.clock,
        )
        self._sight = Sight(self._reader, self._references, self._enrichment, self._shadow)
        self._rests = Rests(pace.monotonic)
        self._casework = Casework(
            journal,
            alarms,
            self._sender,
            styles=self._styles,
            references=self._references,
            shadow=self._shadow,
            rests=self._rests,
            new_token=new_token,
            clock=pace.clock,
        )
        self._refused: set[str] = set()
        """Classes that iTop did not let us read."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._most = count_most(pace.rate)

    def wake(self) -> None:
        """Something landed, or a task ended: look at what is due."""
        self._wake.set()

    async def recover(self) -> None:
        """On start: what was in flight is unknown, and verified once the server's time limit has passed."""
        now = self._clock()
        self._server_clock.offset_s = await self._journal.fetch_server_offset()
        found = await self._journal.recover(now + self._pace.server_time_limit_s, now + 86_400.0)
        if found:
            log.warning("attempts.unknown", attempts=found, look_in_s=self._pace.server_time_limit_s)
        await self._tell_held()

    async def release(self) -> None:
        """The configuration was read again: a person has looked. Try the parked cases once more, and end the alarms
        that only a person ends."""
        if released := await self._journal.release_parked():
            log.info("case.released", cases=released)
        self._enrichment.forget()
        for name in _ENDED_BY_PERSON:
            self._alarms.clear(name)
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then finish the calls in flight. A task that fails by a bug ends the daemon."""
        self._movement.begin()
        stopping = asyncio.create_task(stop.wait(), name="delivery-stop")
        try:
            while not stop.is_set():
                self._movement.note()
                if not await _first(stopping, self._gate.wait_open(), timeout_s=_CLOSED_S):
                    await self._tell_held()
                elif not stop.is_set() and not await self._turn():
                    await self._pause(stopping)
        finally:
            stopping.cancel()
            await self.finish()
            self._movement.end()

    async def _nap(self, sleep: Callable[[float], Awaitable[None]], nap_s: float) -> None:
        """A pause that is meant is a move."""
        self._movement.note()
        await sleep(nap_s)

    async def _tell_held(self) -> None:
        """What operators hold back is an alarm for as long as they do; a strained iTop, for as long as it is; that
        cases are parked, until none is."""
        if paused := await self._journal.fetch_pauses():
            self._alarms.raise_("delivery_paused", detail="all routes" if "*" in paused else ", ".join(sorted(paused)))
        else:
            self._alarms.clear("delivery_paused")
        tell_strain(self._gate.slowness, self._gate.throttling, self._alarms)
        parked = self._alarms.active.get("case_parked")
        # one that is raised while the journal is read tells of a case that the answer may not know
        if parked and not await self._journal.has_parked() and self._alarms.active.get("case_parked") is parked:
            self._alarms.clear("case_parked")

    async def _expire(self) -> None:
        now = self._monotonic()
        if now < self._expire_at:
            return
        if expired := await self._journal.expire_firing(_MOST_EXPIRED):
            log.info("alerts.expired", alerts=expired)
        if expired < _MOST_EXPIRED:
            self._expire_at = now + _EXPIRE_EVERY_S

    async def finish(self) -> None:
        """Wait for the calls in flight and what they settle."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())

    async def step(self) -> bool:
        """One round: start a task that looks for tokens, read what is due, start a task per case. False if nothing was
        due."""
        self._raise_bugs()
        self._wake.clear()
        await self._tell_held()
        # noted before anything is read: of a case whose task ends meanwhile, what was read is stale
        busy = set(self._tasks)
        looks = [attempt for attempt in await self._fetch_looks() if attempt.case_id not in busy]
        cases = await self._fetch_cases(busy | {attempt.case_id for attempt in looks})
        if not looks and not cases:
            return False
        if looks:
            self._spawn_looks(looks)
        jobs = await self._take_up(cases)
        try:
            for iclass, group in _by_class(jobs).items():
                await self._start(iclass, group)
        except ITopError as error:
            self._tell_read_failed(error)
        return True

    async def _take_up(self, cases: Iterable[CaseState]) -> list[Job]:
        jobs = []
        for case in cases:
            self._movement.note()
            if (job := await self._casework.take_up(case)) is not None:
                jobs.append(job)
        return jobs

    def _tell_read_failed(self, error: ITopError) -> None:
        reason = name_outcome(type(error))
        self._faults.tell("itop.read_failed", reason, reason=reason, detail=str(error)[:500])

    async def _turn(self) -> bool:
        """A step, or a pause where the disk is full."""
        try:
            await self._expire()
            return await self.step()
        except JournalFullError as error:
            await self._wait_for_space(error)
            return True

    async def _wait_for_space(self, error: JournalFullError) -> None:
        """Nothing was stored, and nothing is sent that cannot be: the cases stay due."""
        await wait_for_space(self._journal, self._alarms, self._sleep, error)

    async def _fetch_looks(self) -> list[Attempt]:
        """The looks that are due, once the first has waited for others to share its call.

        None in the shadow: an entry that was lost would be written again. They are made up for later.
        """
        if self._shadow.everything:
            return []
        looks = await self._journal.fetch_looks(_MOST_LOOKS)
        ripe = looks and (looks[0].look or 0.0) + LOOK_TOGETHER_S <= self._clock()
        return looks if ripe else []

    async def _fetch_cases(self, taken: set[int]) -> list[CaseState]:
        free = self._most - len(self._tasks)
        if free < self._most / 2:
            return []  # so that one read serves many
        cases = await self._journal.fetch_due(self._most + len(taken))
        return [case for case in cases if case.id not in taken][:free]

    async def _pause(self, stopping: asyncio.Task[Literal[True]]) -> None:
        due = await self._journal.next_due(looks=not self._shadow.everything)
        wait_s = _LONGEST_PAUSE_S if due is None else min(max(due - self._clock(), 0.0), _LONGEST_PAUSE_S)
        if self._tasks:
            wait_s = max(wait_s, 1.0)  # cases in work are due too: their end wakes us
        await _first(stopping, self._wake.wait(), timeout_s=max(wait_s, 0.02))

    def _raise_bugs(self) -> None:
        for task in list(self._tasks.values()):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    # reading

    async def _group(self, looks: list[Attempt]) -> dict[str, list[Attempt]]:
        """By class."""
        groups: dict[str, list[Attempt]] = {}
        cases = await self._journal.fetch_cases({attempt.case_id for attempt in looks})
        for attempt in looks:
            case = cases[attempt.case_id]
            groups.setdefault((await self._styles.find_writing(case.profile)).iclass, []).append(attempt)
        return groups

    async def _look(self, looks: list[Attempt]) -> None:
        """Look for tokens; new cases do not wait for it."""
        try:
            for iclass, looked in (await self._group(looks)).items():
                await self._settle_looks(iclass, looked)
        except ITopError as error:
            self._tell_read_failed(error)
        except JournalFullError as error:
            await self._wait_for_space(error)

    async def _settle_looks(self, iclass: str, looks: list[Attempt]) -> None:
        try:
            await self._verification.settle_looks(looks)
        except ITopError as error:
            wait_s = self._note_refusal(iclass, error)
            await self._journal.postpone_looks([attempt.id for attempt in looks], self._clock() + wait_s)

    async def _start(self, iclass: str, jobs: list[Job]) -> None:
        """Read the cases of one class together, and start a task for each."""
        try:
            await self._read_and_spawn(jobs)
        except ITopError as error:
            wait_s = self._note_refusal(iclass, error)
            for case in (job.situation.case for job in jobs):
                if case.id not in self._tasks:
                    self._rests.note(case.id, wait_s)
                    await self._journal.change(case.id, due=self._clock() + wait_s)
        else:
            self._refused.discard(iclass)
            if not self._refused:
                self._alarms.clear("itop_read_refused")
                self._faults.end("itop.read_failed")

    def _note_refusal(self, iclass: str, error: ITopError) -> float:
        """iTop answers others, and not what was asked of one class: its cases wait so many seconds, and others go on.

        Raises `error` if it is iTop that cannot be reached: then the round is over, and the gate knows when to go on.
        """
        own = isinstance(error, UncertainError | PermanentError | NotAllowedError)
        if not self._gate.is_open or not own:
            raise error
        self._tell_read_failed(error)
        self._refused.add(iclass)
        self._alarms.raise_("itop_read_refused", detail=str(error)[:300])
        return _READ_FAILED_S if isinstance(error, UncertainError) else _READ_REFUSED_S

    async def _read_and_spawn(self, jobs: list[Job]) -> None:
        late = await self._verification.settle_late(job.situation.case for job in jobs)
        async for seen in self._sight.see([job for job in jobs if job.situation.case.id not in late]):
            self._spawn(seen)

    def _refuse(self, order: Order, attribute: str) -> None:
        """iTop refused an optional attribute: do without it for some minutes, or without the CI that gave it."""
        if attribute in order.lent:
            self._enrichment.refuse(order.lent[attribute])
        else:
            self._references.refuse(order.case.profile, attribute)

    # cases

    def _spawn(self, seen: Seen) -> None:
        case = seen.job.situation.case
        self._keep(self._movement.start(self._work(seen), f"case-{case.digest}"), {case.id})

    async def _work(self, seen: Seen) -> None:
        try:
            await self._casework.work(seen)
        except JournalFullError as error:
            await self._wait_for_space(error)

    def _spawn_looks(self, looks: list[Attempt]) -> None:
        self._keep(self._movement.start(self._look(looks), "looks"), {attempt.case_id for attempt in looks})

    def _keep(self, task: asyncio.Task[None], case_ids: set[int]) -> None:
        """No other task works on these cases until this one has ended."""
        for case_id in case_ids:
            self._tasks[case_id] = task
            task.add_done_callback(partial(self._ended, case_id))

    def _ended(self, case_id: int, task: asyncio.Task[None]) -> None:
        if task.cancelled() or not task.exception():
            del self._tasks[case_id]
        self.wake()


def _by_class(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.situation.iclass, []).append(job)
    return groups


async def _first(
    stopping: asyncio.Task[Literal[True]], waiting: Awaitable[object], *, timeout_s: float | None = None
) -> bool:
    """Wait for `waiting`, for the stop, or for the time. True if `waiting` is over."""
    task = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait({stopping, task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ITopError):  # a gate that is stopped says so by an error
            await task
