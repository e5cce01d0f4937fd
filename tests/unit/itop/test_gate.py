"""The way to iTop: what is let through when, and what is learned from what comes back."""

import asyncio

import pytest

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.error import (
    ConditionError,
    CredentialsError,
    DatabaseError,
    MaintenanceError,
    NoReplyError,
    NotAllowedError,
    NotSentError,
    RefusedError,
    ServerError,
    ThrottledError,
    WithdrawnError,
)
from itop_bridge.itop.gate import Gate, State
from itop_bridge.itop.operation import Operations
from itop_bridge.itop.pace import Concurrency, Pacer

_ANSWER = Answer(None, (), None)
_PROBE = "list_operations"


class FakeITop(Operations):
    """Answers each operation with what `trouble` holds for it (an error, for ever, or a list of them), or well.

    With `waits`, each call stays under way until its event is set.
    """

    def __init__(self, fake_time):
        self.trouble = {}
        self.sent = []
        self.times = []
        self.waits = None
        self.running = 0
        self.most_running = 0
        self._time = fake_time

    async def call(self, operation):
        name = operation["operation"]
        self.sent.append(name)
        self.times.append(self._time.now)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.waits is not None:
                await self.waits.wait()
            trouble = self.trouble.get(name)
            if isinstance(trouble, list):
                trouble = trouble.pop(0) if trouble else None
            if trouble is not None:
                raise trouble
        finally:
            self.running -= 1
        return _ANSWER

    def fail(self, error):
        """Everything fails."""
        self.trouble = dict.fromkeys(("core/get", "core/create", _PROBE), error)


