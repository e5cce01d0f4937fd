"""Results leave the journal in order, once the broker has them, whatever it refuses."""

import asyncio

import orjson
import pytest
from structlog.testing import capture_logs

from itop_bridge.errors import JournalFullError
from itop_bridge.intake.connection import BrokerError, BrokerLostError
from itop_bridge.log import Alarms
from itop_bridge.metric.meter import Meter
from itop_bridge.outward.publisher import MOST_HANG_UPS, MOST_RETRY_S, POLL_S, RETRY_S, Publisher


class Rig:
    def __init__(self, broker, outbox, **changes):
        self.alarms = Alarms()
        self.meter = Meter()
        self.slept = []
        self.publisher = Publisher(
            broker,
            outbox.results,
            self.alarms,
            self.meter,
            filters=lambda: ["siem/#"],
            itop_address="https://itop.example",
            sleep=self.sleep,
            **changes,
        )
        self.publisher.greet()

    async def sleep(self, delay_s):
        self.slept.append(delay_s)
        await asyncio.sleep(0)

    async def until_slept(self, times):
        async with asyncio.timeout(5):
            while len(self.slept) < times:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    def metric(self, line):
        return line.encode() in self.meter.expose([])


def told(fake):
    return [(topic, orjson.loads(payload)["id"]) for topic, payload, _ in fake.published]


async def test_results_are_published_in_order_and_removed(fake, connected, outbox):
    await outbox.settle(45)
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        assert await rig.publisher.step()
        assert not await rig.publisher.step()
    assert told(fake) == [("itop-bridge/results/r", n) for n in range(1, 46)]
    assert not any(retained for _, _, retained in fake.published)
    assert await outbox.results.count_waiting() == 0
    assert rig.metric('results_published_total{outcome="dropped"} 45.0')
    assert rig.metric("results_waiting 0.0")


async def test_no_more_than_the_window_is_sent_ahead(fake, connected, outbox):
    await outbox.settle(30)
    fake.take = lambda _: None
    async with connected(fake) as broker:
        publishing = asyncio.create_task(Rig(broker, outbox).publisher.step())
        await fake.until(lambda: len(fake.published) == broker.window)
        await fake.hang_up_now()
        with pytest.raises(BrokerLostError):
            await publishing
    assert len(fake.published) == 20


async def test_what_the_broker_did_not_answer_stays_and_so_does_what_follows(fake, connected, outbox):
    await outbox.settle(50)
    answers = iter([0] * 25)
    fake.take = lambda _: next(answers, None)
    async with connected(fake) as broker:
        publishing = asyncio.create_task(Rig(broker, outbox).publisher.step())
        await fake.until(lambda: len(fake.published) == 40)
        await fake.hang_up_now()
        with pytest.raises(BrokerLostError):
            await publishing
    assert [each.id for each in await outbox.results.fetch_next(1)] == [26]
    fake.take = lambda _: 0
    fake.published.clear()
    async with connected(fake) as broker:
        await Rig(broker, outbox).publisher.step()
    assert [number for _, number in told(fake)] == [*range(26, 51)]


async def test_a_topic_that_the_broker_refuses_holds_nothing_up_and_is_logged_once(fake, connected, outbox):
    for route in ("r", "s", "r", "s"):
        await outbox.settle(route=route)
    fake.take = lambda topic: 0x87 if topic.endswith("/r") else 0
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        with capture_logs() as logs:
            await rig.publisher.step()
            rig.publisher.forgive()
    assert await outbox.results.count_waiting() == 0
    refused, ended = logs
    assert (refused["event"], refused["topic"], refused["route"]) == ("result.refused", "itop-bridge/results/r", "r")
    assert refused["detail"] == "Not authorized"
    assert (ended["event"], ended["count"]) == ("fault.ended", 2)
    assert rig.metric('results_lost_total{reason="refused"} 2.0')
    assert rig.metric('results_published_total{outcome="dropped"} 2.0')


async def test_refused_response_topics_are_one_fault_however_many_there_are(fake, connected, outbox):
    for number in range(3):
        await outbox.settle(asked=f"answers/{number}")
    fake.take = lambda _: 0x87
    async with connected(fake) as broker:
        with capture_logs() as logs:
            await Rig(broker, outbox).publisher.step()
    assert [line["event"] for line in logs] == ["result.refused"]


async def test_a_broker_that_hangs_up_on_a_refused_topic_is_not_tried_again(fake, connected, outbox):
    """As mosquitto 2.0.11 does: else each result would cost the alerts' connection."""
    await outbox.settle(30)
    await outbox.settle(route="s")

    def refuse_and_hang_up(topic):
        if topic.endswith("/r"):
            asyncio.get_running_loop().create_task(fake.hang_up_now())
            return 0x87
        return 0

    fake.take = refuse_and_hang_up
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        with pytest.raises(BrokerLostError):
            await rig.publisher.step()
        await broker.connect()
        rig.publisher.greet()
        await rig.publisher.step()
    assert len(fake.connects) == 2
    assert told(fake)[-1] == ("itop-bridge/results/s", 31)
    assert await outbox.results.count_waiting() == 0


