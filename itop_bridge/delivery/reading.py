"""Reading iTop for many cases at once: on a real iTop, 200 incidents cost what one costs (transcripts 773-777)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.text import MARK, token_line
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.itop import oql
from itop_bridge.itop.answer import Object
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.lifecycle import phase_of

FIELDS = (
    "id,ref,title,status,operational_status,org_id,agent_id,agent_id_friendlyname,team_id,service_id,urgency,"
    "last_update,resolution_date"
)
T = TypeVar("T", "TokenSearch", "Lookup")
C = TypeVar("C")

_MOST_IDS = 200
_MOST_SEARCHES = 50


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """One token to look for: in a known incident, or, for a create, in all that an organisation has."""

    iclass: str
    log: str
    token: str
    incident: int | None
    org: int | None
    log_only: bool = False
    """A resolve's token stands in the solution too, which proves it, but not that its log entry stayed."""

    @property
    def condition(self) -> str:
        text = token_line(self.token)
        if self.incident is not None and self.log_only:
            return oql.all_of([f"id = {self.incident}", oql.contains(self.log, text)])
        found = oql.any_of([oql.contains(self.log, text), oql.contains("solution", text)])
        if self.incident is not None:
            return oql.all_of([f"id = {self.incident}", found])
        return oql.all_of([f"org_id = {self.org}", oql.contains(self.log, text)])


@dataclass(frozen=True, slots=True)
class Lookup:
    """A case without a known incident: is there one whose title begins with its dedup key?

    Of our origin only: the key can be guessed, and a ticket that a portal user gives such a title must not take alerts.
    """

    iclass: str
    org: int
    head: str
    origin: str

    @property
    def condition(self) -> str:
        ours = [oql.equals("origin", self.origin)] if self.origin else []
        return oql.all_of([f"org_id = {self.org}", oql.starts_with("title", self.head), *ours])


class Reader:
    """Reads incidents, for a round of cases in as few calls as it can."""

    def __init__(self, gate: Gate, server_clock: ServerClock) -> None:
        self._gate = gate
        self._server_clock = server_clock

    async def fetch_incidents(self, iclass: str, ids: Iterable[int]) -> dict[int, Incident]:
        """The incidents among `ids` that iTop shows; one that was deleted or is out of sight is missing."""
        found: dict[int, Incident] = {}
        for chunk in _chunks(sorted(set(ids)), _MOST_IDS):
            answer = await self._gate.fetch(iclass, oql.ids(iclass, chunk), FIELDS)
            found |= {incident.id: incident for incident in map(self._incident, answer.objects)}
        return found

    async def find_marked(self, iclass: str, log: str, ids: Iterable[int]) -> set[int]:
        """Those of the incidents in whose log a token of the bridge's stands."""
        marked: set[int] = set()
        for chunk in _chunks(sorted(set(ids)), _MOST_IDS):
            listed = ",".join(map(str, chunk))
            condition = oql.all_of([f"id IN ({listed})", oql.contains(log, MARK)])
            answer = await self._gate.fetch(iclass, oql.select(iclass, condition), "id")
            marked |= {shown.key for shown in answer.objects}
        return marked

    async def find_by_key(self, lookups: Sequence[Lookup]) -> dict[Lookup, list[Incident]]:
        """The incidents, in all states but closed, whose title begins with a case's key; compared again in code,
        since iTop ignores case, accents and trailing blanks (transcripts 232-234)."""
        found: dict[Lookup, list[Incident]] = {lookup: [] for lookup in lookups}
        for iclass, group in _by_class(lookups).items():
            for chunk in _chunks(group, _MOST_SEARCHES):
                keys = oql.any_of([each.condition for each in chunk])
                condition = oql.all_of(["operational_status != 'closed'", keys])
                answer = await self._gate.fetch(iclass, oql.select(iclass, condition), FIELDS)
                for incident in map(self._incident, answer.objects):
                    for lookup in chunk:
                        if incident.org == lookup.org and incident.title.startswith(lookup.head):
                            found[lookup].append(incident)
        return found

    async def find_tokens(self, searches: Sequence[TokenSearch]) -> dict[str, Incident]:
        """The incident in which each token stands; a token that is nowhere is missing. Looked for in every state."""
        found: dict[str, Incident] = {}
        for iclass, group in _by_class(searches).items():
            known = [each for each in group if each.incident is not None]
            for slot in _slots(known):
                found |= await self._find_in_known(iclass, slot)
            creates = [each for each in group if each.incident is None]
            for chunk in _chunks(creates, _MOST_SEARCHES):
                found |= await self._find_anywhere(iclass, chunk)
        return found

    async def _find_in_known(self, iclass: str, slot: Sequence[TokenSearch]) -> dict[str, Incident]:
        """One search per incident: which token was found is told by the id."""
        found: dict[str, Incident] = {}
        for chunk in _chunks(slot, _MOST_SEARCHES):
            condition = oql.any_of([each.condition for each in chunk])
            answer = await self._gate.fetch(iclass, oql.select(iclass, condition), FIELDS)
            incidents = {incident.id: incident for incident in map(self._incident, answer.objects)}
            found |= {each.token: incidents[each.incident] for each in chunk if each.incident in incidents}
        return found

    async def _find_anywhere(self, iclass: str, chunk: Sequence[TokenSearch]) -> dict[str, Incident]:
        """Creates whose incident is not known: which token was found is told by the log, short in a new incident."""
        found: dict[str, Incident] = {}
        logs = ",".join(sorted({each.log for each in chunk}))
        condition = oql.any_of([each.condition for each in chunk])
        answer = await self._gate.fetch(iclass, oql.select(iclass, condition), f"{FIELDS},{logs}")
        for shown in answer.objects:
            for each in chunk:
                if token_line(each.token) in _log_text(shown.fields.get(each.log)):
                    found[each.token] = self._incident(shown)
        return found

    def _incident(self, shown: Object) -> Incident:
        return read_incident(shown, self._server_clock)


def read_incident(shown: Object, server_clock: ServerClock) -> Incident:
    """An object that was read with FIELDS."""
    fields = shown.fields
    return Incident(
        id=shown.key,
        ref=str(fields["ref"]),
        title=str(fields["title"]),
        status=str(fields["status"]),
        phase=phase_of(str(fields["status"]), str(fields["operational_status"])),
        org=_number(fields["org_id"]),
        agent=_number(fields["agent_id"]),
        agent_name=str(fields["agent_id_friendlyname"]),
        team=_number(fields["team_id"]),
        service=_number(fields["service_id"]),
        urgency=_number(fields["urgency"]),
        last_update=str(fields["last_update"]),
        resolution_date=str(fields["resolution_date"]),
        resolved_at=server_clock.read(str(fields["resolution_date"])),
    )


def _chunks(items: Sequence[C], size: int) -> Iterable[Sequence[C]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _number(value: Any) -> int:
    return int(value or 0)


def _log_text(log: Any) -> str:
    entries = log.get("entries", []) if isinstance(log, dict) else []
    return "\n".join(str(entry.get("message", "")) for entry in entries)


def _by_class(items: Iterable[T]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[item.iclass].append(item)
    return groups


def _slots(searches: Sequence[TokenSearch]) -> list[list[TokenSearch]]:
    """Searches in groups in which no incident comes twice."""
    slots: list[list[TokenSearch]] = []
    used: dict[int | None, int] = defaultdict(int)
    for search in searches:
        number = used[search.incident]
        used[search.incident] += 1
        if number == len(slots):
            slots.append([])
        slots[number].append(search)
    return slots