class Scene:
    """A gate before a fake iTop, and the states that it told of."""

    def __init__(self, fake_time):
        self.time = fake_time
        self.itop = FakeITop(fake_time)
        self.states = []
        self.tasks = []
        self.pacer = Pacer(10.0, fake_time.clock, fake_time.sleep)
        self.concurrency = Concurrency(4, fake_time.clock)
        self.gate = self.build(patience_s=None)

    def build(self, patience_s):
        breaker = Breaker(self.time.clock, lambda: 1.0)
        settings = {"clock": self.time.clock, "sleep": self.time.sleep, "patience_s": patience_s}
        return Gate(self.itop, self.pacer, self.concurrency, breaker, on_change=self.states.append, **settings)

    def start(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def fetch(self):
        """A call that is made while the test moves the time."""
        return await self.finish(self.start(self.gate.fetch("Incident", 1, "id")))

    async def create(self):
        return await self.finish(self.start(self.gate.create("Incident", {}, comment="c")))

    async def finish(self, task):
        for _ in range(100):
            await self.time.move(0.1)
            if task.done():
                return await task
        raise AssertionError("it does not end")


@pytest.fixture
async def scene(fake_time):
    scene = Scene(fake_time)
    yield scene
    await scene.gate.stop()
    for task in scene.tasks:
        task.cancel()
    await asyncio.gather(*scene.tasks, return_exceptions=True)


# while all is well


async def test_calls_are_paced_and_few_at_a_time(scene):
    scene.itop.waits = asyncio.Event()
    for _ in range(20):
        scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.time.move(5.0)
    assert len(scene.itop.sent) == 4
    scene.itop.waits.set()
    await scene.time.move(5.0)
    assert len(scene.itop.sent) == 20
    assert scene.itop.most_running <= 4
    starts = scene.itop.times
    assert max(sum(begin <= start < begin + 1.0 for start in starts) for begin in starts) <= 10


async def test_calls_are_counted_by_operation(scene):
    await scene.fetch()
    await scene.fetch()
    await scene.create()
    assert scene.gate.calls == {"core/get": 2, "core/create": 1}
    assert scene.states == []


async def test_whoever_makes_a_call_tells_when_it_begins_and_when_it_is_over_however_it_ends(scene):
    told = []
    scene.gate.on_call = lambda: told.append(asyncio.current_task())
    task = scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.finish(task)
    assert told == [task, task]
    scene.itop.trouble["core/get"] = NoReplyError("no reply")
    with pytest.raises(NoReplyError):
        await scene.fetch()
    assert len(told) == 4


async def test_a_probe_is_nobodys_call(scene):
    scene.itop.fail(NotSentError("refused"))
    with pytest.raises(NotSentError):
        await scene.fetch()
    told = []
    scene.gate.on_call = lambda: told.append("call")
    await scene.time.move(60.0)
    assert scene.itop.sent.count(_PROBE) > 1
    assert told == []


async def test_a_refusal_of_one_call_is_no_trouble(scene):
    scene.itop.trouble["core/get"] = ConditionError()
    with pytest.raises(ConditionError):
        await scene.fetch()
    assert scene.gate.is_healthy
    assert scene.itop.sent == ["core/get"]


async def test_an_itop_that_slows_is_asked_for_less_at_once(scene):
    for _ in range(10):
        await scene.fetch()
    scene.itop.waits = asyncio.Event()
    for _ in range(8):
        scene.start(scene.gate.fetch("Incident", 1, "id"))
        await scene.time.move(30.0)
        scene.itop.waits.set()
        await scene.time.settle()
        scene.itop.waits.clear()
    assert scene.concurrency.limit == 2


# iTop down


async def test_an_itop_that_is_down_is_probed_by_the_gate_itself_one_at_a_time_ever_more_rarely(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    for _ in range(10):
        scene.start(scene.gate.fetch("Incident", 1, "id"))
    begin = scene.time.now
    await scene.time.move(70.0)
    assert scene.itop.sent == ["core/get"] + [_PROBE] * 6
    waits = [round(later - earlier) for earlier, later in zip(scene.itop.times[1:], scene.itop.times[2:], strict=False)]
    assert waits == [2, 4, 8, 16, 32]
    assert scene.itop.times[1] - begin <= 1.0
    assert not scene.gate.is_open


async def test_what_waited_goes_on_when_itop_is_back(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    waiting = [scene.start(scene.gate.fetch("Incident", 1, "id")) for _ in range(3)]
    await scene.time.move(2.0)
    scene.itop.trouble = {}
    await scene.time.move(5.0)
    assert [task.result() for task in waiting] == [_ANSWER] * 3
    assert scene.gate.is_open


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotSentError("refused"), "not_sent"),
        (NoReplyError("reset"), "no_answer"),
        (ServerError("500"), "no_answer"),
        (MaintenanceError("maintenance"), "maintenance"),
        (CredentialsError("bad login", code=1), "credentials"),
    ],
)
async def test_the_state_tells_since_when_and_why(scene, error, reason):
    began = scene.gate.state
    await scene.time.move(1.0)
    scene.itop.fail(error)
    with pytest.raises(type(error)):
        await scene.fetch()
    lost = scene.gate.state
    assert lost == State(reachable=False, since=lost.since, reason=reason, detail=str(error))
    assert lost.since > began.since
    await scene.time.move(60.0)
    scene.itop.trouble = {}
    await scene.time.move(400.0)
    assert [state.reachable for state in scene.states] == [False, True]
    assert scene.gate.state == State(reachable=True, since=scene.gate.state.since)


