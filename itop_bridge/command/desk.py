"""One incident at a time, without a journal: what commands write, looked up and verified as the daemon does.

Every write carries a token and names the incident as it was read; a write without an answer is looked for, never
repeated; an entry that iTop accepted is looked for again, since another save may overwrite the log. Writes on one case
are serialised between the processes of this host.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from itop_bridge.command.text import Entry, cut_title
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.look import LOOK_AGAIN_S
from itop_bridge.delivery.operation import (
    Script,
    conditional_key,
    describe_append,
    describe_create,
    describe_stimulus,
    name_references,
    text_key,
)
from itop_bridge.delivery.reading import FIELDS, TokenSearch, read_incident
from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.text import token_line
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.errors import BridgeError
from itop_bridge.intent import Writing
from itop_bridge.itop import oql
from itop_bridge.itop.answer import Object
from itop_bridge.itop.error import ConditionError, FieldError, ITopError, StimulusError, UncertainError
from itop_bridge.itop.lifecycle import Phase, reopen_stimulus, resolve_stimulus
from itop_bridge.itop.operation import Operations

T = TypeVar("T")

_ASSUMED = dict.fromkeys(FIELDS.split(","), "") | {"status": "assigned", "operational_status": "ongoing"}
"""What is taken for granted of an incident in a dry run."""
_MOST_READS = 10
_MOST_REWRITES = 3
_FIRST_LOOK_S = 1.0


class OrganizationUnknownError(BridgeError):
    """The organisation is not known to iTop, or not to this user; or there are several."""


class IncidentUnknownError(BridgeError):
    """There is no such incident, or several."""


class IncidentClosedError(BridgeError):
    """The incident's state allows no such change."""


class NotDoneError(BridgeError):
    """iTop did not answer, and shows no trace of the write."""


class OutcomeUnknownError(BridgeError):
    """iTop did not answer, and cannot be asked whether the write was done."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an incident is opened with. `urgency` and `impact` as in iTop, 1 is the most."""

    title: str
    description: str
    """HTML."""
    impact: int
    urgency: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Written:
    """What was done: `verb` is created, updated, reopened, resolved or unchanged."""

    verb: str
    id: int
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a desk stands on, and what tests replace."""

    lock: Callable[[str], AbstractAsyncContextManager[None]]
    """Holds a case, by its name."""
    tell: Callable[[str], None]
    """Says a line to the person who waits."""
    time_limit_s: float = 60.0
    """After this iTop itself has given up a call."""
    is_dry: bool = False
    """Nothing is sent: what iTop would say is not known."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    new_token: Callable[[], str] = lambda: secrets.token_hex(8)


