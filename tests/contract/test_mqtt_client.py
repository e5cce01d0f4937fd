"""What the bridge needs of aiomqtt's and paho's private names: an upgrade that moves them fails here, by name."""

import asyncio
import inspect
import struct

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from itop_bridge.intake.connection import Connection


@pytest.fixture
async def client():
    return aiomqtt.Client("127.0.0.1")


async def test_aiomqtt_holds_paho_as_client(client):
    assert isinstance(client._client, paho.Client)


@pytest.mark.parametrize(
    "name",
    ["_on_connect", "_on_disconnect", "_on_message", "_on_publish", "_on_socket_open", "_on_socket_register_write"],
)
async def test_aiomqtt_gives_paho_the_callbacks_that_are_overridden(client, name):
    own = getattr(client, name)
    assert getattr(client._client, name.removeprefix("_")) == own
    inherited = list(inspect.signature(own).parameters.values())
    overridden = list(inspect.signature(getattr(Connection, name)).parameters.values())[1:]
    assert [p.default for p in overridden] == [p.default for p in inherited]


async def test_aiomqtt_tells_the_connection_by_two_futures(client):
    assert not client._connected.done()
    assert not client._disconnected.done()
    assert client._misc_task is None
    assert inspect.iscoroutinefunction(client._misc_loop)


async def test_pahos_socket_is_read_in_one_place_and_closed_in_one(client):
    assert list(inspect.signature(client._client._sock_recv).parameters) == ["bufsize"]
    assert "self._sock_recv(" in inspect.getsource(paho.Client._packet_read)
    client._client._sock_close()


def test_pahos_message_keeps_the_topic_as_bytes():
    message = paho.MQTTMessage(1, b"\xff")
    assert message._topic == b"\xff"
    with pytest.raises(UnicodeDecodeError):
        _ = message.topic


def test_paho_acknowledges_only_when_told():
    client = paho.Client(CallbackAPIVersion.VERSION2, "contract", protocol=paho.MQTTv311)
    client.manual_ack_set(True)
    seen = []
    client.on_message = lambda _client, _userdata, message: seen.append(message)
    body = struct.pack("!H", 1) + b"t" + struct.pack("!H", 9) + b"payload"
    client._in_packet |= {"command": 0x32, "packet": bytearray(body), "remaining_length": len(body)}
    client._packet_handle()
    assert (seen[0]._topic, bytes(seen[0].payload), seen[0].mid) == (b"t", b"payload", 9)
    assert not client._out_packet
    client.ack(9, 1)
    assert [packet["packet"] for packet in client._out_packet] == [struct.pack("!BBH", 0x40, 2, 9)]


def test_pahos_word_for_a_closed_socket():
    code = paho.convert_disconnect_error_code_to_reason_code(paho.MQTT_ERR_CONN_LOST)
    assert isinstance(code, ReasonCode)
    assert str(code) == "Unspecified error"


def test_aiomqtts_publish_does_not_give_the_reason_code_of_a_puback():
    """If it did, ours would not be needed."""
    assert inspect.signature(aiomqtt.Client.publish).return_annotation in (None, "None")


def test_paho_gives_the_reason_code_of_a_puback_with_its_number():
    client = paho.Client(CallbackAPIVersion.VERSION2, "contract", protocol=paho.MQTTv5)
    seen = []
    client.on_publish = lambda _client, _userdata, mid, code, _properties: seen.append((mid, code.value))
    client._out_messages[9] = paho.MQTTMessage(9, b"t")
    client._inflight_messages = 1
    client._in_packet |= {"command": 0x40, "packet": bytearray(b"\x00\x09\x87\x00"), "remaining_length": 4}
    client._packet_handle()
    assert seen == [(9, 0x87)]


async def test_aiomqtt_waits_for_an_answer_as_long_as_its_timeout(client):
    assert list(inspect.signature(client._wait_for).parameters) == ["fut", "timeout"]
    client.timeout = 0.001
    with pytest.raises(aiomqtt.MqttError):
        await client._wait_for(asyncio.Event().wait(), None)
