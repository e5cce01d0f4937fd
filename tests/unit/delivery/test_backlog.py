from situation import fires

from itop_bridge.delivery import backlog as module
from itop_bridge.delivery.backlog import Backlogs


class Pending:
    """A journal that owes a list of intents, and counts how many were folded."""

    def __init__(self, seqs):
        self.owed = [fires(seq) for seq in seqs]
        self.folded = 0

    async def count_pending(self, case_id, *, through):
        return sum(owing.seq <= through for owing in self.owed)

    async def fold_pending(self, case_id, fold, state, *, after=0, through=2**62):
        for owing in self.owed:
            if after < owing.seq <= through:
                state = fold(state, owing)
                self.folded += 1
        return state


async def test_of_a_long_backlog_only_what_is_new_is_folded():
    journal = Pending(range(1, 2001))
    backlogs = Backlogs(journal)
    assert (await backlogs.fold(1)).count == 2000
    journal.owed.append(fires(2001))
    folded = await backlogs.fold(1)
    assert (folded.count, folded.last_seq, journal.folded) == (2001, 2001, 2001)


async def test_a_backlog_of_which_some_was_settled_is_folded_anew():
    journal = Pending(range(1, 2001))
    backlogs = Backlogs(journal)
    await backlogs.fold(1)
    del journal.owed[:500]
    assert (await backlogs.fold(1)).count == 1500
    journal.owed.clear()
    assert (await backlogs.fold(1)).is_empty


async def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    journal = Pending(range(1, 1001))
    backlogs = Backlogs(journal)
    for case_id in range(5):
        await backlogs.fold(case_id)
    assert len(backlogs._remembered) == 2


async def test_a_part_is_folded_without_what_came_later():
    assert (await Backlogs(Pending([1, 2, 5])).fold_through(1, 2)).count == 2
