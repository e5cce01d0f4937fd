"""The loop of intake against the fake broker: what is acknowledged, what is alarmed, what stops it."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from itop_bridge.errors import JournalFullError, JournalUncertainError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import Loss
from itop_bridge.intake.intake import FULL_RETRY_S, MOST_QUICK_LOSSES, SILENCE_S, Intake, decide_alarm, jitter_delay
from itop_bridge.log import Alarms
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import MemoryJournal, settings_for

FILTERS = ["siem/#"]
MOST_S = 1e6  # no backoff of a test comes so far: a sleep of this length waits for a connection to prove steady


class Running:
    """An intake at work: `sleeps` are the waits that it asked for; none is slept."""

    def __init__(self, port, journal, filters, **changes):
        self.journal = journal
        self.alarms = Alarms()
        self.stop = asyncio.Event()
        self.sleeps = []
        self.steady = asyncio.Event()
        self.now = 0.0
        self.broker = Broker(settings_for(port, reconnect=SimpleNamespace(least=1.0, most=MOST_S), **changes))
        self.intake = Intake(
            self.broker,
            journal,
            self.alarms,
            filters,
            clock=lambda: 1000.0,
            monotonic=lambda: self.now,
            sleep=self.sleep,
            draw=lambda: 1.0,
        )

    @property
    def state(self):
        return self.intake.state

    async def sleep(self, delay_s):
        self.sleeps.append(delay_s)
        if delay_s == MOST_S:  # a connection has proved steady, or a refused filter is due again
            await self.steady.wait()
            self.steady.clear()
        await asyncio.sleep(0)

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("intake has ended")
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running(port, journal=None, filters=FILTERS, **changes):
    run = Running(port, journal or MemoryJournal(), filters, **changes)
    run.task = asyncio.create_task(run.intake.run(run.stop))
    try:
        yield run
        run.stop.set()
        async with asyncio.timeout(5):
            await run.task
    finally:
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)


def new_intake(port, journal):
    return Intake(Broker(settings_for(port)), journal, Alarms(), FILTERS)


async def test_messages_are_journaled_and_then_acknowledged():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        for mid in (1, 2, 3):
            await fake.send(b"siem/a", str(mid).encode(), mid=mid)
        await fake.send(b"siem/a", b"0", qos=0)
        await fake.send(b"siem/a", b"old", mid=4, retain=True)
        await fake.until(lambda: fake.acknowledged == [1, 2, 3, 4])
        assert [event.payload for event in run.journal.events] == [b"1", b"2", b"3", b"0"]
        state = run.state
        assert (state.received, state.journaled, state.not_guaranteed, state.retained_ignored) == (4, 4, 1, 1)
        assert state.acknowledged == 4, "the retained one too, but not the one at QoS 0"
        assert (state.connected, state.protocol, state.since) == (True, "5", 1000.0)
    assert not run.state.connected


async def test_a_failed_commit_acknowledges_nothing_and_a_full_disk_is_waited_for():
    journal = MemoryJournal(errors=[JournalFullError(), JournalFullError()])
    with capture_logs() as logs:
        await _fill_and_heal(journal)
    told = [(line["event"], line.get("alarm")) for line in logs]
    assert told.count(("alarm.raised", "journal_full")) == 1
    assert told.count(("journal.paused", None)) == 1
    assert told.count(("alarm.cleared", "journal_full")) == 1
    assert told.count(("journal.resumed", None)) == 1


async def _fill_and_heal(journal):
    async with FakeBroker() as fake, running(fake.port, journal) as run:
        await run.until(lambda: run.state.ready)
        await fake.send(b"siem/a", b"1", mid=1)
        await fake.until(lambda: fake.acknowledged == [1])
        assert journal.batches == [[b"1"]] * 3
        assert run.sleeps.count(FULL_RETRY_S) == 2
        assert "journal_full" not in run.alarms.active


async def test_a_stop_on_a_full_disk_acknowledges_nothing():
    journal = MemoryJournal(errors=[JournalFullError() for _ in range(10_000)])
    async with FakeBroker() as fake:
        async with running(fake.port, journal) as run:
            await fake.until(lambda: fake.subscribed)
            await fake.send(b"siem/a", b"1", mid=1)
            await run.until(lambda: "journal_full" in run.alarms.active)
        await fake.until(lambda: fake.disconnects)
    assert fake.acknowledged == []
    assert journal.events == []


async def test_an_uncertain_commit_ends_intake_without_a_word():
    journal = MemoryJournal(errors=[JournalUncertainError()])
    async with FakeBroker() as fake:
        intake = asyncio.create_task(new_intake(fake.port, journal).run(asyncio.Event()))
        await fake.until(lambda: fake.subscribed)
        await fake.send(b"siem/a", mid=1)
        with pytest.raises(JournalUncertainError):
            await intake
        assert fake.acknowledged == []
        assert fake.disconnects == 0  # the broker sends our last will


async def test_an_error_of_the_journal_beside_the_messages_ends_intake():
    class Broken(MemoryJournal):
        async def record_filters(self, filters):
            raise JournalUncertainError

    async with FakeBroker() as fake:
        with pytest.raises(JournalUncertainError):
            await new_intake(fake.port, Broken()).run(asyncio.Event())


async def test_on_stop_what_was_read_is_committed_and_acknowledged_and_the_session_kept():
    class Slow(MemoryJournal):
        async def record_events(self, connection, batch):
            await go_on.wait()
            return await super().record_events(connection, batch)

    go_on = asyncio.Event()
    async with FakeBroker() as fake:
        async with running(fake.port, Slow()) as run:
            await run.until(lambda: run.state.ready)
            await fake.send(b"siem/a", b"1", mid=1)
            await fake.send(b"siem/a", b"2", mid=2)
            await run.until(lambda: run.broker.connection.pending > 1000)
            run.stop.set()
            await asyncio.sleep(0)
            go_on.set()
        await fake.until(lambda: fake.disconnects)
    assert fake.acknowledged == [1, 2]
    assert [(topic, payload) for topic, payload, _ in fake.published] == [
        ("itop-bridge/status", b"online"),
        ("itop-bridge/status", b"offline"),
        ("itop-bridge/itop", b"unknown"),
    ]


async def test_a_stop_in_the_moment_of_connecting_is_not_missed():
    async with FakeBroker() as fake:
        intake = new_intake(fake.port, MemoryJournal())
        stop = asyncio.Event()
        connect = intake._broker.connect

        async def connect_and_stop():
            connection = await connect()
            stop.set()
            return connection

        intake._broker.connect = connect_and_stop
        async with asyncio.timeout(5):
            await intake.run(stop)
        await fake.until(lambda: fake.disconnects)


async def test_what_the_lost_connection_had_brought_is_journaled_before_the_next_one_opens():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        await fake.send(b"siem/a", b"1", mid=1)
        await fake.hang_up_now()
        await run.until(lambda: run.state.connections == 2)
        assert [event.payload for event in run.journal.events] == [b"1"]


async def test_redeliveries_are_counted_and_told():
    class Knowing(MemoryJournal):
        async def record_events(self, connection, batch):
            return 0

    with capture_logs() as logs:
        async with FakeBroker() as fake, running(fake.port, Knowing()) as run:
            await fake.until(lambda: fake.subscribed)
            await fake.send(b"siem/a", mid=1)
            await fake.until(lambda: fake.acknowledged)
            assert (run.state.received, run.state.journaled, run.state.redelivered) == (1, 0, 1)
    assert {"event": "event.redelivered", "count": 1, "connection": 1, "log_level": "info"} in logs


async def test_a_taken_over_session_is_alarmed_and_backed_off():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        await fake.disconnect(0x8E)
        await run.until(lambda: run.state.connections == 2)
        assert "client_id_in_use" in run.alarms.active
        assert 1.0 in run.sleeps


async def test_losing_the_link_right_after_connecting_again_and_again_is_the_same_alarm():
    async with FakeBroker() as fake, running(fake.port) as run:
        for number in range(1, MOST_QUICK_LOSSES + 1):
            await run.until(lambda number=number: run.state.connections == number and run.state.ready)
            assert "client_id_in_use" not in run.alarms.active
            await fake.hang_up_now()
        await run.until(lambda: run.state.connections == MOST_QUICK_LOSSES + 1 and run.state.ready)
        assert "client_id_in_use" in run.alarms.active
        assert [delay for delay in run.sleeps if delay not in (MOST_S, SILENCE_S)] == [1.0, 2.0, 4.0]
        run.steady.set()
        await run.until(lambda: "client_id_in_use" not in run.alarms.active)
        await fake.hang_up_now()
        await run.until(lambda: run.state.connections == MOST_QUICK_LOSSES + 2)
        waits = [delay for delay in run.sleeps if delay not in (MOST_S, SILENCE_S)]
        assert waits == [1.0, 2.0, 4.0, 1.0]  # as if nothing had been
        assert "client_id_in_use" not in run.alarms.active


async def test_losses_after_a_while_are_no_alarm():
    async with FakeBroker() as fake, running(fake.port) as run:
        for number in range(1, MOST_QUICK_LOSSES + 2):
            await run.until(lambda number=number: run.state.connections == number and run.state.ready)
            run.now += 30
            await fake.hang_up_now()
        await run.until(lambda: run.state.connections == MOST_QUICK_LOSSES + 2)
        assert "client_id_in_use" not in run.alarms.active


async def test_a_lost_session_is_alarmed_where_one_was_expected():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        assert "session_lost" not in run.alarms.active
        await fake.hang_up_now()
        await run.until(lambda: "session_lost" in run.alarms.active)
        fake.session_present = True
        await run.until(lambda: run.state.ready)
        await fake.hang_up_now()
        await run.until(lambda: "session_lost" not in run.alarms.active)
        assert run.journal.sessions == [False, False, True]


async def test_after_a_restart_the_session_is_expected():
    async with FakeBroker() as fake, running(fake.port, MemoryJournal(filters=FILTERS)) as run:
        await run.until(lambda: run.state.ready)
        assert "session_lost" in run.alarms.active


async def test_a_refused_filter_is_alarmed_and_asked_for_again():
    granted = {"siem/#": 1, "other/#": 0x87}
    async with FakeBroker(grant=granted.get) as fake, running(fake.port, filters=list(granted)) as run:
        await run.until(lambda: "subscription_refused" in run.alarms.active)
        assert run.alarms.active["subscription_refused"].facts == {"filters": ["other/#"]}
        assert run.state.connected
        assert not run.state.ready
        await fake.send(b"siem/a", mid=1)
        await fake.until(lambda: fake.acknowledged)
        granted["other/#"] = 1
        run.steady.set()
        await run.until(lambda: run.state.ready)
        assert "subscription_refused" not in run.alarms.active


async def test_filters_that_left_the_configuration_are_unsubscribed():
    journal = MemoryJournal(filters=["old/#", "siem/#"])
    async with FakeBroker(session_present=True) as fake, running(fake.port, journal) as run:
        await run.until(lambda: run.state.ready)
        assert fake.unsubscribed == ["old/#"]
        assert journal.filters == FILTERS


async def test_filters_are_remembered_before_they_are_subscribed():
    journal = MemoryJournal(filters=["old/#"])
    async with FakeBroker(silent=True) as fake, running(fake.port, journal) as run:
        await run.until(lambda: journal.filters == ["old/#", "siem/#"])
        assert fake.subscribed == []


async def test_other_filters_are_taken_while_connected():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        await run.intake.change_filters(["new/#"])
        assert fake.unsubscribed == FILTERS
        assert fake.subscribed[-1][0] == "new/#"
        assert run.journal.filters == ["new/#"]


async def test_filters_that_cannot_be_taken_now_are_taken_by_the_next_connection():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        fake.silent = True
        changing = asyncio.create_task(run.intake.change_filters(["new/#"]))
        await run.until(lambda: run.journal.filters == ["siem/#", "new/#"])
        await fake.hang_up_now()
        await changing
        fake.silent = False
        await run.until(lambda: run.state.connections == 2 and run.state.ready)
        assert fake.subscribed[-1][0] == "new/#"
        assert fake.unsubscribed == FILTERS


async def test_a_refused_login_is_alarmed_and_tried_again():
    async with FakeBroker(refuse={5: 0x86}) as fake, running(fake.port) as run:
        await run.until(lambda: len(fake.connects) >= 3)
        assert "Bad user name or password" in run.alarms.active["broker_refused"].detail
        fake.refuse = {}
        await run.until(lambda: run.state.ready)
        assert run.alarms.active == {}
        assert run.sleeps[:2] == [1.0, 2.0]


async def test_an_unreachable_broker_is_alarmed_and_a_stop_ends_the_wait():
    waiting = asyncio.Event()

    async def wait_for_ever(_delay_s):
        waiting.set()
        await asyncio.Event().wait()

    async with FakeBroker() as fake:
        port = fake.port
    alarms = Alarms()
    intake = Intake(Broker(settings_for(port)), MemoryJournal(), alarms, FILTERS, sleep=wait_for_ever)
    stop = asyncio.Event()
    running = asyncio.create_task(intake.run(stop))
    async with asyncio.timeout(5):
        await waiting.wait()
        assert "broker_unreachable" in alarms.active
        stop.set()
        await running


async def test_a_stop_ends_a_connect_that_is_not_answered():
    async def say_nothing(reader, writer):
        while await reader.read(1000):
            pass
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        async with running(server.sockets[0].getsockname()[1]) as run:
            await asyncio.sleep(0.02)
        assert run.state.connections == 0


@pytest.mark.parametrize(
    ("failures", "draw", "delay_s"),
    [(1, 1.0, 1.0), (1, 0.0, 0.0), (2, 1.0, 2.0), (4, 0.5, 4.0), (7, 1.0, 60.0), (5000, 1.0, 60.0)],
)
def test_the_wait_is_anything_up_to_a_doubling_bound(failures, draw, delay_s):
    assert jitter_delay(failures, 1.0, 60.0, lambda: draw) == delay_s


@pytest.mark.parametrize(
    ("loss", "quick_losses", "alarm"),
    [
        (Loss("the connection was closed"), MOST_QUICK_LOSSES - 1, None),
        (Loss("the connection was closed"), MOST_QUICK_LOSSES, "client_id_in_use"),
        (Loss("Session taken over", 0x8E), 0, "client_id_in_use"),
        (Loss("Server shutting down", 0x8B), 0, None),
        (Loss("ValueError: …", ours=True), MOST_QUICK_LOSSES, "broker_unstable"),
    ],
)
def test_what_a_loss_means(loss, quick_losses, alarm):
    assert decide_alarm(loss, quick_losses) == alarm


async def test_a_stop_that_the_broker_answered_proves_the_acknowledgements():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
    assert run.journal.acknowledged == 1


async def test_a_link_that_was_lost_proves_nothing():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.state.ready)
        await fake.hang_up_now()
        await run.until(lambda: run.state.connections == 2)
        assert run.journal.acknowledged == 0


async def test_after_a_silence_nothing_more_is_sent_again():
    async with FakeBroker() as fake, running(fake.port) as run:
        await run.until(lambda: run.journal.redelivery_ended)
        assert run.sleeps.count(SILENCE_S) >= 1


async def test_who_wants_to_know_is_told_of_a_connection_before_it_is_online():
    async with FakeBroker() as fake, running(fake.port) as run:
        seen = []

        async def note():
            seen.append((run.state.ready, len(fake.published)))

        run.intake.on_subscribed = note
        await fake.until(lambda: fake.published)
        assert seen == [(True, 0)]


async def test_a_filter_counts_until_it_is_unsubscribed():
    journal = MemoryJournal(filters=["old/#"])
    async with FakeBroker(silent=True, session_present=True) as fake, running(fake.port, journal) as run:
        await fake.until(lambda: fake.connects)
        await run.until(lambda: run.intake.filters == ["siem/#", "old/#"])
        fake.silent = False
        await fake.hang_up_now()
        await run.until(lambda: run.state.ready)
        assert run.intake.filters == ["siem/#"]


RESPONSE_TOPIC = b"\x08"


@pytest.mark.parametrize(("topic", "told"), [(b"answers/a", []), (b"siem/a", ["not_allowed"])])
async def test_a_response_topic_that_is_not_used_is_told(topic, told):
    async with FakeBroker() as fake, running(fake.port, response_prefix=("answers",)) as run:
        refused = []
        run.intake.on_refused = refused.append
        await run.until(lambda: run.state.ready)
        await fake.send(b"siem/a", properties=RESPONSE_TOPIC + len(topic).to_bytes(2) + topic)
        await fake.until(lambda: fake.acknowledged)
        assert refused == told
        assert run.journal.events[0].response_topic == topic.decode()