async def test_a_result_over_which_the_connection_is_lost_again_and_again_is_given_up(fake, connected, outbox, running):
    """MQTT 3.1.1 has no word for a refusal, and no broker needs one: else nothing that follows would be told."""
    await outbox.settle(2)
    await outbox.settle(route="s")

    def hang_up(topic):
        if topic.endswith("/r"):
            asyncio.get_running_loop().create_task(fake.hang_up_now())
            return None
        return 0

    fake.take = hang_up
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        with capture_logs() as logs:
            async with running(rig.publisher.run()), asyncio.timeout(5):
                while told(fake)[-1:] != [("itop-bridge/results/s", 3)]:
                    if not broker.is_open:
                        await broker.connect()
                        rig.publisher.greet()
                    await asyncio.sleep(0.001)
    assert len(fake.connects) == 1 + 1 + MOST_HANG_UPS  # the first time it was not alone
    assert [line["detail"] for line in logs if line["event"] == "result.refused"] == [
        f"the connection was lost over it {MOST_HANG_UPS} times"
    ]
    assert rig.metric('results_lost_total{reason="refused"} 2.0')


async def test_one_that_is_larger_than_the_broker_takes_is_given_up_and_others_of_its_prefix_are_not(
    fake, connected, outbox
):
    fake.connack_properties = b"\x27" + (1_000).to_bytes(4, "big")
    await outbox.settle(asked=f"answers/{'x' * 900}")
    await outbox.settle(asked="answers/me")
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        await rig.publisher.step()
    assert told(fake) == [("answers/me", 2)]
    assert await outbox.results.count_waiting() == 0
    assert rig.metric('results_lost_total{reason="refused"} 1.0')


async def test_after_a_failure_results_go_one_by_one(fake, connected, outbox, running):
    await outbox.settle(3)
    fake.take = lambda _: None
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        async with running(rig.publisher.run()):
            await fake.until(lambda: len(fake.published) == 3)
            await fake.hang_up_now()
            await rig.until_slept(1)
            await broker.connect()
            rig.publisher.greet()
            await fake.until(lambda: len(fake.published) == 4)
            fake.take = lambda _: 0
            await fake.send(b"any", b"")  # a turn of the loop later still only one
            assert len(fake.published) == 4


async def test_who_asks_is_answered_there_and_who_may_not_ask_on_the_routes_topic(fake, connected, outbox):
    await outbox.settle(route="", asked="answers/me")
    await outbox.settle(route="", asked="itop-bridge/status")
    await outbox.settle(asked="siem/loop")
    async with connected(fake) as broker:
        await Rig(broker, outbox).publisher.step()
    assert told(fake) == [("answers/me", 1), ("itop-bridge/results/r", 3)]
    assert await outbox.results.count_waiting() == 0


async def test_nothing_is_published_before_the_connection_has_subscribed(fake, connected, outbox):
    await outbox.settle()
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        broker.connection.drop("lost")
        assert not await rig.publisher.step()
        await broker.connect()
        assert not await rig.publisher.step()
        rig.publisher.greet()
        assert await rig.publisher.step()


async def test_it_goes_on_after_a_fault_and_waits_while_there_is_nothing(fake, connected, outbox, running, monkeypatch):
    await outbox.settle()
    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        publish = broker.publish
        faults = [BrokerError("no answer"), BrokerLostError(), JournalFullError()]

        async def fail(*arguments, **options):
            if faults:
                raise faults.pop(0)
            await publish(*arguments, **options)

        monkeypatch.setattr(broker, "publish", fail)
        with capture_logs() as logs:
            async with running(rig.publisher.run()):
                await rig.until_slept(5)
    assert rig.slept[:5] == [RETRY_S, 2 * RETRY_S, RETRY_S, POLL_S, POLL_S]
    assert told(fake) == [("itop-bridge/results/r", 1)]
    assert [line["event"] for line in logs] == ["result.delayed"] * 2


async def test_an_unknown_error_ends_it(fake, connected, outbox, running, monkeypatch):
    await outbox.settle()

    async def fail(*_arguments, **_options):
        raise ZeroDivisionError

    async with connected(fake) as broker:
        monkeypatch.setattr(broker, "publish", fail)
        async with running(Rig(broker, outbox).publisher.run()) as task:
            with pytest.raises(ZeroDivisionError):
                await task
    assert await outbox.results.count_waiting() == 1


async def test_more_than_the_bound_is_an_alarm_and_the_oldest_are_given_up(fake, connected, outbox):
    await outbox.settle(5)
    async with connected(fake) as broker:
        rig = Rig(broker, outbox, most_waiting=3)
        broker.connection.drop("away")
        await rig.publisher.step()
        assert list(rig.alarms.active) == ["results_overflowing"]
        assert [each.id for each in await outbox.results.fetch_next(10)] == [3, 4, 5]
        assert rig.metric('results_lost_total{reason="overflow"} 2.0')
        await rig.publisher.step()
        assert rig.alarms.active == {}


@pytest.mark.parametrize(("prefixes", "answers"), [((), False), (("a",), True)])
async def test_who_asks_is_answered_where_a_prefix_is_configured(fake, connected, outbox, prefixes, answers):
    async with connected(fake) as broker:
        broker.settings = broker.settings.model_copy(update={"response_prefix": prefixes})
        assert Rig(broker, outbox).publisher.answers_who_asks is answers


async def test_the_wait_grows_while_results_fail(fake, connected, outbox, running, monkeypatch):
    await outbox.settle()

    async def fail(*_arguments, **_options):
        raise BrokerError("no answer")

    async with connected(fake) as broker:
        rig = Rig(broker, outbox)
        monkeypatch.setattr(broker, "publish", fail)
        async with running(rig.publisher.run()):
            await rig.until_slept(8)
    assert rig.slept[:8] == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, MOST_RETRY_S, MOST_RETRY_S]
