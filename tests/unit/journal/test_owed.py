from landing import fires

from itop_bridge.journal.case import Draft, Settlement


async def test_a_token_matters_as_long_as_an_intent_that_it_was_sent_for_is_pending(cases):
    await cases.land(fires(1), fires(2, "b"))
    attempt = await cases.journal.record_attempt(Draft(1, "append", "t" * 16, 7, 1, "text", {}))
    await cases.journal.settle_attempt(attempt.id, "absent", look=None)
    assert len((await cases.journal.fetch_case(1)).attempts) == 1
    await cases.journal.settle(Settlement(1, 1, "delivered", "append"))
    assert (await cases.journal.fetch_case(1)).attempts == ()


async def test_a_part_of_what_a_case_owes_is_folded_and_counted(cases):
    await cases.land(fires(1), fires(2, "b"), fires(3, "c"))
    seqs = await cases.journal.fold_pending(1, lambda state, owing: [*state, owing.seq], [], after=1, through=2)
    assert seqs == [2]
    assert await cases.journal.count_pending(1, through=2) == 2
