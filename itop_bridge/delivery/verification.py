"""Looking for tokens: what became of the writes whose outcome is not known, and whether what was written stayed."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from itop_bridge.crash_point import pass_point
from itop_bridge.delivery.attempt import Sender
from itop_bridge.delivery.identity import Claim, Identities
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.look import Absent, Finding, GivenUp, Kept, Lost, Proved, decide_finding
from itop_bridge.delivery.operation import Script, describe_append, own_agent, text_key
from itop_bridge.delivery.reading import Reader, TokenSearch
from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.style import Styles
from itop_bridge.delivery.text import token_line
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.itop.error import ConditionError, PermanentError
from itop_bridge.itop.gate import Gate
from itop_bridge.journal.case import Attempt, CaseState, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.log import Alarms

log = structlog.get_logger(__name__)


class Verification:
    """Settles attempts by their tokens, many in one call. Its methods raise ITopError if iTop does not answer."""

    def __init__(  # noqa: PLR0913 - the collaborators that delivery composes
        self,
        journal: DeliveryJournal,
        gate: Gate,
        alarms: Alarms,
        *,
        reader: Reader,
        sender: Sender,
        references: References,
        styles: Styles,
        server_clock: ServerClock,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._reader = reader
        self._identities = Identities(reader)
        self._sender = sender
        self._references = references
        self._styles = styles
        self._server_clock = server_clock
        self._clock = clock
        self._alarms = alarms

    async def settle_looks(self, looks: Sequence[Attempt]) -> None:
        """Look for the tokens whose time has come, and do what follows."""
        cases = await self._journal.fetch_cases(_cases_of(looks))
        searches = [s for attempt in looks if (s := await self._search(attempt, cases[attempt.case_id]))]
        found = await self._reader.find_tokens(searches)
        pass_point("delivery.looked")
        missing = [attempt for attempt in looks if attempt.incident and attempt.token not in found]
        visible = await self._find_visible(missing, cases)

        def decide(attempt: Attempt, case: CaseState) -> Finding:
            return decide_finding(attempt, found.get(attempt.token), case, visible=attempt.id in visible)

        # nearly all of them, and of those that wait behind: in one commit
        kept = {attempt.id for attempt in looks if isinstance(decide(attempt, cases[attempt.case_id]), Kept)}
        await self._journal.confirm(kept)
        for attempt in looks:
            if attempt.id not in kept:
                case = await self._journal.fetch_case(attempt.case_id)  # the look before this one may have settled it
                await self._follow(decide(attempt, case), attempt, case, found.get(attempt.token))

    async def settle_late(self, cases: Iterable[CaseState]) -> set[int]:
        """Every token that a pending intent was sent under is looked for before the intent is planned again: a write
        that was given up may have landed since. Returns the ids of the cases of which one has."""
        known = {case.id: case for case in cases}
        given_up = [attempt for case in known.values() for attempt in case.attempts if attempt.state == "absent"]
        searches = [s for attempt in given_up if (s := await self._search(attempt, known[attempt.case_id]))]
        found = await self._reader.find_tokens(searches)
        late = [attempt for attempt in given_up if attempt.token in found]
        for attempt in late:
            await self._settle_proved(attempt, await self._journal.fetch_case(attempt.case_id), found[attempt.token])
        return {attempt.case_id for attempt in late}

    async def _search(self, attempt: Attempt, case: CaseState) -> TokenSearch | None:
        """None for a create of an organisation that is not there (any more): nothing of it can be seen."""
        writing = await self._styles.find_writing(case.profile)
        org = None if attempt.incident else await self._references.find_organization(case.organization)
        if isinstance(org, UnknownOrganization):
            return None
        log_only = attempt.state == "applied"
        return TokenSearch(writing.iclass, writing.log, attempt.token, attempt.incident, org, log_only=log_only)

    async def _find_visible(self, attempts: Sequence[Attempt], cases: Mapping[int, CaseState]) -> set[int]:
        """The attempts whose incident iTop shows, and as the case's own."""
        claims: dict[int, Claim] = {}
        writings = {case_id: await self._styles.find_writing(cases[case_id].profile) for case_id in _cases_of(attempts)}
        for iclass in {writing.iclass for writing in writings.values()}:
            own = [attempt for attempt in attempts if writings[attempt.case_id].iclass == iclass]
            shown = await self._reader.fetch_incidents(iclass, (attempt.incident or 0 for attempt in own))
            for attempt in own:
                if incident := shown.get(attempt.incident or 0):
                    claims[attempt.id] = Claim(cases[attempt.case_id], writings[attempt.case_id], incident)
        foreign = await self._identities.find_foreign(claims.values())
        return {attempt_id for attempt_id, claim in claims.items() if (claim.case.id, claim.incident.id) not in foreign}

    async def _follow(self, finding: Finding, attempt: Attempt, case: CaseState, found: Incident | None) -> None:
        if isinstance(finding, GivenUp):
            log.error("attempt.given_up", case=case.digest, incident=case.ref, attempt=attempt.id)
            await self._journal.record_lost(attempt)
        elif isinstance(finding, Kept):
            await self._journal.confirm([attempt.id])
        elif isinstance(finding, Lost):
            await self._rewrite(attempt, case)
        elif isinstance(finding, Absent):
            facts = {"case": case.digest, "incident": case.ref, "attempt": attempt.id, "kind": attempt.kind}
            log.info("attempt.absent", **facts, route=await self._styles.find_route(case.profile))
            await self._journal.settle_attempt(attempt.id, "absent", look=finding.look)
            await self._journal.requeue(case.id)
        elif found and isinstance(finding, Proved):
            await self._settle_proved(attempt, case, found)
        elif found:
            await self._note_twin(attempt, case, found)

    async def _settle_proved(self, attempt: Attempt, case: CaseState, found: Incident) -> None:
        if self._server_clock.estimate(found.last_update, attempt.sent, self._clock()):
            await self._journal.record_server_offset(self._server_clock.offset_s)
        changes = dict(attempt.effect)
        if attempt.kind == "create":
            writing = await self._styles.find_writing(case.profile)
            changes |= {"incident": found.id, "ref": found.ref, "agent": own_agent(writing, found)}
        if attempt.kind == "resolve":
            changes["resolution"] = found.resolution_date
        alerts = await self._journal.count_pending(case.id, through=attempt.through)
        await self._journal.settle(
            Settlement(case.id, attempt.through, "delivered", attempt.kind, attempt.id, "confirmed", None, changes)
        )
        facts = {"case": case.digest, "incident": found.ref, "attempt": attempt.id}
        log.info("attempt.verified", **facts, kind=attempt.kind)
        if attempt.kind == "create":
            facts |= {"route": await self._styles.find_route(case.profile), "alerts": alerts}
            log.info("incident.created", **facts, urgency=changes.get("urgency", case.urgency), verified=True)

    async def _note_twin(self, attempt: Attempt, case: CaseState, found: Incident) -> None:
        """The journal's own incident wins; a person decides about the other. Both say so."""
        self._alarms.raise_("incident_twin", case=case.digest, incident=case.ref, twin=[found.ref])
        for incident, text in (
            (found.id, f"iTop carried this incident's creation out late: the bridge goes on in {case.ref}."),
            (case.incident or 0, f"{found.ref} was created late for the same case; the bridge does not use it."),
        ):
            await self._note(attempt, case, incident, text)
        await self._journal.settle_attempt(attempt.id, "confirmed", look=None, detail=f"twin {found.ref}")

    async def _note(self, attempt: Attempt, case: CaseState, incident: int, text: str) -> None:
        """A log entry, unless it is there."""
        token = attempt.token + "-twin"
        script = Script(entry=f"{text}\n{token_line(token)}")
        writing = await self._styles.find_writing(case.profile)
        key = text_key(writing.iclass, incident, writing.log, token)
        try:
            await self._gate.call(describe_append(writing, key, script, None))
        except ConditionError:
            pass  # it is there
        except PermanentError as error:  # the alarm tells of the twin all the same
            facts = {"case": case.digest, "incident": case.ref, "attempt": attempt.id}
            log.warning("attempt.failed", **facts, reason="twin_not_noted", detail=str(error)[:500])

    async def _rewrite(self, attempt: Attempt, case: CaseState) -> None:
        log.warning("attempt.lost", case=case.digest, incident=case.ref, attempt=attempt.id)
        writing = await self._styles.find_writing(case.profile)
        key = text_key(writing.iclass, attempt.incident or 0, writing.log, attempt.token)
        await self._sender.rewrite(attempt, case, describe_append(writing, key, Script(entry=attempt.message), None))


def _cases_of(attempts: Iterable[Attempt]) -> set[int]:
    return {attempt.case_id for attempt in attempts}
