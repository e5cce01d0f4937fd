import asyncio

from itop_bridge import daemon


async def test_a_stage_that_holds_on_to_an_outcome_is_asked_again_until_it_ends(monkeypatch):
    """A call was answered, and a full disk does not take the answer: the first cancel is not for what is stored."""
    monkeypatch.setattr(daemon, "_FORCE_S", 0.01)
    asked = []

    async def store_outcome():
        while len(asked) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append("cancel")

    stage = asyncio.create_task(store_outcome(), name="delivery")
    await asyncio.sleep(0)
    await daemon._finish([stage], 0.01)
    assert stage.done()
    assert len(asked) == 3


async def test_a_stage_that_ends_in_time_is_not_broken_off():
    stop = asyncio.Event()
    ended = []

    async def work():
        await stop.wait()
        ended.append("in order")

    stage = asyncio.create_task(work(), name="triage")
    stop.set()
    await daemon._finish([stage], 30.0)
    assert ended == ["in order"]
