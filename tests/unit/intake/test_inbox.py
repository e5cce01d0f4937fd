import hashlib

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from itop_bridge.intake.inbox import HEAD_BYTES, Inbox, cut_payload


def message(payload=b"{}", topic=b"siem/a", *, mid=1, qos=1, retain=False, **properties):
    made = paho.MQTTMessage(mid, topic)
    made.payload, made.qos, made.retain = payload, qos, retain
    if properties:
        made.properties = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(made.properties, name, value)
    return made


def new_inbox(**changes):
    return Inbox(**{"max_pending": 10_000, "max_payload": 10_000, "clock": lambda: 1000.0} | changes)


def taken(inbox, *messages):
    for one in messages:
        inbox.put(one)
    return inbox.take()


def test_a_message_is_kept_as_it_came():
    (delivery,) = taken(new_inbox(), message(b"\xff\x00{", mid=7))
    kept = delivery.message
    assert (delivery.mid, delivery.qos, delivery.ignored) == (7, 1, None)
    assert (kept.topic, kept.payload, kept.received, kept.size, kept.qos) == (b"siem/a", b"\xff\x00{", 1000.0, 3, 1)
    assert (kept.response_topic, kept.correlation) == (None, None)


def test_a_topic_that_is_not_utf8_is_kept_as_bytes():
    (delivery,) = taken(new_inbox(), message(topic=b"siem/\xff"))
    assert delivery.message.topic == b"siem/\xff"


def test_response_topic_and_correlation_are_kept():
    (delivery,) = taken(new_inbox(), message(ResponseTopic="reply", CorrelationData=b"\x00\xff"))
    assert (delivery.message.response_topic, delivery.message.correlation) == ("reply", b"\x00\xff")


@pytest.mark.parametrize("over", [0, 1])
def test_a_payload_over_the_limit_is_kept_as_head_size_and_hash(over):
    payload = b"x" * (10_000 + over)
    (delivery,) = taken(new_inbox(), message(bytearray(payload)))
    cut = payload[:HEAD_BYTES] + b"\nsha256:" + hashlib.sha256(payload).hexdigest().encode()
    assert delivery.message.payload == (cut if over else payload)
    assert delivery.message.size == len(payload)


def test_two_large_payloads_with_one_head_stay_apart():
    assert cut_payload(b"a" * 10_000 + b"1", 5000) != cut_payload(b"a" * 10_000 + b"2", 5000)


def test_what_is_kept_is_shorter_than_what_was_sent_at_the_smallest_limit():
    (delivery,) = taken(new_inbox(max_payload=1024), message(b"x" * 1025))
    assert len(delivery.message.payload) == 1024 < delivery.message.size


def test_retained_messages_and_copies_are_ignored_with_a_reason():
    deliveries = taken(
        new_inbox(),
        message(retain=True),
        message(SubscriptionIdentifier=1),
        message(SubscriptionIdentifier=2),
    )
    assert [delivery.ignored for delivery in deliveries] == ["retained", None, "copy"]


def test_the_bound_counts_what_is_not_settled_also_where_it_was_taken():
    inbox = new_inbox(max_pending=10_000)
    for mid in (1, 2, 3):
        inbox.put(message(b"x" * 4000, mid=mid))
    assert inbox.is_full
    deliveries = inbox.take()
    assert not inbox
    assert inbox.is_full
    inbox.settle(deliveries[:1])
    assert not inbox.is_full
    assert not inbox.has_room
    inbox.settle(deliveries[1:])
    assert inbox.has_room
    assert inbox.pending == 0


def test_empty_messages_count_too():
    inbox = new_inbox(max_pending=10_000)
    while not inbox.is_full:
        inbox.put(message(b""))
    assert len(inbox) < 25


def test_a_batch_is_bounded_and_in_order_of_arrival(monkeypatch):
    monkeypatch.setattr("itop_bridge.intake.inbox.MOST_IN_BATCH", 2)
    inbox = new_inbox()
    assert [delivery.mid for delivery in taken(inbox, *(message(mid=mid) for mid in (3, 1, 2)))] == [3, 1]
    assert [delivery.mid for delivery in inbox.take()] == [2]
    assert inbox.take() == []
