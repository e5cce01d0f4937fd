"""The way of one case through a round: its backlog folded, a step decided on what was read, and carried out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from itop_bridge.delivery.attempt import Sender
from itop_bridge.delivery.backlog import Backlogs
from itop_bridge.delivery.composer import Composer, Write
from itop_bridge.delivery.failure import MOST_FAILURES
from itop_bridge.delivery.flapping import Flap, decide_flapping
from itop_bridge.delivery.fold import Backlog
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.job import Job
from itop_bridge.delivery.plan import Create, Drop, Idle, Park, Situation, Step, Wait, plan, plan_unread
from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.rest import Rests
from itop_bridge.delivery.shadow import Shadow
from itop_bridge.delivery.sight import Seen
from itop_bridge.delivery.style import Styles
from itop_bridge.errors import ExpressionError
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.case import CaseState, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.policy import Policy

log = structlog.get_logger(__name__)

_REST_S = 5.0
"""A case that was read, and must wait, is not read again before."""


class Casework:
    """Takes cases up, and carries out their steps."""

    def __init__(  # noqa: PLR0913 - what delivery shares among its parts
        self,
        journal: DeliveryJournal,
        alarms: Alarms,
        sender: Sender,
        *,
        styles: Styles,
        references: References,
        shadow: Shadow,
        rests: Rests,
        new_token: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._alarms = alarms
        self._sender = sender
        self._styles = styles
        self._references = references
        self._backlogs = Backlogs(journal)
        self._shadow = shadow
        self._rests = rests
        self._new_token = new_token
        self._clock = clock

    async def take_up(self, case: CaseState) -> Job | None:
        """The case with its backlog folded; None if its step needs no look at iTop and is done."""
        rest_s = self._rests.left_s(case.id)
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

    async def work(self, seen: Seen) -> None:
        """One step of one case, on what was just read. Raises JournalFullError."""
        try:
            await self._take_step(seen)
        except ExpressionError as error:
            await self._park(seen.job.situation.case, Park("text_failed", f"a text of its route failed: {error}"))

    async def _take_step(self, seen: Seen) -> None:
        job, incident = seen.job, seen.incident
        if incident is None and seen.candidates:
            job, incident = await self._adopt(job, seen.candidates)
        if incident is not None:
            job = await self._respect(job, incident)
        situation = job.situation
        step = plan(situation, incident)
        if isinstance(step, Wait):
            self._rests.note(situation.case.id, min(step.until - situation.now, _REST_S))
        if isinstance(step, Idle | Wait | Drop | Park):
            await self._settle_step(situation, step)
            return
        if isinstance(job.org, UnknownOrganization) and incident is None:
            await self._park(situation.case, Park(job.org.reason, job.org.detail))
            return
        if incident is not None and step.reason == "way_closed":
            self._alarms.raise_("resolve_way_closed", incident=incident.ref, status=incident.status)
        await self._write(job, step, incident)

    async def _write(self, job: Job, step: Write, incident: Incident | None) -> None:
        """Put the step in words, and send it; in the shadow, keep it."""
        situation = job.situation
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
        order = composer.compose(step, incident, job.org if isinstance(job.org, int) else None)
        if self._shadow.covers(job.style):
            await self._shadow.keep(order, incident)
        else:
            await self._sender.send(order)

    async def _adopt(self, job: Job, candidates: Sequence[Incident]) -> tuple[Job, Incident]:
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
                route = job.style.profile.route
                log.info("alerts.handled_by_person", case=case.digest, incident=incident.ref, route=route)
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


def _is_ours(case: CaseState, incident: Incident) -> bool:
    """True if we resolved it, and nobody has reopened, resolved or closed it since."""
    return case.resolved and incident.phase is Phase.RESOLVED and incident.resolution_date == case.resolution


def _dealt_at(incident: Incident) -> float | None:
    """Until when it was told of alerts that were a person's to judge; None: of all that it was told of."""
    return None if incident.phase is Phase.CLOSED else incident.resolved_at
