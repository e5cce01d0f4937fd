from landing import fires

from itop_bridge.journal.case import Draft


async def test_looks_are_postponed(cases):
    await cases.land(fires(1))
    attempt = await cases.journal.record_attempt(Draft(1, "create", "t" * 16, None, 1, "text", {}))
    await cases.journal.settle_attempt(attempt.id, "unknown", look=5.0)
    await cases.journal.postpone_looks([attempt.id], 2000.0)
    assert await cases.journal.fetch_looks(10) == []


async def test_whether_a_case_is_parked_is_known(cases):
    assert not await cases.journal.has_parked()
    await cases.land(fires(1))
    await cases.journal.park(1, "poison", "d", None)
    assert await cases.journal.has_parked()


async def test_itops_clock_is_kept(cases):
    assert await cases.journal.fetch_server_offset() is None
    await cases.journal.record_server_offset(3600.5)
    assert await cases.journal.fetch_server_offset() == 3600.5


async def test_space_is_told_by_storing_something(cases):
    assert await cases.journal.has_space()
