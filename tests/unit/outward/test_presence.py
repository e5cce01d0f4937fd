import asyncio

import pytest
from structlog.testing import capture_logs

from itop_bridge.intake.connection import BrokerError
from itop_bridge.outward.presence import RETRY_S, Presence

TOPIC = "itop-bridge/itop"


class Itop:
    reachable = True


@pytest.fixture
def itop():
    return Itop()


def told(fake):
    return [payload.decode() for topic, payload, retained in fake.published if (topic, retained) == (TOPIC, True)]


async def test_it_tells_what_holds_now(fake, connected, itop):
    async with connected(fake) as broker:
        presence = Presence(broker, lambda: itop.reachable)
        await presence.tell()
        itop.reachable = False
        await presence.tell()
    assert told(fake) == ["reachable", "unreachable"]


async def test_each_change_is_told_and_the_last_word_is_what_holds(fake, connected, itop, running):
    async with connected(fake) as broker:
        presence = Presence(broker, lambda: itop.reachable)
        async with running(presence.run()):
            for reachable in (False, True, False):  # at once
                itop.reachable = reachable
                presence.note_change()
            await fake.until(lambda: told(fake))
            assert told(fake) == ["unreachable"]
            itop.reachable = True
            presence.note_change()
            await fake.until(lambda: len(told(fake)) == 2)
    assert told(fake) == ["unreachable", "reachable"]


async def test_without_a_connection_nothing_is_told(fake, connected, itop):
    async with connected(fake) as broker:
        broker.connection.drop("lost")
        await Presence(broker, lambda: itop.reachable).tell()
    assert told(fake) == []


async def test_a_broker_that_refuses_the_topic_is_logged_once(fake, connected, itop):
    fake.take = lambda _: 0x87
    async with connected(fake) as broker:
        presence = Presence(broker, lambda: itop.reachable)
        with capture_logs() as logs:
            await presence.tell()
            fake.take = lambda _: 0
            await presence.tell()
            assert len(fake.published) == 1
            presence.forgive()
            await presence.tell()
    assert len(fake.published) == 2
    assert [line["event"] for line in logs] == ["presence.refused"]


async def test_a_word_that_was_not_answered_is_told_again(fake, connected, itop, running):
    async with connected(fake) as broker:
        slept = []
        tried = []

        async def sleep(delay_s):
            slept.append(delay_s)

        async def publish(word):
            tried.append(word)
            if len(tried) == 1:
                raise BrokerError("no answer")

        broker.publish_itop = publish
        presence = Presence(broker, lambda: itop.reachable, sleep=sleep)
        async with running(presence.run()):
            presence.note_change()
            async with asyncio.timeout(5):
                while len(tried) < 2:  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0)
    assert (tried, slept) == (["reachable", "reachable"], [RETRY_S])