async def test_a_change_of_reason_is_told_and_a_repetition_is_not(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    await scene.time.move(20.0)
    scene.itop.fail(MaintenanceError())
    await scene.time.move(60.0)
    assert [state.reason for state in scene.states] == ["not_sent", "maintenance"]


async def test_another_cause_of_the_same_kind_is_told_and_begins_nothing_anew(scene):
    scene.itop.fail(ServerError("HTTP 500"))
    with pytest.raises(ServerError):
        await scene.fetch()
    await scene.time.move(20.0)
    scene.itop.fail(ServerError("HTTP 502"))
    await scene.time.move(60.0)
    assert [(state.reason, state.detail) for state in scene.states] == [
        ("no_answer", "HTTP 500"),
        ("no_answer", "HTTP 502"),
    ]
    assert len({state.since for state in scene.states}) == 1


async def test_an_itop_that_was_away_for_long_is_noticed_within_a_minute(scene):
    assert scene.gate.probe_in_s is None
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    await scene.time.move(3_600.0)
    assert 0.0 < scene.gate.probe_in_s <= 60.0
    scene.itop.trouble = {}
    await scene.time.move(61.0)
    assert scene.gate.is_open
    assert scene.gate.probe_in_s is None


async def test_that_its_front_asks_to_be_left_alone_is_known_until_a_call_gets_through(scene):
    scene.itop.trouble["core/get"] = [ThrottledError(retry_after_s=40.0)]
    with pytest.raises(ThrottledError):
        await scene.fetch()
    left_s = scene.gate.throttling.left_s
    assert 39.0 < left_s <= 40.0
    await scene.time.move(left_s)
    assert scene.gate.throttling.lasts_s >= 40.0
    await scene.fetch()
    assert scene.gate.throttling.lasts_s == 0.0


async def test_many_failures_at_once_open_it_once(scene):
    scene.itop.fail(NotSentError())
    scene.itop.waits = asyncio.Event()
    calls = [scene.start(scene.gate.fetch("Incident", 1, "id")) for _ in range(4)]
    await scene.time.move(1.0)
    scene.itop.waits.set()
    await scene.time.settle()
    assert [type(call.exception()) for call in calls] == [NotSentError] * 4
    await scene.time.move(1.0)
    assert scene.itop.sent.count(_PROBE) == 1
    assert len(scene.states) == 1


async def test_what_waited_for_its_slot_while_itop_went_down_is_not_sent(scene):
    scene.itop.fail(NotSentError())
    scene.itop.waits = asyncio.Event()
    calls = [scene.start(scene.gate.fetch("Incident", 1, "id")) for _ in range(6)]
    await scene.time.move(1.0)
    scene.itop.waits.set()
    await scene.time.move(0.5)
    assert scene.itop.sent.count("core/get") == 4
    assert [call.done() for call in calls] == [True] * 4 + [False] * 2


async def test_what_nobody_wants_any_more_when_its_slot_is_free_is_not_sent(scene):
    wanted = True

    async def is_wanted():
        return wanted

    scene.itop.waits = asyncio.Event()
    create = {"operation": "core/create"}
    calls = [scene.start(scene.gate.call(create, is_wanted=is_wanted)) for _ in range(6)]
    await scene.time.move(1.0)
    wanted = False
    scene.itop.waits.set()
    await scene.time.move(1.0)
    assert scene.itop.sent == ["core/create"] * 4
    assert [type(call.exception()) for call in calls] == [type(None)] * 4 + [WithdrawnError] * 2
    assert scene.gate.not_sent == {"held_back": 2}
    assert scene.gate.state.reachable


async def test_a_call_waits_only_so_long_and_is_then_not_sent(scene):
    gate = scene.gate = scene.build(patience_s=0.01)
    scene.itop.fail(MaintenanceError())
    with pytest.raises(MaintenanceError):
        await scene.fetch()
    with pytest.raises(NotSentError, match="maintenance"):
        await gate.fetch("Incident", 1, "id")
    assert scene.itop.sent == ["core/get"]
    assert gate.not_sent == {"maintenance": 1}


async def test_a_pause_is_waited_for_only_so_long(scene):
    gate = scene.gate = scene.build(patience_s=0.01)
    gate.pause_for(60.0)
    with pytest.raises(NotSentError):
        await gate.fetch("Incident", 1, "id")
    assert scene.itop.sent == []
    assert gate.not_sent == {"turn": 1}


async def test_a_waiting_call_that_is_cancelled_leaves_the_probing_alone(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    waiting = scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.time.settle()
    waiting.cancel()
    scene.itop.trouble = {}
    await scene.time.move(2.0)
    assert scene.gate.is_open
    assert waiting.cancelled()


async def test_a_bug_in_the_probing_reaches_who_waits(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    waiting = scene.start(scene.gate.wait_open())
    scene.itop.trouble[_PROBE] = ZeroDivisionError()
    await scene.time.move(2.0)
    assert isinstance(waiting.exception(), ZeroDivisionError)


# whose failure is it?


@pytest.mark.parametrize("error", [NoReplyError(), ServerError(status=500)])
async def test_a_call_that_fails_while_a_probe_succeeds_fails_by_itself(scene, error):
    scene.itop.trouble["core/create"] = error
    with pytest.raises(type(error)):
        await scene.create()
    assert scene.itop.sent == ["core/create", _PROBE]
    assert scene.gate.is_healthy
    assert scene.states == []


async def test_calls_that_fail_together_are_examined_by_one_probe_if_it_fails(scene):
    scene.itop.fail(NoReplyError())
    scene.itop.waits = asyncio.Event()
    calls = [scene.start(scene.gate.fetch("Incident", 1, "id")) for _ in range(4)]
    await scene.time.move(1.0)
    scene.itop.waits.set()
    await scene.time.move(0.2)
    assert [type(call.exception()) for call in calls] == [NoReplyError] * 4
    assert scene.itop.sent.count(_PROBE) == 1
    assert not scene.gate.is_open


async def test_a_database_error_is_an_answer_and_needs_no_probe(scene):
    scene.itop.trouble["core/create"] = DatabaseError(errno=1205)
    with pytest.raises(DatabaseError):
        await scene.create()
    assert scene.itop.sent == ["core/create"]
    assert scene.gate.is_healthy
    assert scene.concurrency.limit == 2


async def test_a_403_for_what_a_call_holds_is_a_refusal_and_stops_nobody(scene):
    scene.itop.trouble["core/create"] = CredentialsError("HTTP 403", status=403)
    with pytest.raises(RefusedError) as raised:
        await scene.create()
    assert isinstance(raised.value.__cause__, CredentialsError)
    assert scene.gate.is_open


async def test_a_403_for_everyone_stops_everything(scene):
    scene.itop.fail(CredentialsError("HTTP 403", status=403))
    with pytest.raises(CredentialsError):
        await scene.create()
    assert scene.gate.state.reason == "credentials"


# aside


def aside(scene):
    return scene.gate.call({"operation": "core/create", "class": "Attachment"}, aside=True)


@pytest.mark.parametrize("refusal", [NotAllowedError(), DatabaseError(errno=1290)])
async def test_what_is_refused_of_a_call_aside_holds_nothing_back(scene, refusal):
    scene.itop.trouble["core/create"] = [refusal]
    with pytest.raises(type(refusal)):
        await scene.finish(scene.start(aside(scene)))
    assert scene.gate.is_healthy
    assert scene.states == []
    assert await scene.finish(scene.start(aside(scene))) == _ANSWER


async def test_credentials_that_are_refused_of_a_call_aside_are_its_own_failure(scene):
    scene.itop.trouble["core/create"] = CredentialsError("Invalid login", code=1)
    with pytest.raises(RefusedError, match="for what it holds"):
        await scene.finish(scene.start(aside(scene)))
    assert scene.itop.sent == ["core/create", _PROBE]
    assert scene.gate.is_open


async def test_credentials_that_are_refused_of_a_harmless_call_too_stop_everything(scene):
    scene.itop.fail(CredentialsError("Invalid login", code=1))
    with pytest.raises(CredentialsError):
        await scene.finish(scene.start(aside(scene)))
    assert scene.gate.state.reason == "credentials"


async def test_a_probe_that_does_not_end_is_a_failure(scene, monkeypatch):
    monkeypatch.setattr("itop_bridge.itop.gate._PROBE_S", 0.01)
    scene.itop.trouble["core/get"] = ServerError()
    call = scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.time.settle()
    scene.itop.waits = asyncio.Event()
    await scene.time.move(1.0)
    with pytest.raises(ServerError):
        await call
    assert scene.gate.state.reason == "no_answer"
    assert scene.itop.running == 0


# credentials


async def test_bad_credentials_stop_everything_and_are_tried_again_every_five_minutes(scene):
    scene.itop.fail(CredentialsError(code=1))
    with pytest.raises(CredentialsError):
        await scene.fetch()
    scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.time.move(299.0)
    assert scene.itop.sent == ["core/get"]
    await scene.time.move(602.0)
    assert scene.itop.sent == ["core/get"] + [_PROBE] * 3


async def test_a_reset_tries_at_once_and_through_the_new_client(scene):
    scene.itop.fail(CredentialsError(code=1))
    with pytest.raises(CredentialsError):
        await scene.fetch()
    await scene.time.settle()
    renewed = FakeITop(scene.time)
    scene.gate.reset(renewed)
    await scene.time.move(0.2)
    assert scene.gate.is_open
    assert renewed.sent == [_PROBE]


async def test_a_reset_that_changes_nothing_probes_once_more_and_waits_on(scene):
    scene.itop.fail(CredentialsError(code=1))
    with pytest.raises(CredentialsError):
        await scene.fetch()
    await scene.time.settle()
    scene.gate.reset()
    await scene.time.move(200.0)
    assert scene.itop.sent == ["core/get", _PROBE]


async def test_a_reset_while_all_is_well_sends_nothing(scene):
    scene.gate.reset()
    await scene.time.move(10.0)
    assert scene.itop.sent == []


# what iTop refuses for now


async def test_a_write_that_is_not_allowed_waits_while_others_go_on(scene):
    scene.itop.trouble["core/create"] = [NotAllowedError(), NotAllowedError()]
    with pytest.raises(NotAllowedError):
        await scene.create()
    assert scene.gate.state.reachable
    assert scene.gate.state.reason == "not_allowed"
    assert scene.gate.is_open
    assert not scene.gate.is_healthy
    creates = [scene.start(scene.gate.create("Incident", {}, comment="c")) for _ in range(3)]
    await scene.fetch()
    await scene.time.move(20.0)
    # one tried after a second and was refused, the second after two more passed, and then the third
    assert [isinstance(create.exception(), NotAllowedError) for create in creates] == [True, False, False]
    assert [state.reason for state in scene.states] == ["not_allowed", None]
    assert scene.gate.is_healthy


async def test_a_database_in_trouble_holds_the_write_and_is_told(scene):
    scene.itop.trouble["core/create"] = [DatabaseError(errno=1114)]
    with pytest.raises(DatabaseError):
        await scene.create()
    assert scene.gate.state.reason == "database"
    assert not scene.gate.is_healthy


async def test_a_try_that_is_cancelled_does_not_hold_the_others_for_ever(scene):
    scene.itop.trouble["core/create"] = [NotAllowedError()]
    with pytest.raises(NotAllowedError):
        await scene.create()
    scene.itop.waits = asyncio.Event()
    attempt = scene.start(scene.gate.create("Incident", {}, comment="c"))
    await scene.time.move(2.0)
    assert scene.itop.running == 1
    attempt.cancel()
    await scene.time.settle()
    scene.itop.waits = None
    assert await scene.create() == _ANSWER


# being asked to slow down


async def test_retry_after_pauses_everyone_and_lowers_the_rate(scene):
    scene.itop.trouble["core/get"] = [ThrottledError(retry_after_s=60.0)]
    with pytest.raises(ThrottledError):
        await scene.fetch()
    waiting = scene.start(scene.gate.wait_open())
    scene.start(scene.gate.create("Incident", {}, comment="c"))
    await scene.time.move(59.0)
    assert scene.itop.sent == ["core/get"]
    assert not waiting.done()
    assert scene.gate.is_open
    await scene.time.move(2.0)
    assert scene.itop.sent == ["core/get", "core/create"]
    assert waiting.done()
    assert scene.pacer.rate_per_s == pytest.approx(5.0, abs=0.1)


async def test_a_probe_that_is_asked_to_slow_down_found_itop_and_obeys(scene):
    scene.itop.fail(NotSentError())
    with pytest.raises(NotSentError):
        await scene.fetch()
    scene.itop.trouble = {_PROBE: ThrottledError(retry_after_s=60.0)}
    await scene.time.move(2.0)
    assert scene.gate.is_open
    assert scene.pacer.pause_s > 50.0


async def test_a_429_without_a_time_pauses_too(scene):
    scene.itop.trouble["core/get"] = [ThrottledError()]
    with pytest.raises(ThrottledError):
        await scene.fetch()
    assert scene.pacer.pause_s > 5.0


async def test_retry_after_of_nothing_does_not_pause(scene):
    scene.itop.trouble["core/get"] = [ThrottledError(retry_after_s=0.0)]
    with pytest.raises(ThrottledError):
        await scene.fetch()
    assert scene.pacer.pause_s == 0.0


# the end


async def test_a_stopped_gate_sends_nothing_new_and_lets_what_is_under_way_end(scene):
    scene.itop.waits = asyncio.Event()
    running = scene.start(scene.gate.fetch("Incident", 1, "id"))
    await scene.time.settle()
    await scene.gate.stop()
    with pytest.raises(NotSentError, match="stopping"):
        await scene.gate.fetch("Incident", 1, "id")
    scene.itop.waits.set()
    assert await scene.finish(running) == _ANSWER
    assert scene.itop.sent == ["core/get"]


async def test_leaving_the_gate_ends_its_probing_and_what_waits_for_it(scene):
    scene.itop.fail(NotSentError())
    async with scene.gate as gate:
        with pytest.raises(NotSentError):
            await scene.fetch()
        waiting = [scene.start(gate.fetch("Incident", 1, "id")), scene.start(gate.wait_open())]
        await scene.time.settle()
    await scene.time.move(10.0)
    assert [str(task.exception()) for task in waiting] == ["not sent: the bridge is stopping"] * 2
    assert scene.itop.sent == ["core/get"]
