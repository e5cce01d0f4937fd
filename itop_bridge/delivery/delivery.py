"""The worker: takes the cases whose turn it is, reads them together, and carries out one step of each."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import structlog

from itop_bridge.delivery.asset import Finding, parse_search
from itop_bridge.delivery.attempt import Order, Pace, Sender, wait_for_space
from itop_bridge.delivery.backlog import Backlogs
from itop_bridge.delivery.composer import Composer
from itop_bridge.delivery.enrichment import Enrichment
from itop_bridge.delivery.failure import MOST_FAILURES
from itop_bridge.delivery.flapping import Flap, decide_flapping
from itop_bridge.delivery.fold import Backlog
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.plan import Create, Drop, Idle, Park, Situation, Step, Wait, plan, plan_unread
from itop_bridge.delivery.reading import Lookup, Reader
from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.shadow import Shadow
from itop_bridge.delivery.style import Style, Styles
from itop_bridge.delivery.verification import Verification
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.errors import ExpressionError, JournalFullError
from itop_bridge.itop.error import ITopError, NotAllowedError, PermanentError, UncertainError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.case import Attempt, CaseState, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.shadow import is_shadow
from itop_bridge.journal.turn import LOOK_TOGETHER_S
from itop_bridge.log import Alarms, Faults
from itop_bridge.settings.policy import Policy

log = structlog.get_logger(__name__)

_ENDED_BY_PERSON = (
    "case_parked",
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
_REST_S = 5.0
"""A case that was read, and must wait, is not read again before, whatever lands in it."""
_MOST_RESTS = 10_000
_EXPIRE_EVERY_S = 600.0
_MOST_EXPIRED = 1_000
"""In one commit, so that intake's find their turn."""


@dataclass(frozen=True, slots=True)
class Job:
    """A case in a round."""

    situation: Situation
    style: Style
    org: int | UnknownOrganization | None = None
    """Known for a case that has no incident yet, or needs another."""
    finding: Finding | None = None
    """What was found in the CMDB for such a case."""


