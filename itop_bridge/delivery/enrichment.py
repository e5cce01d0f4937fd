"""Looking CIs up in iTop's CMDB, for many cases in one call, remembered for a while.

An incident never waits for its CI longer than one more try: what cannot be looked up is left out, and said.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from itop_bridge.delivery.asset import (
    MOST_ALIKE,
    Asset,
    Finding,
    Search,
    Term,
    decide_finding,
    describe_condition,
    list_fields,
    parse_search,
    read_assets,
)
from itop_bridge.delivery.style import Styles
from itop_bridge.intent import Cmdb
from itop_bridge.itop import oql
from itop_bridge.itop.error import ITopError, NotAllowedError, PermanentError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.measured import name_outcome
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.log import Alarms, Faults

_MOST_TERMS = 400
"""In one call."""
_MOST_AHEAD = 200
"""A look-up that is due takes along what so many of the next new cases will ask for."""
_MOST_REMEMBERED = 10_000
_HOLD_S = 300.0
"""Nothing is looked up for so long after two failures; nor is a CI attached that iTop refused."""
_MOST_FAILURES = 2
_MOST_REFUSED = 1_000

Known = dict[Term, tuple[Asset, ...]]


class Enrichment:
    """Finds the CIs of new incidents."""

    def __init__(
        self, gate: Gate, journal: DeliveryJournal, styles: Styles, alarms: Alarms, monotonic: Callable[[], float]
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._styles = styles
        self._alarms = alarms
        self._faults = Faults(clock=monotonic)
        self._monotonic = monotonic
        self._remembered: dict[tuple[Cmdb, Term], tuple[float, tuple[Asset, ...]]] = {}
        """By what was asked, with the time until which it holds, oldest first."""
        self._failures: dict[Cmdb, tuple[int, float]] = {}
        """How often in a row, and until when nothing is looked up."""
        self._refused: dict[int, float] = {}

    async def find(self, searches: Mapping[int, Search], organizations: Mapping[str, int]) -> dict[int, Finding]:
        """What came of each search. `organizations` are the ids of those whose cases may be looked up ahead.

        Raises ITopError if iTop itself cannot be reached: then nothing can be written either.
        """
        known = {
            cmdb: await self._learn(cmdb, [each for each in searches.values() if each.cmdb == cmdb], organizations)
            for cmdb in dict.fromkeys(search.cmdb for search in searches.values())
        }
        now = self._monotonic()
        refused = {asset for asset, until in self._refused.items() if now < until}
        return {key: decide_finding(search, known[search.cmdb], refused) for key, search in searches.items()}

    def refuse(self, asset: int) -> None:
        """iTop did not take the CI: use it for no incident for some minutes."""
        if len(self._refused) >= _MOST_REFUSED:
            self._refused.clear()
        self._refused[asset] = self._monotonic() + _HOLD_S

    def forget(self) -> None:
        """A person has looked: try everything."""
        self._remembered.clear()
        self._failures.clear()
        self._refused.clear()

    async def _learn(self, cmdb: Cmdb, searches: Sequence[Search], organizations: Mapping[str, int]) -> Known:
        """What is known of the terms of `searches`, looked up where it is not; what cannot be is missing."""
        terms = [term for search in searches for term in search.terms]
        known = self._recall(cmdb, terms)
        if len(known) == len(set(terms)) or self._monotonic() < self._failures.get(cmdb, (0, 0.0))[1]:
            return known
        asked = dict.fromkeys([*terms, *await self._look_ahead(cmdb, organizations)])
        known = self._recall(cmdb, asked)
        return known | await self._look_up(cmdb, [term for term in asked if term not in known])

    def _recall(self, cmdb: Cmdb, terms: Iterable[Term]) -> Known:
        now = self._monotonic()
        entries = {term: self._remembered.get((cmdb, term)) for term in terms}
        return {term: entry[1] for term, entry in entries.items() if entry and now < entry[0]}

    async def _look_ahead(self, cmdb: Cmdb, organizations: Mapping[str, int]) -> list[Term]:
        """In a storm of new cases a call for each round's would be one call in ten."""
        terms: list[Term] = []
        for opening in await self._journal.fetch_openings(_MOST_AHEAD):
            org = organizations.get(opening.organization)
            if org is not None and (await self._styles.find_writing(opening.profile)).cmdb == cmdb:
                terms += parse_search(cmdb, org, opening.facts).terms
        return terms

    async def _look_up(self, cmdb: Cmdb, terms: Sequence[Term]) -> Known:
        """What iTop says of the terms; nothing if it fails twice. Raises ITopError if iTop cannot be reached."""
        while True:
            try:
                found = await self._fetch(cmdb, terms)
            except ITopError as error:
                self._note_failure(cmdb, error)
                if not self._gate.is_open:
                    raise
                if self._failures[cmdb][0] >= _MOST_FAILURES:
                    return {}
            else:
                self._failures.pop(cmdb, None)
                if not self._failures:
                    self._faults.end("itop.read_failed")
                    self._alarms.clear("cmdb_unavailable")
                return found

    def _note_failure(self, cmdb: Cmdb, error: ITopError) -> None:
        reason = name_outcome(type(error))
        self._faults.tell("itop.read_failed", reason, reason=reason, detail=str(error)[:500])
        final = isinstance(error, PermanentError | NotAllowedError)
        failures = _MOST_FAILURES if final else self._failures.get(cmdb, (0, 0.0))[0] + 1
        held = failures >= _MOST_FAILURES
        self._failures[cmdb] = (failures, self._monotonic() + _HOLD_S if held else 0.0)
        if held:
            self._alarms.raise_("cmdb_unavailable", detail=str(error)[:300], classes=list(cmdb.classes))

    async def _fetch(self, cmdb: Cmdb, terms: Sequence[Term]) -> Known:
        found: Known = {}
        for start in range(0, len(terms), _MOST_TERMS):
            chunk = terms[start : start + _MOST_TERMS]
            assets = await self._fetch_chunk(cmdb, chunk)
            self._remember(cmdb, assets)
            found |= assets
        return found

    async def _fetch_chunk(self, cmdb: Cmdb, terms: Sequence[Term]) -> Known:
        """One call per class: iTop tells of a query over several only what they share (transcripts 246, 247)."""
        found: dict[Term, dict[int, Asset]] = {term: {} for term in terms}
        condition = describe_condition(cmdb, terms)
        for iclass in cmdb.classes:
            answer = await self._gate.fetch(iclass, oql.select(iclass, condition), list_fields(cmdb))
            for term, asset in read_assets(cmdb, answer.objects):
                if term in found and len(found[term]) < MOST_ALIKE:
                    found[term][asset.id] = asset
        return {term: tuple(assets.values()) for term, assets in found.items()}

    def _remember(self, cmdb: Cmdb, found: Known) -> None:
        until = self._monotonic() + cmdb.cache_s
        for term, assets in found.items():
            self._remembered.pop((cmdb, term), None)
            self._remembered[cmdb, term] = (until, assets)
        for key in list(self._remembered)[: max(0, len(self._remembered) - _MOST_REMEMBERED)]:
            del self._remembered[key]
