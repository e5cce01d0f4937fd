"""What iTop has of the cases of a round: read together, so that one call serves many."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from itop_bridge.delivery.asset import parse_search
from itop_bridge.delivery.enrichment import Enrichment
from itop_bridge.delivery.identity import Claim, Identities
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.job import Job
from itop_bridge.delivery.reading import Lookup, Reader
from itop_bridge.delivery.reference import References
from itop_bridge.delivery.shadow import Shadow
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.shadow import is_shadow


@dataclass(frozen=True, slots=True)
class Seen:
    """A case, and its incident."""

    job: Job
    incident: Incident | None
    candidates: Sequence[Incident] = ()
    """Where the journal knows none: those of iTop that have the case's key."""


class Sight:
    """Reads for a round. Raises ITopError."""

    def __init__(self, reader: Reader, references: References, enrichment: Enrichment, shadow: Shadow) -> None:
        self._reader = reader
        self._identities = Identities(reader)
        self._references = references
        self._enrichment = enrichment
        self._shadow = shadow

    async def see(self, jobs: Sequence[Job]) -> AsyncIterator[Seen]:
        """Each case of one class as soon as all is known that its step may need: first those whose incident is open."""
        incidents = await self._read(jobs)
        others = []
        for job in jobs:
            incident = incidents.get(job.situation.case.id)
            if incident is not None and incident.phase is Phase.ONGOING:
                yield Seen(job, incident)
            else:
                others.append(job)
        for job, candidates in await self._look_further(others):
            yield Seen(job, incidents.get(job.situation.case.id), candidates)

    async def _look_further(self, jobs: list[Job]) -> list[tuple[Job, Sequence[Incident]]]:
        """Those that may need another incident: in which organisation, and is there one already?"""
        jobs = [replace(j, org=await self._references.find_organization(j.situation.case.organization)) for j in jobs]
        found = await self._look_up(jobs)
        return [(job, found.get(job.situation.case.id, ())) for job in await self._enrich(jobs)]

    async def _read(self, jobs: Sequence[Job]) -> dict[int, Incident]:
        """The known incidents, by case. What iTop shows under the number of one may be another's."""
        ids = [job.situation.case.incident for job in jobs if job.situation.case.incident is not None]
        shown = await self._shadow.fetch_incidents(ids)
        if real := [each for each in ids if not is_shadow(each)]:
            shown |= await self._reader.fetch_incidents(jobs[0].situation.iclass, real)
        known = [(job, shown[key]) for job in jobs if (key := job.situation.case.incident or 0) in shown]
        foreign = await self._identities.find_foreign(
            Claim(job.situation.case, job.style.profile.writing, incident)
            for job, incident in known
            if not is_shadow(incident.id)
        )
        own = [(job.situation.case.id, incident) for job, incident in known]
        return {case_id: incident for case_id, incident in own if (case_id, incident.id) not in foreign}

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