class Delivery:
    """Carries out what the journal owes, one call in flight per case.

    `on_write` takes the kind of each write that iTop has, and the seconds since its oldest alert was received.
    """

    def __init__(
        self,
        journal: DeliveryJournal,
        gate: Gate,
        alarms: Alarms,
        pace: Pace,
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(8),
        shadow: bool = False,
        on_write: Callable[[str, float], None] | None = None,
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._alarms = alarms
        self._pace = pace
        self._clock = pace.clock
        self._monotonic = pace.monotonic
        self._faults = Faults(clock=pace.monotonic)
        self._sleep = pace.sleep
        self._expire_at = 0.0
        self._new_token = new_token
        self._server_clock = ServerClock()
        self._reader = Reader(gate, self._server_clock)
        self._references = References(gate, pace.monotonic)
        self._sender = Sender(journal, gate, self._server_clock, alarms, pace, self._refuse, on_write)
        self._styles = Styles(journal.fetch_profile)
        self._enrichment = Enrichment(gate, journal, self._styles, alarms, pace.monotonic)
        self._backlogs = Backlogs(journal)
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
        self._rests: dict[int, float] = {}
        self._refused: set[str] = set()
        """Classes that iTop did not let us read."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        # what one read serves before it is two seconds old
        self._most = max(4, int(pace.rate * 2))

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
        await self._tell_pauses()

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
        stopping = asyncio.create_task(stop.wait(), name="delivery-stop")
        try:
            while not stop.is_set():
                if not await _first(stopping, self._gate.wait_open(), timeout_s=_CLOSED_S):
                    await self._tell_pauses()
                elif not stop.is_set() and not await self._turn():
                    await self._pause(stopping)
        finally:
            stopping.cancel()
            await self.finish()

    async def _tell_pauses(self) -> None:
        """What operators hold back is an alarm for as long as they do."""
        if paused := await self._journal.fetch_pauses():
            self._alarms.raise_("delivery_paused", detail="all routes" if "*" in paused else ", ".join(sorted(paused)))
        else:
            self._alarms.clear("delivery_paused")

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
        await self._tell_pauses()
        # noted before anything is read: of a case whose task ends meanwhile, what was read is stale
        busy = set(self._tasks)
        looks = [attempt for attempt in await self._fetch_looks() if attempt.case_id not in busy]
        cases = await self._fetch_cases(busy | {attempt.case_id for attempt in looks})
        if not looks and not cases:
            return False
        if looks:
            self._spawn_looks(looks)
        jobs = [job for case in cases if (job := await self._take_up(case))]
        try:
            for iclass, group in _by_class(jobs).items():
                await self._start(iclass, group)
        except ITopError as error:
            self._tell_read_failed(error)
        return True

    def _tell_read_failed(self, error: ITopError) -> None:
        self._faults.tell("itop.read_failed", type(error).__name__, reason=str(error)[:500])

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
                    self._rest(case, wait_s)
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
        jobs = [job for job in jobs if job.situation.case.id not in late]
        incidents = await self._read(jobs)
        others = []
        for job in jobs:
            incident = incidents.get(job.situation.case.incident or 0)
            if incident is not None and incident.phase is Phase.ONGOING:
                self._spawn(job, incident, [])
            else:
                others.append(job)
        await self._look_up_and_spawn(others, incidents)

    async def _look_up_and_spawn(self, jobs: list[Job], incidents: dict[int, Incident]) -> None:
        """Those that may need another incident: in which organisation, and is there one already?"""
        jobs = [replace(j, org=await self._references.find_organization(j.situation.case.organization)) for j in jobs]
        found = await self._look_up(jobs)
        for job in await self._enrich(jobs):
            case = job.situation.case
            self._spawn(job, incidents.get(case.incident or 0), found.get(case.id, []))

    async def _read(self, jobs: list[Job]) -> dict[int, Incident]:
        """The known incidents, by id."""
        ids = [job.situation.case.incident for job in jobs if job.situation.case.incident is not None]
        shadows = await self._shadow.fetch_incidents(ids)
        real = [each for each in ids if not is_shadow(each)]
        return shadows | (await self._reader.fetch_incidents(jobs[0].situation.iclass, real) if real else {})

    async def _look_up(self, jobs: list[Job]) -> dict[int, list[Incident]]:
        """For cases that have no incident: those whose title begins with the case's key."""
        lookups = {
            job.situation.case.id: Lookup(
                job.situation.iclass,
                job.org,
                job.style.pen.title_head(job.situation.case.digest),
                job.style.profile.writing.origin,
            )
            for job in jobs
            if job.situation.case.incident is None and job.situation.backlog.opens and isinstance(job.org, int)
        }
        if not lookups:
            return {}
        found = await self._reader.find_by_key(list(lookups.values()))
        return {case_id: found[lookup] for case_id, lookup in lookups.items() if found[lookup]}

    async def _enrich(self, jobs: list[Job]) -> list[Job]:
        """With what the CMDB has of the alerts that new incidents would be opened with."""
        searches, organizations = {}, {}
        for job in jobs:
            case, lead, cmdb = job.situation.case, job.situation.backlog.lead, job.style.profile.writing.cmdb
            if cmdb and lead and isinstance(job.org, int) and not case.storm:
                searches[case.id] = parse_search(cmdb, job.org, lead)
                organizations[case.organization] = job.org
        findings = await self._enrichment.find(searches, organizations) if searches else {}
        return [replace(job, finding=findings.get(job.situation.case.id)) for job in jobs]

    def _refuse(self, order: Order, attribute: str) -> None:
        """iTop refused an optional attribute: do without it for some minutes, or without the CI that gave it."""
        if attribute in order.lent:
            self._enrichment.refuse(order.lent[attribute])
        else:
            self._references.refuse(order.case.profile, attribute)

    # cases

    async def _take_up(self, case: CaseState) -> Job | None:
        """The case with its backlog folded; None if its step needs no look at iTop and is done."""
        rest_s = self._rests.get(case.id, 0.0) - self._monotonic()
        if rest_s > 0:
            await self._journal.change(case.id, due=self._clock() + rest_s)
            return None
        try:
            style = await self._styles.find(case.profile)
        except ExpressionError as error:
            await self._park(case, Park("text_failed", f"the texts of its route cannot be used: {error}"))
            return None
        if not self._shadow.covers(style):
            case = await self._shadow.leave(case)
        case, backlog = await self._fold(case)
        profile = style.profile
        ways = frozenset(self._sender.closed_ways)
        now = self._clock()
        flap = await self._find_flap(case, profile.policy, now)
        situation = Situation(case, backlog, profile.policy, profile.writing.iclass, now, ways, flap)
        step = plan_unread(situation)
        if step is None and case.failures >= MOST_FAILURES:
            step = Park("poison", f"the call failed {case.failures} times while iTop answered others")
        if step is None:
            return Job(situation, style)
        await self._settle_step(situation, step)
        return None

    async def _fold(self, case: CaseState) -> tuple[CaseState, Backlog]:
        """What the case owes, and, read after it, whether anything fires: a resolve that lands in between must not be
        settled as a log entry because its alert was still counted."""
        backlog = await self._backlogs.fold(case.id)
        return replace(case, firing=await self._journal.count_firing(case.id)), backlog

    async def _find_flap(self, case: CaseState, policy: Policy, now: float) -> Flap | None:
        """Whether the case flaps; the journal keeps that its incident was told."""
        flap = None
        if policy.flapping is not None:
            after = min(now, case.flaps_until or now) - 2 * policy.flapping.within
            changes = await self._journal.fetch_changes(case.id, after)
            flap = decide_flapping(changes, policy.flapping, case.flaps_until, now)
        told_until = flap.until if flap and flap.told else 0.0
        if told_until != case.flaps_until:
            await self._journal.change(case.id, flaps_until=told_until)
        return flap

    def _rest(self, case: CaseState, rest_s: float) -> None:
        now = self._monotonic()
        if len(self._rests) >= _MOST_RESTS:
            self._rests = {case_id: until for case_id, until in self._rests.items() if until > now}
        self._rests[case.id] = now + rest_s

    def _spawn(self, job: Job, incident: Incident | None, candidates: list[Incident]) -> None:
        case = job.situation.case
        self._keep(asyncio.create_task(self._work(job, incident, candidates), name=f"case-{case.digest}"), {case.id})

    def _spawn_looks(self, looks: list[Attempt]) -> None:
        self._keep(asyncio.create_task(self._look(looks), name="looks"), {attempt.case_id for attempt in looks})

    def _keep(self, task: asyncio.Task[None], case_ids: set[int]) -> None:
        """No other task works on these cases until this one has ended."""
        for case_id in case_ids:
            self._tasks[case_id] = task
            task.add_done_callback(partial(self._ended, case_id))

    def _ended(self, case_id: int, task: asyncio.Task[None]) -> None:
        if task.cancelled() or not task.exception():
            del self._tasks[case_id]
        self.wake()

    async def _work(self, job: Job, incident: Incident | None, candidates: list[Incident]) -> None:
        """One step of one case, on what was just read."""
        try:
            await self._take_step(job, incident, candidates)
        except JournalFullError as error:
            await self._wait_for_space(error)
        except ExpressionError as error:
            await self._park(job.situation.case, Park("text_failed", f"a text of its route failed: {error}"))

    async def _take_step(self, job: Job, incident: Incident | None, candidates: list[Incident]) -> None:
        if incident is None and candidates:
            job, incident = await self._adopt(job, candidates)
        if incident is not None:
            job = await self._respect(job, incident)
        situation = job.situation
        step = plan(situation, incident)
        if isinstance(step, Wait):
            self._rest(situation.case, min(step.until - situation.now, _REST_S))
        if isinstance(step, Idle | Wait | Drop | Park):
            await self._settle_step(situation, step)
            return
        if isinstance(job.org, UnknownOrganization) and incident is None:
            await self._park(situation.case, Park(job.org.reason, job.org.detail))
            return
        if incident is not None and step.reason == "way_closed":
            self._alarms.raise_("resolve_way_closed", incident=incident.ref, status=incident.status)
        org = job.org if isinstance(job.org, int) else None
        if step.through < situation.backlog.last_seq:  # it tells what it settles, and no more
            told = await self._backlogs.fold_through(situation.case.id, step.through)
            situation = replace(situation, backlog=told)
        case = situation.case
        storm = await self._journal.fetch_storm_count(case.id, step.through) if case.storm else None
        amid = None
        if isinstance(step, Create) and situation.policy.storm and not case.storm:
            amid = await self._journal.fetch_umbrella(case)
        refused = self._references.is_refused
        composer = Composer(situation, job.style, self._new_token(), refused, job.finding, storm, amid)
        order = composer.compose(step, incident, org)
        if self._shadow.covers(job.style):
            await self._shadow.keep(order, incident)
        else:
            await self._sender.send(order)

    async def _adopt(self, job: Job, candidates: list[Incident]) -> tuple[Job, Incident]:
        """The journal does not know the case's incident, but iTop has it: ongoing first, then the latest."""
        ongoing = [each for each in candidates if each.phase is Phase.ONGOING]
        chosen = min(ongoing, key=lambda each: each.id) if ongoing else max(candidates, key=lambda each: each.id)
        if len(candidates) > 1:
            refs = sorted(each.ref for each in candidates)
            self._alarms.raise_("incident_twin", case=job.situation.case.digest, incident=chosen.ref, twin=refs)
        case_id = job.situation.case.id
        await self._journal.change(case_id, incident=chosen.id, ref=chosen.ref, urgency=None)
        log.info("incident.adopted", case=job.situation.case.digest, incident=chosen.ref)
        case = replace(job.situation.case, incident=chosen.id, ref=chosen.ref, urgency=None)
        return replace(job, situation=replace(job.situation, case=case)), chosen

    async def _respect(self, job: Job, incident: Incident) -> Job:
        """Take note of what people did: an incident that they resolved or closed settles the alerts it was told of."""
        case = job.situation.case
        if incident.phase is Phase.ONGOING:
            if not case.resolved:
                return job
            await self._journal.change(case.id, resolved=0)  # a person reopened it
        elif _is_ours(case, incident):
            return job
        else:
            theirs = await self._journal.mark_handled(case.id, _dealt_at(incident))
            if theirs:
                log.info("alerts.handled_by_person", case=case.digest, incident=incident.ref)
            if case.resolved:
                await self._journal.change(case.id, resolved=0)
            elif not theirs:
                return job
        case, backlog = await self._fold(await self._journal.fetch_case(case.id))
        return replace(job, situation=replace(job.situation, case=case, backlog=backlog))

    async def _settle_step(self, situation: Situation, step: Step) -> None:
        """Carry out a step that needs no call."""
        case, backlog = situation.case, situation.backlog
        if isinstance(step, Idle):
            await self._journal.requeue(case.id)
        elif isinstance(step, Wait):
            await self._journal.defer(case.id, step.until, backlog.last_seq)
        elif isinstance(step, Drop):
            await self._journal.settle(Settlement(case.id, step.through, "dropped", step.reason))
            log.info("intents.dropped", case=case.digest, incident=case.ref, alerts=backlog.count, reason=step.reason)
            if step.reason in ("log_budget", "log_full"):
                self._alarms.raise_(step.reason, incident=case.ref)
        elif isinstance(step, Park):
            await self._park(case, step)

    async def _park(self, case: CaseState, step: Park) -> None:
        await self._journal.park(case.id, step.reason, step.detail, None)
        log.error("case.parked", case=case.digest, incident=case.ref, reason=step.reason, detail=step.detail)
        self._alarms.raise_("case_parked", case=case.digest, reason=step.reason)


def _by_class(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.situation.iclass, []).append(job)
    return groups


def _is_ours(case: CaseState, incident: Incident) -> bool:
    """True if we resolved it, and nobody has reopened, resolved or closed it since."""
    return case.resolved and incident.phase is Phase.RESOLVED and incident.resolution_date == case.resolution


def _dealt_at(incident: Incident) -> float | None:
    """Until when it was told of alerts that were a person's to judge; None: of all that it was told of."""
    return None if incident.phase is Phase.CLOSED else incident.resolved_at


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
