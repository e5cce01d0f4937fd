"""The worker: takes the cases whose turn it is, reads them together, and carries out one step of each."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import structlog

from itop_bridge.delivery.attempt import FULL_S, Pace, Sender
from itop_bridge.delivery.composer import Composer, Style
from itop_bridge.delivery.failure import MOST_FAILURES
from itop_bridge.delivery.fold import Backlog, fold
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.look import Absent, Kept, Lost, Proved, decide_finding
from itop_bridge.delivery.operation import Script, describe_append, text_key
from itop_bridge.delivery.plan import Drop, Idle, Park, Situation, Step, Wait, plan, plan_unread
from itop_bridge.delivery.reading import Lookup, Reader, TokenSearch
from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.text import Pen
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.errors import JournalFullError
from itop_bridge.itop.error import ITopError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.delivery import LOOK_TOGETHER_S, Attempt, CaseState, DeliveryJournal, Settlement
from itop_bridge.journal.profile import parse_profile
from itop_bridge.log import Alarms

log = structlog.get_logger(__name__)

_MOST_LOOKS = 200
_MOST_STYLES = 200
_LONGEST_PAUSE_S = 60.0
_READ_REFUSED_S = 30.0
_EXPIRE_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """A case in a round."""

    situation: Situation
    style: Style
    org: int | UnknownOrganization | None = None
    """Known for a case that has no incident yet, or needs another."""


class Delivery:
    """Carries out what the journal owes, one call in flight per case."""

    def __init__(
        self,
        journal: DeliveryJournal,
        gate: Gate,
        alarms: Alarms,
        pace: Pace,
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._alarms = alarms
        self._pace = pace
        self._clock = pace.clock
        self._monotonic = pace.monotonic
        self._sleep = pace.sleep
        self._expire_at = 0.0
        self._new_token = new_token
        self._server_clock = ServerClock()
        self._reader = Reader(gate, self._server_clock, pace.monotonic)
        self._references = References(gate, pace.monotonic)
        self._sender = Sender(journal, gate, self._server_clock, alarms, pace, self._references.refuse)
        self._styles: dict[str, Style] = {}
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
        found = await self._journal.recover(now + self._pace.server_time_limit_s, now + 86_400.0)
        if found:
            log.warning("attempts.unknown", attempts=found, look_in_s=self._pace.server_time_limit_s)

    async def release(self) -> None:
        """The configuration changed, or a person mended something: try the parked cases once more."""
        if released := await self._journal.release_parked():
            self._alarms.clear("case_parked")
            log.info("case.released", cases=released)
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then finish the calls in flight. A task that fails by a bug ends the daemon."""
        stopping = asyncio.create_task(stop.wait(), name="delivery-stop")
        try:
            while not stop.is_set():
                await _first(stopping, self._gate.wait_open())
                if not stop.is_set() and not await self._turn():
                    await self._pause(stopping)
        finally:
            stopping.cancel()
            await self.finish()

    async def _expire(self) -> None:
        now = self._monotonic()
        if now < self._expire_at:
            return
        if expired := await self._journal.expire_firing():
            log.info("alerts.expired", alerts=expired)
        self._expire_at = now + _EXPIRE_EVERY_S

    async def finish(self) -> None:
        """Wait for the calls in flight and what they settle."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())

    async def step(self) -> bool:
        """One round: look for tokens, read what is due, start a task per case. False if nothing was due."""
        self._raise_bugs()
        self._wake.clear()
        looks = [a for a in await self._fetch_looks() if a.case_id not in self._tasks]
        cases = await self._fetch_cases({attempt.case_id for attempt in looks})
        if not looks and not cases:
            return False
        try:
            await self._settle_looks(looks)
            await self._start(cases)
        except ITopError as error:
            await self._read_failed(error)
        return True

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
        self._alarms.raise_("journal_full", detail=str(error))
        await self._sleep(FULL_S)

    async def _fetch_looks(self) -> list[Attempt]:
        """The looks that are due, once the first has waited for others to share its call."""
        looks = await self._journal.fetch_looks(_MOST_LOOKS)
        ripe = looks and (looks[0].look or 0.0) + LOOK_TOGETHER_S <= self._clock()
        return looks if ripe else []

    async def _fetch_cases(self, looked: set[int]) -> list[CaseState]:
        free = self._most - len(self._tasks)
        if free < self._most / 2:
            return []  # so that one read serves many
        cases = await self._journal.fetch_due(self._most + len(self._tasks) + len(looked))
        return [case for case in cases if case.id not in self._tasks and case.id not in looked][:free]

    async def _pause(self, stopping: asyncio.Task[Literal[True]]) -> None:
        due = await self._journal.next_due()
        wait_s = _LONGEST_PAUSE_S if due is None else min(max(due - self._clock(), 0.0), _LONGEST_PAUSE_S)
        if self._tasks:
            wait_s = max(wait_s, 1.0)  # cases in work are due too: their end wakes us
        await _first(stopping, self._wake.wait(), timeout_s=max(wait_s, 0.02))

    async def _read_failed(self, error: ITopError) -> None:
        log.warning("itop.read_failed", reason=str(error)[:500])
        if self._gate.is_open:
            # iTop answers, and refuses the question: asking faster does not help
            self._alarms.raise_("itop_read_refused", detail=str(error)[:300])
            self._gate.pause_for(_READ_REFUSED_S)

    def _raise_bugs(self) -> None:
        for task in list(self._tasks.values()):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    # looks

    async def _settle_looks(self, looks: list[Attempt]) -> None:
        if not looks:
            return
        cases = {a.case_id: await self._journal.fetch_case(a.case_id) for a in looks}
        searches = await self._searches([(attempt, cases[attempt.case_id]) for attempt in looks])
        found = await self._reader.find_tokens(searches)
        visible = await self._fetch_visible([s for s in searches if s.incident and s.token not in found])
        for attempt in looks:
            incident = found.get(attempt.token)
            await self._settle_look(attempt, cases[attempt.case_id], incident, visible=attempt.incident in visible)

    async def _searches(self, attempts: list[tuple[Attempt, CaseState]]) -> list[TokenSearch]:
        """A create of an organisation that is not there (any more) is left out: nothing of it can be seen."""
        searches: list[TokenSearch] = []
        for attempt, case in attempts:
            writing = (await self._style(case.profile)).profile.writing
            org = None if attempt.incident else await self._references.find_organization(case.organization)
            if not isinstance(org, UnknownOrganization):
                searches.append(TokenSearch(writing.iclass, writing.log, attempt.token, attempt.incident, org))
        return searches

    async def _find_late(self, jobs: list[Job]) -> list[Job]:
        """Every token that a pending intent was sent under is looked for before the intent is planned again: a write
        that was given up may have landed since. Returns the jobs of which none has."""
        given_up = [(a, job.situation.case) for job in jobs for a in job.situation.case.attempts if a.state == "absent"]
        found = await self._reader.find_tokens(await self._searches(given_up))
        late = {case.id for attempt, case in given_up if attempt.token in found}
        for attempt, case in given_up:
            if attempt.token in found:
                await self._settle_proved(attempt, case, found[attempt.token])
        return [job for job in jobs if job.situation.case.id not in late]

    async def _fetch_visible(self, missing: list[TokenSearch]) -> set[int]:
        visible: set[int] = set()
        for iclass in {search.iclass for search in missing}:
            ids = [search.incident for search in missing if search.iclass == iclass and search.incident]
            visible |= (await self._reader.fetch_incidents(iclass, ids)).keys()
        return visible

    async def _settle_look(self, attempt: Attempt, case: CaseState, found: Incident | None, *, visible: bool) -> None:
        finding = decide_finding(attempt, found, case_incident=case.incident, visible=visible)
        if isinstance(finding, Kept):
            await self._journal.settle_attempt(attempt.id, "confirmed", look=None)
        elif isinstance(finding, Lost):
            await self._rewrite(attempt, case)
        elif isinstance(finding, Absent):
            log.info("attempt.absent", case=case.digest, attempt=attempt.id, kind=attempt.kind)
            await self._journal.settle_attempt(attempt.id, "absent", look=finding.look)
            await self._journal.requeue(case.id)
        elif found and isinstance(finding, Proved):
            await self._settle_proved(attempt, case, found)
        elif found:
            await self._note_twin(attempt, case, found)

    async def _settle_proved(self, attempt: Attempt, case: CaseState, found: Incident) -> None:
        changes = dict(attempt.effect)
        if attempt.kind == "create":
            changes |= {"incident": found.id, "ref": found.ref, "agent": found.agent}
        await self._journal.settle(
            Settlement(case.id, attempt.through, "delivered", attempt.kind, attempt.id, "confirmed", None, changes)
        )
        log.info("attempt.verified", case=case.digest, incident=found.ref, attempt=attempt.id, kind=attempt.kind)

    async def _note_twin(self, attempt: Attempt, case: CaseState, found: Incident) -> None:
        """The journal's own incident wins; a person decides about the other. Both say so."""
        await self._journal.settle_attempt(attempt.id, "confirmed", look=None, detail=f"twin {found.ref}")
        self._alarms.raise_("incident_twin", case=case.digest, incident=case.ref, twin=found.ref)
        writing = (await self._style(case.profile)).profile.writing
        own = case.incident or 0
        for incident, text in (
            (found.id, f"iTop carried this incident's creation out late: the bridge goes on in {case.ref}."),
            (own, f"{found.ref} was created late for the same case; the bridge does not use it."),
        ):
            key = text_key(writing.iclass, incident, writing.log, attempt.token + "-twin")
            await self._gate.call(
                describe_append(writing, key, Script(entry=f"{text}\n[sb:{attempt.token}-twin]"), None)
            )

    async def _rewrite(self, attempt: Attempt, case: CaseState) -> None:
        log.warning("attempt.lost", case=case.digest, incident=case.ref, attempt=attempt.id)
        writing = (await self._style(case.profile)).profile.writing
        key = text_key(writing.iclass, attempt.incident or 0, writing.log, attempt.token)
        await self._sender.rewrite(attempt, describe_append(writing, key, Script(entry=attempt.message), None))

    # cases

    async def _start(self, cases: list[CaseState]) -> None:
        jobs = [job for case in cases if (job := await self._survey(case))]
        jobs = await self._find_late(jobs)
        if not jobs:
            return
        incidents = await self._read(jobs)
        jobs = [await self._find_org(job, incidents.get(job.situation.case.id)) for job in jobs]
        found = await self._look_up(jobs)
        for job in jobs:
            case_id = job.situation.case.id
            work = self._work(job, incidents.get(case_id), found.get(case_id, []))
            task = asyncio.create_task(work, name=f"case-{job.situation.case.digest}")
            self._tasks[case_id] = task
            task.add_done_callback(partial(self._ended, case_id))

    def _ended(self, case_id: int, task: asyncio.Task[None]) -> None:
        if task.cancelled() or not task.exception():
            del self._tasks[case_id]
        self.wake()

    async def _survey(self, case: CaseState) -> Job | None:
        """The case with its backlog folded; None if its step needs no look at iTop and is done."""
        style = await self._style(case.profile)
        backlog = await self._journal.fold_pending(case.id, fold, Backlog())
        profile = style.profile
        situation = Situation(case, backlog, profile.policy, profile.writing.iclass, self._clock())
        step = plan_unread(situation)
        if step is None and case.failures >= MOST_FAILURES:
            step = Park("poison", f"the call failed {case.failures} times while iTop answered others")
        if step is None:
            return Job(situation, style)
        await self._settle_step(situation, step)
        return None

    async def _read(self, jobs: list[Job]) -> dict[int, Incident]:
        """The known incidents, by case."""
        by_class: dict[str, list[Job]] = {}
        for job in jobs:
            if job.situation.case.incident is not None:
                by_class.setdefault(job.situation.iclass, []).append(job)
        shown: dict[int, Incident] = {}
        for iclass, group in by_class.items():
            incidents = await self._reader.fetch_incidents(
                iclass, [job.situation.case.incident for job in group if job.situation.case.incident]
            )
            shown |= {
                job.situation.case.id: incidents[job.situation.case.incident]
                for job in group
                if job.situation.case.incident in incidents
            }
        return shown

    async def _find_org(self, job: Job, incident: Incident | None) -> Job:
        if incident is not None and incident.phase is Phase.ONGOING:
            return job
        return replace(job, org=await self._references.find_organization(job.situation.case.organization))

    async def _look_up(self, jobs: list[Job]) -> dict[int, list[Incident]]:
        """For cases that have no incident: those whose title begins with the case's key."""
        lookups = {
            job.situation.case.id: Lookup(
                job.situation.iclass, job.org, job.style.pen.title_head(job.situation.case.digest)
            )
            for job in jobs
            if job.situation.case.incident is None and job.situation.backlog.opens and isinstance(job.org, int)
        }
        if not lookups:
            return {}
        found = await self._reader.find_by_key(list(lookups.values()))
        return {case_id: found[lookup] for case_id, lookup in lookups.items() if found[lookup]}

    async def _work(self, job: Job, incident: Incident | None, candidates: list[Incident]) -> None:
        """One step of one case, on what was just read."""
        try:
            await self._take_step(job, incident, candidates)
        except JournalFullError as error:
            await self._wait_for_space(error)

    async def _take_step(self, job: Job, incident: Incident | None, candidates: list[Incident]) -> None:
        if incident is None and candidates:
            job, incident = await self._adopt(job, candidates)
        if incident is not None:
            job = await self._respect(job, incident)
        situation = job.situation
        step = plan(situation, incident)
        if isinstance(step, Idle | Wait | Drop | Park):
            await self._settle_step(situation, step)
            return
        if isinstance(job.org, UnknownOrganization) and incident is None:
            await self._settle_step(situation, Park(job.org.reason, job.org.detail))
            return
        if incident is not None and step.reason == "way_closed":
            self._alarms.raise_("resolve_way_closed", incident=incident.ref, status=incident.status)
        org = job.org if isinstance(job.org, int) else None
        composer = Composer(situation, job.style, self._new_token(), self._references.is_refused)
        await self._sender.send(composer.compose(step, incident, org))

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
        elif case.resolved and incident.phase is Phase.RESOLVED:
            return job  # nobody but us has done anything
        elif not case.firing or not await self._journal.mark_handled(case.id):
            return job
        else:
            log.info("alerts.handled_by_person", case=case.digest, incident=incident.ref)
        case = await self._journal.fetch_case(case.id)
        backlog = await self._journal.fold_pending(case.id, fold, Backlog())
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
            await self._journal.park(case.id, step.reason, step.detail, None)
            log.error("case.parked", case=case.digest, incident=case.ref, reason=step.reason, detail=step.detail)
            self._alarms.raise_("case_parked", case=case.digest, reason=step.reason)

    async def _style(self, profile: str) -> Style:
        style = self._styles.get(profile)
        if style is None:
            parsed = parse_profile(await self._journal.fetch_profile(profile))
            style = Style(parsed, Pen.of(parsed.writing))
            if len(self._styles) >= _MOST_STYLES:
                self._styles.clear()
            self._styles[profile] = style
        return style


async def _first(
    stopping: asyncio.Task[Literal[True]], waiting: Awaitable[object], *, timeout_s: float | None = None
) -> None:
    """Wait for `waiting`, for the stop, or for the time."""
    task = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait({stopping, task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ITopError):  # a gate that is stopped says so by an error
            await task
