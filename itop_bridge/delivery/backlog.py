"""What cases owe, folded. Of a long backlog only what is new is folded again."""

from itop_bridge.delivery.fold import Backlog, fold
from itop_bridge.journal.delivery import DeliveryJournal

_LONG = 1_000
"""Alerts; a shorter backlog is folded in some milliseconds."""
_MOST_REMEMBERED = 100


class Backlogs:
    """Folds what a case owes, and remembers the longest backlogs: in a storm 100,000 alerts of one case are looked at
    again and again, and folding them takes a second."""

    def __init__(self, journal: DeliveryJournal) -> None:
        self._journal = journal
        self._remembered: dict[int, Backlog] = {}

    async def fold(self, case_id: int) -> Backlog:
        """All that the case owes."""
        known = self._remembered.pop(case_id, Backlog())
        if known.count != await self._journal.count_pending(case_id, through=known.last_seq):
            known = Backlog()  # some of it was settled
        backlog = await self._journal.fold_pending(case_id, fold, known, after=known.last_seq)
        if backlog.count >= _LONG:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[case_id] = backlog
        return backlog

    async def fold_through(self, case_id: int, through: int) -> Backlog:
        """What the case owes up to the intent `through`."""
        return await self._journal.fold_pending(case_id, fold, Backlog(), through=through)
