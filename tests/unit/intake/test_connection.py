"""A connection against the fake broker: bounds, order, and what ends it."""

import asyncio
import contextlib
import socket
import threading

import pytest

from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import (
    BrokerError,
    BrokerLostError,
    BrokerUnreachableError,
    PublishRefusedError,
)
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import settings_for


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request):
    return request.param


@contextlib.asynccontextmanager
async def connected(fake, **changes):
    connection = await Broker(settings_for(fake.port, **changes), clock=lambda: 1000.0).connect()
    try:
        yield connection
    finally:
        connection.drop("the test is over")


async def take(connection, count):
    """The batches that together hold `count` messages, and the messages."""
    batches = []
    while sum(len(batch.messages) for batch in batches) < count:
        async with asyncio.timeout(5):
            batches.append(await connection.next_batch())
    return batches, [message for batch in batches for message in batch.messages]


async def wait_for(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def test_nothing_is_acknowledged_until_told_and_then_in_order_of_arrival(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        for mid in (7, 3, 9, 1):
            await fake.send(b"siem/a", str(mid).encode(), mid=mid)
        batches, messages = await take(connection, 4)
        assert [message.payload for message in messages] == [b"7", b"3", b"9", b"1"]
        await connection.send("marker", b"", qos=1, retain=False)  # answered: a PUBACK of ours would have come before
        assert fake.acknowledged == []
        for batch in batches:
            batch.acknowledge()
        await fake.until(lambda: len(fake.acknowledged) == 4)
        assert fake.acknowledged == [7, 3, 9, 1]


async def test_a_message_is_taken_as_it_came(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await fake.send(b"siem/a", b"\xff\x00{", mid=5)
        _, (message,) = await take(connection, 1)
    assert (message.topic, message.payload, message.received, message.size, message.qos, message.retain) == (
        b"siem/a", b"\xff\x00{", 1000.0, 3, 1, False,
    )  # fmt: skip


async def test_a_topic_that_is_not_utf8_is_taken_as_bytes(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await fake.send(b"siem/\xff\xfe", mid=1)
        await fake.send(b"siem/next", mid=2)
        _, messages = await take(connection, 2)
    assert [message.topic for message in messages] == [b"siem/\xff\xfe", b"siem/next"]


async def test_after_a_loss_nothing_is_acknowledged_on_the_next_connection(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as first:
        await fake.send(b"siem/a", mid=1)
        (batch,), _ = await take(first, 1)
        await fake.hang_up_now()
        await wait_for(lambda: first.loss)
        async with connected(fake, protocol=protocol) as second:
            assert batch.acknowledge() == 0
            await second.send("marker", b"", qos=1, retain=False)
            assert fake.acknowledged == []


async def test_what_was_read_before_a_loss_is_still_handed_out():
    async with FakeBroker() as fake, connected(fake) as connection:
        await fake.send(b"siem/a", b"read", mid=1)
        await fake.hang_up_now()
        await wait_for(lambda: connection.loss)
        _, (message,) = await take(connection, 1)
        assert message.payload == b"read"
        assert await connection.next_batch() is None


async def test_a_broker_that_ignores_receive_maximum_is_not_read_beyond_the_byte_bound(protocol):
    size, bound, count = 10_000, 100_000, 60
    async with (
        FakeBroker() as fake,
        connected(fake, protocol=protocol, max_pending=bound, receive_maximum=2) as connection,
    ):
        sending = asyncio.create_task(_send_all(fake, count, size))
        await wait_for(lambda: connection.paused)
        assert bound < connection.pending <= bound + size + 1000
        seen = 0
        while seen < count:
            batches, messages = await take(connection, 1)
            seen += len(messages)
            assert connection.pending <= bound + size + 1000
            for batch in batches:
                batch.acknowledge()
        await sending
        await fake.until(lambda: fake.acknowledged == list(range(1, count + 1)))
        assert not connection.paused


async def _send_all(fake, count, size):
    for mid in range(1, count + 1):
        await fake.send(b"siem/a", b"x" * size, mid=mid)


async def test_reading_goes_on_only_when_half_of_the_bound_is_free(monkeypatch):
    monkeypatch.setattr("itop_bridge.intake.inbox.MOST_IN_BATCH", 1)
    async with FakeBroker() as fake, connected(fake, max_pending=10_000) as connection:
        for mid in (1, 2, 3):
            await fake.send(b"siem/a", b"x" * 4000, mid=mid)
        await wait_for(lambda: connection.paused)
        batches, _ = await take(connection, 3)
        batches[0].acknowledge()
        assert connection.paused
        batches[1].acknowledge()
        assert not connection.paused
        await fake.send(b"siem/a", b"again", mid=4)
        _, (message,) = await take(connection, 1)
        assert message.payload == b"again"


async def test_what_was_read_ahead_before_a_pause_comes_after_it(protocol):
    payloads = [b"%d" % number for number in range(20)]
    async with FakeBroker() as fake, connected(fake, protocol=protocol, max_pending=2000) as connection:
        await fake.send_at_once(b"siem/a", payloads)
        await wait_for(lambda: connection.paused)
        seen = []
        while len(seen) < 20:
            batches, messages = await take(connection, 1)
            seen += [message.payload for message in messages]
            for batch in batches:
                batch.acknowledge()
        assert seen == payloads


async def test_a_retained_message_is_acknowledged_and_not_handed_out(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await fake.send(b"siem/a", b"old", mid=1, retain=True)
        await fake.send(b"siem/a", b"new", mid=2)
        batches, messages = await take(connection, 1)
        assert [message.payload for message in messages] == [b"new"]
        assert [word for batch in batches for word in batch.ignored] == ["retained"]
        assert sum(batch.acknowledge() for batch in batches) == 2
        await fake.until(lambda: fake.acknowledged == [1, 2])


async def test_a_message_at_qos_0_is_handed_out_and_not_acknowledged(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await fake.send(b"siem/a", b"0", qos=0)
        (batch,), (message,) = await take(connection, 1)
        assert batch.acknowledge() == 0
        await connection.send("marker", b"", qos=1, retain=False)
        assert message.qos == 0
        assert fake.acknowledged == []


async def test_after_stop_taking_nothing_more_is_taken_or_acknowledged():
    async with FakeBroker() as fake, connected(fake) as connection:
        await fake.send(b"siem/a", b"before", mid=1)
        await wait_for(lambda: connection.pending)
        connection.stop_taking()
        await fake.send(b"siem/a", b"after", mid=2)
        await connection.send("marker", b"", qos=1, retain=False)
        (batch,), (message,) = await take(connection, 1)
        batch.acknowledge()
        assert message.payload == b"before"
        assert await connection.next_batch() is None
        await fake.until(lambda: fake.acknowledged == [1])


async def test_close_says_goodbye_after_the_acknowledgements(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await fake.send(b"siem/a", mid=4)
        (batch,), _ = await take(connection, 1)
        batch.acknowledge()
        await connection.close()
        await fake.until(lambda: fake.disconnects)
        assert fake.acknowledged == [4]


async def test_filters_that_are_not_granted_at_qos_1_are_told(protocol):
    codes = {"granted": 1, "refused": 0x80, "unsafe": 0}
    async with FakeBroker(grant=codes.get) as fake, connected(fake, protocol=protocol) as connection:
        assert await connection.subscribe_filters(list(codes)) == ["refused", "unsafe"]


async def test_subscriptions_ask_for_qos_1_and_no_retained_messages(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await connection.subscribe_filters(["siem/#"])
    assert fake.subscribed == [("siem/#", 0b10_0001 if protocol == "5" else 1)]


async def test_overlapping_filters_are_subscribed_with_identifiers_of_their_own():
    async with FakeBroker(grant={"a/+": 1, "+/b": 0x87}.get) as fake, connected(fake, protocol="5") as connection:
        assert await connection.subscribe_filters(["a/+", "+/b"]) == ["+/b"]
        assert [name for name, _ in fake.subscribed] == ["a/+", "+/b"]
        assert len(set(fake.identifiers)) == 2


async def test_a_broker_without_subscription_identifiers_is_not_given_any():
    async with (
        FakeBroker(connack_properties=b"\x29\x00") as fake,
        connected(fake, protocol="5") as connection,
    ):
        assert await connection.subscribe_filters(["a/+", "+/b"]) == []
        assert fake.identifiers == [b""]


async def test_a_copy_through_another_subscription_is_acknowledged_and_not_handed_out():
    async with FakeBroker() as fake, connected(fake, protocol="5") as connection:
        for mid, identifier in enumerate((b"\x01", b"\x02", b"\x01"), 1):
            await fake.send(b"siem/a", b"same", mid=mid, properties=b"\x0b" + identifier)
        batches, messages = await take(connection, 2)
        assert [message.payload for message in messages] == [b"same", b"same"]
        for batch in batches:
            batch.acknowledge()
        await fake.until(lambda: fake.acknowledged == [1, 2, 3])


async def test_a_call_fails_at_once_when_the_connection_is_lost():
    async with FakeBroker(silent=True) as fake, connected(fake) as connection:
        subscribing = asyncio.create_task(connection.subscribe_filters(["siem/#"]))
        await asyncio.sleep(0.01)
        await fake.hang_up_now()
        with pytest.raises(BrokerLostError):
            await subscribing
        with pytest.raises(BrokerError):
            await connection.send("a", b"", qos=1, retain=False)


async def test_a_topic_that_cannot_be_published_is_an_error_of_the_call_only():
    async with FakeBroker() as fake, connected(fake) as connection:
        with pytest.raises(BrokerError):
            await connection.send("a/#", b"", qos=1, retain=False)
        await connection.send("a", b"fine", qos=1, retain=False)
        assert fake.published == [("a", b"fine", False)]


async def test_the_brokers_reason_is_kept():
    async with FakeBroker() as fake, connected(fake, protocol="5") as connection:
        await fake.disconnect(0x8E)
        await wait_for(lambda: connection.loss)
    assert connection.loss.code == 0x8E
    assert not connection.loss.ours


async def test_a_packet_that_cannot_be_parsed_ends_the_connection():
    async with FakeBroker() as fake, connected(fake, protocol="5") as connection:
        await fake.send(b"siem/a", properties=b"\x7f\x7f")
        await wait_for(lambda: connection.loss)
    assert connection.loss.ours


async def test_bytes_after_the_end_are_left_alone():
    async with FakeBroker() as fake, connected(fake, protocol="5") as connection:
        fake._writer.write(b"\xe0\x01\x8b" + b"\x30\x04\x00\x01a\x00" * 3)
        async with asyncio.timeout(5):
            assert await connection.next_batch() is None
        assert connection.loss.code == 0x8B


async def test_a_parser_that_raises_ends_the_connection_and_does_not_spin():
    def parse():
        raise RuntimeError("a bug of the parser")

    async with FakeBroker() as fake, connected(fake) as connection:
        connection._client._packet_handle = parse
        await fake.send(b"siem/a")
        await wait_for(lambda: connection.loss)
    assert connection.loss.reason == "RuntimeError: a bug of the parser"
    assert connection.loss.ours


async def test_a_broker_that_hangs_up_before_its_answer_is_unreachable_at_once():
    async with FakeBroker(hang_up={5}) as fake, asyncio.timeout(5):
        with pytest.raises(BrokerUnreachableError, match="closed"):
            await Broker(settings_for(fake.port, protocol="5")).connect()


async def test_a_cancelled_connect_leaves_no_socket():
    gone = asyncio.Event()

    async def wait_for_the_end(reader, writer):
        while await reader.read(1000):
            pass
        writer.close()
        gone.set()

    async with await asyncio.start_server(wait_for_the_end, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connecting = asyncio.create_task(Broker(settings_for(port)).connect())
        await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_socket_that_opens_after_the_cancel_is_closed(monkeypatch):
    opening, go_on = threading.Event(), threading.Event()
    opened = []

    def open_slowly(*arguments, **options):
        opening.set()
        go_on.wait(5)
        opened.append(open_socket(*arguments, **options))
        return opened[0]

    open_socket = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", open_slowly)
    async with FakeBroker() as fake:
        connecting = asyncio.create_task(Broker(settings_for(fake.port)).connect())
        await asyncio.to_thread(opening.wait, 5)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        go_on.set()
        await wait_for(lambda: opened and opened[0].fileno() == -1)
        assert fake.connects == []


async def test_a_publication_that_the_broker_refuses_is_told_and_the_next_one_goes_on():
    codes = {"secret": 0x87, "nobody/reads/it": 0x10}
    async with FakeBroker(take=codes.get) as fake, connected(fake) as connection:
        with pytest.raises(PublishRefusedError, match="Not authorized"):
            await connection.send("secret", b"1", qos=1, retain=False)
        await connection.send("nobody/reads/it", b"2", qos=1, retain=False)
    assert [payload for _, payload, _ in fake.published] == [b"1", b"2"]


@pytest.mark.parametrize("topic", ["a/+", "#", "x" * 65_536, "\ud800"])
async def test_a_topic_that_is_none_is_refused_at_once(protocol, topic):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        with pytest.raises(PublishRefusedError):
            await connection.send(topic, b"", qos=1, retain=False)
        assert connection.is_open


async def test_a_publication_without_an_answer_fails_with_its_connection(protocol):
    async with FakeBroker(take=lambda _: None) as fake, connected(fake, protocol=protocol) as connection:
        sending = asyncio.create_task(connection.send("a", b"1", qos=1, retain=False))
        await fake.until(lambda: fake.published)
        assert not sending.done()
        await fake.hang_up_now()
        with pytest.raises(BrokerLostError):
            await sending


async def test_publications_are_sent_in_the_order_of_their_calls(protocol):
    async with FakeBroker() as fake, connected(fake, protocol=protocol) as connection:
        await asyncio.gather(*(connection.send("a", b"%d" % n, qos=1, retain=False) for n in range(50)))
    assert [payload for _, payload, _ in fake.published] == [b"%d" % n for n in range(50)]


@pytest.mark.parametrize(("most", "window"), [(b"", 20), (b"\x21\x00\x05", 4), (b"\x21\x00\x01", 1)])
async def test_no_more_is_sent_at_once_than_the_broker_takes(most, window):
    async with FakeBroker(connack_properties=most) as fake, connected(fake) as connection:
        assert connection.window == window


async def test_a_broker_that_wants_less_for_now_has_not_refused():
    async with FakeBroker(take=lambda _: 0x97) as fake, connected(fake) as connection:
        with pytest.raises(BrokerError, match="Quota exceeded") as caught:
            await connection.send("a", b"1", qos=1, retain=False)
    assert not isinstance(caught.value, PublishRefusedError)