class Desk:
    """Opens, tells and resolves incidents, written as `writing` says."""

    def __init__(self, itop: Operations, writing: Writing, around: Surroundings) -> None:
        self._itop = itop
        self._writing = writing
        self._around = around

    async def find_organization(self, key: int | Mapping[str, str]) -> int:
        """The id of {"code": "EXC"}, {"name": …} or 2. Raises OrganizationUnknownError."""
        ((attribute, value),) = ({"id": str(key)} if isinstance(key, int) else key).items()
        found = await References(self._itop, self._around.clock).find_organization(f"{attribute}:{value}")
        if not isinstance(found, UnknownOrganization):
            return found
        if self._around.is_dry:
            return 0
        raise OrganizationUnknownError(found.detail)

    async def find(self, conditions: Sequence[str]) -> list[Incident]:
        """The incidents that fulfil all the conditions (OQL), in every state, by id."""
        answer = await self._itop.fetch(
            self._writing.iclass, oql.select(self._writing.iclass, oql.all_of(conditions)), FIELDS
        )
        return sorted(map(self._read, answer.objects), key=lambda each: each.id)

    async def find_one(self, conditions: Sequence[str], called: str) -> Incident:
        """The incident that fulfils the conditions; of several the one that is not closed. Raises
        IncidentUnknownError, with the refs to choose from."""
        found = await self.find(conditions)
        if not found and self._around.is_dry:
            return self._read(Object(self._writing.iclass, 0, _ASSUMED, ""))
        if not found:
            raise IncidentUnknownError(f"iTop shows this user no incident {called}")
        chosen = found if len(found) == 1 else [each for each in found if each.phase is not Phase.CLOSED]
        if len(chosen) != 1:
            refs = ", ".join(each.ref for each in chosen or found)
            raise IncidentUnknownError(f"{len(chosen or found)} incidents are {called}: name one of {refs}")
        return chosen[0]

    async def open_or_append(self, org: int, draft: Draft, *, only_new: bool = False) -> Written:
        """Open the organisation's incident of that title, or add to it where there is one that is not closed.

        The urgency of one that there is is raised, never lowered. Of a resolved one the entry reopens it. With
        `only_new` lines that its log holds are left out.
        """
        title = cut_title(draft.title)

        async def write(incident: Incident | None) -> Written:
            if incident is None:
                return await self._create(org, title, draft)
            urgency = draft.urgency if draft.urgency < incident.urgency else None
            entry = await self._only_new(incident, draft.entry) if only_new else draft.entry
            return await self._append(incident, entry, urgency)

        async with self._around.lock(_case(org, title)):
            return await self._retry(lambda: self._find_own(org, title), write)

    async def append(
        self, incident: Incident, entry: Entry, *, only_new: bool = False, fields: Mapping[str, Any] | None = None
    ) -> Written:
        """Add to an incident's log, and set `fields` with it; a resolved or closed one stays so."""

        async def write(now: Incident) -> Written:
            told = await self._only_new(now, entry) if only_new else entry
            return await self._append(now, told, None, reopen=False, fields=fields)

        async with self._around.lock(_case(incident.org, incident.title)):
            return await self._retry(lambda: self._read_again(incident), write)

    async def resolve(self, incident: Incident, entry: Entry, solution: str) -> Written:
        """Resolve an incident, by the stimulus that its state takes. One that is resolved already is left as it is,
        but for the entry. Raises IncidentClosedError if its state takes none."""

        async def write(now: Incident) -> Written:
            if now.phase is Phase.RESOLVED:
                self._around.tell(f"{now.ref} is resolved already")
                return await self._append(now, entry, None, reopen=False)
            return await self._resolve(now, entry, solution)

        async with self._around.lock(_case(incident.org, incident.title)):
            return await self._retry(lambda: self._read_again(incident), write)

    # reading

    async def _retry(self, read: Callable[[], Awaitable[T]], write: Callable[[T], Awaitable[Written]]) -> Written:
        """Write on what was read; read again if it changed in between."""
        for _ in range(_MOST_READS - 1):
            try:
                return await write(await read())
            except ConditionError:
                await self._around.sleep(LOOK_AGAIN_S)
            except StimulusError as error:
                if error.missing:
                    raise
                await self._around.sleep(LOOK_AGAIN_S)
        return await write(await read())

    async def _find_own(self, org: int, title: str) -> Incident | None:
        """The organisation's incident of that title: an ongoing one first, then the oldest; none that is closed."""
        found = await self.find([f"org_id = {org}", oql.equals("title", title), "operational_status != 'closed'"])
        # iTop's equality ignores accents too: compared again here
        own = [each for each in found if each.title.strip().casefold() == title.casefold()]
        own = [each for each in own if each.phase is not Phase.CLOSED]
        own.sort(key=lambda each: (each.phase is not Phase.ONGOING, each.id))
        if len(own) > 1:
            self._around.tell(f"{len(own)} incidents have this title: {', '.join(each.ref for each in own)}; the first")
        return own[0] if own else None

    async def _read_again(self, incident: Incident) -> Incident:
        if self._around.is_dry:
            return incident
        found = await self.find([f"id = {incident.id}"])
        if not found:
            raise IncidentUnknownError(f"{incident.ref} is gone, or moved out of this user's sight")
        return found[0]

    async def _only_new(self, incident: Incident, entry: Entry) -> Entry:
        log = self._writing.log
        answer = await self._itop.fetch(self._writing.iclass, incident.id, f"id,{log}")
        return entry.only_new(_messages(shown.fields.get(log)) for shown in answer.objects)

    def _read(self, shown: Object) -> Incident:
        return read_incident(shown, ServerClock())

    # writing

    async def _create(self, org: int, title: str, draft: Draft) -> Written:
        token = self._around.new_token()
        search = TokenSearch(self._writing.iclass, self._writing.log, token, incident=None, org=org)

        async def send(references: Mapping[str, str]) -> Written:
            operation = describe_create(
                self._writing,
                Script(title, draft.description),
                org=org,
                impact=draft.impact,
                urgency=draft.urgency,
                references=references,
            )
            return Written("created", *await self._send(operation, draft.entry, token, search))

        return await self._with_references(send, set())

    async def _with_references(
        self, send: Callable[[Mapping[str, str]], Awaitable[Written]], left_out: set[str]
    ) -> Written:
        """Send with the references that the writing names; one that iTop refuses is left out, and told."""
        while True:
            try:
                return await send(name_references(self._writing, leave_out=frozenset(left_out)))
            except FieldError as error:
                optional = {attribute for attribute, _, _ in self._writing.references} - left_out
                if error.field not in optional:
                    raise
                self._around.tell(f"left out, since iTop refuses it: {error}")
                left_out.add(error.field)

    async def _append(
        self,
        incident: Incident,
        entry: Entry,
        urgency: int | None,
        *,
        reopen: bool = True,
        fields: Mapping[str, Any] | None = None,
    ) -> Written:
        if not entry and urgency is None:
            return Written("unchanged", incident.id, incident.ref)
        if not entry:
            entry = Entry(f"Urgency raised to {urgency}.")
        key = conditional_key(self._writing.iclass, incident, self._writing.log, [])
        stimulus = reopen_stimulus(self._writing.iclass, incident.status) if reopen else None
        if stimulus:
            operation = describe_stimulus(self._writing, key, stimulus, Script(), {})
        else:
            operation = describe_append(self._writing, key, Script(), urgency)
        operation["fields"] |= fields or {}
        await self._send_on(incident, operation, entry)
        return Written("reopened" if stimulus else "updated", incident.id, incident.ref)

    async def _resolve(self, incident: Incident, entry: Entry, solution: str) -> Written:
        stimulus = resolve_stimulus(self._writing.iclass, incident.status)
        if stimulus is None:
            raise IncidentClosedError(f"{incident.ref} is {incident.status}: no way leads from there to resolved")
        key = conditional_key(self._writing.iclass, incident, self._writing.log, [])

        async def send(references: Mapping[str, str]) -> Written:
            operation = describe_stimulus(self._writing, key, stimulus, Script(solution=solution), references)
            await self._send_on(incident, operation, entry)
            return Written("resolved", incident.id, incident.ref)

        return await self._with_references(send, _set_by_now(incident))

    async def _send_on(self, incident: Incident, operation: dict[str, Any], entry: Entry) -> None:
        token = self._around.new_token()
        if "solution" in operation["fields"]:
            operation["fields"]["solution"] += f" {token_line(token)}"
        search = TokenSearch(self._writing.iclass, self._writing.log, token, incident=incident.id, org=None)
        await self._send(operation, entry, token, search)

    async def _send(self, operation: dict[str, Any], entry: Entry, token: str, search: TokenSearch) -> tuple[int, str]:
        """Send a write with its entry, and see that both are there: the incident's id and ref."""
        if entry:
            operation["fields"][self._writing.log] = entry.describe(token)
        try:
            (shown, *_) = (await self._itop.call(operation)).objects
            written = shown.key, str(shown.fields.get("ref", ""))
        except UncertainError as error:
            found = await self._look_for(search, error)
            written = found.id, found.ref
        if entry and not self._around.is_dry:
            await self._keep(written[0], entry, token)
        return written

    async def _look_for(self, search: TokenSearch, failure: ITopError) -> Incident:
        """The incident that holds the token of a write without an answer, as soon as it shows."""
        around = self._around
        around.tell(f"{failure}; looking for up to {around.time_limit_s:g} s whether it was done")
        deadline, wait_s, trouble = around.clock() + around.time_limit_s, _FIRST_LOOK_S, None
        while (left_s := deadline - around.clock()) > 0:
            await around.sleep(min(wait_s, left_s))
            wait_s *= 2
            try:
                found = await self.find([search.condition])
            except ITopError as error:
                trouble = error
                continue
            trouble = None
            if found:
                return found[0]
        if trouble is None:
            raise NotDoneError(f"{failure}; it was not done, as iTop shows: the command may be run again") from failure
        raise OutcomeUnknownError(
            f"{failure}, and cannot be asked whether it was done: look for {token_line(search.token)} in the log first"
        ) from trouble

    async def _keep(self, incident: int, entry: Entry, token: str) -> None:
        """See that the entry stays: another save may have overwritten the log. Then it is written again."""
        iclass, log = self._writing.iclass, self._writing.log
        try:
            for _ in range(_MOST_REWRITES):
                await self._around.sleep(LOOK_AGAIN_S)
                if await self.find([f"id = {incident}", oql.contains(log, token_line(token))]):
                    return
                again = describe_append(self._writing, text_key(iclass, incident, log, token), Script(), None)
                again["fields"][log] = entry.describe(token)
                await self._itop.call(again)
        except ConditionError:
            return  # it is there after all
        except ITopError as error:
            self._around.tell(f"written; whether the entry stayed in the log could not be seen: {error}")
            return
        self._around.tell("others write on this incident at the same time: see whether the entry is in its log")


def _case(org: int, title: str) -> str:
    return f"{org} {title.strip().casefold()}"


def _messages(log: Any) -> str:
    entries = log.get("entries", []) if isinstance(log, dict) else []
    return "\n".join(str(entry.get("message", "")) for entry in entries)


def _set_by_now(incident: Incident) -> set[str]:
    """References that the incident has: whoever set them, they stay."""
    values = {
        "agent_id": incident.agent,
        "team_id": incident.team,
        "service_id": incident.service,
        "servicesubcategory_id": incident.service,
    }
    return {"caller_id", *(attribute for attribute, value in values.items() if value)}
