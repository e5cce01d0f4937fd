"""How a connection is asked for."""

import aiomqtt
import pytest

from itop_bridge.intake.broker import Broker, decide_versions
from itop_bridge.intake.connection import BrokerLostError, BrokerRefusedError, BrokerUnreachableError
from itop_bridge.settings.model import Tls
from itop_bridge.settings.secret import Secret
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import settings_for

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311


@pytest.mark.parametrize(("protocol", "versions"), [("auto", (V5, V311)), ("5", (V5,)), ("3.1.1", (V311,))])
def test_auto_tries_mqtt_5_first(protocol, versions):
    assert decide_versions(protocol) == versions


async def test_the_session_is_kept_and_a_last_will_left():
    async with FakeBroker() as fake:
        settings = settings_for(
            fake.port, username="bridge", password=Secret("s3cret"), session_expiry=0x01020304, receive_maximum=0x0506
        )
        broker = Broker(settings)
        await broker.connect()
        await broker.disconnect()
    (connect,) = fake.connects
    assert (connect.level, connect.client_id, connect.clean, connect.keepalive) == (5, "itop-bridge", False, 60)
    assert b"\x11\x01\x02\x03\x04" in connect.properties
    assert b"\x21\x05\x06" in connect.properties
    assert (connect.will_topic, connect.will_payload, connect.will_retained) == ("itop-bridge/status", b"offline", True)
    assert (connect.username, connect.password) == ("bridge", "s3cret")
    assert fake.published == [("itop-bridge/status", b"offline", True), ("itop-bridge/itop", b"unknown", True)]


async def test_the_session_is_kept_with_mqtt_3_1_1_too():
    async with FakeBroker() as fake:
        broker = Broker(settings_for(fake.port, protocol="3.1.1"))
        await broker.connect()
        await broker.disconnect()
    assert (fake.connects[0].level, fake.connects[0].clean) == (4, False)


@pytest.mark.parametrize("code", [132, 1])
async def test_mqtt_3_1_1_is_spoken_when_the_broker_does_not_know_5(code):
    async with FakeBroker(refuse={5: code}) as fake:
        broker = Broker(settings_for(fake.port))
        connection = await broker.connect()
        assert not connection.is_mqtt5
        await broker.disconnect()
    assert [connect.level for connect in fake.connects] == [5, 4]


async def test_a_closed_socket_is_no_reason_to_fall_back():
    async with FakeBroker(hang_up={5}) as fake:
        with pytest.raises(BrokerUnreachableError):
            await Broker(settings_for(fake.port)).connect()
    assert [connect.level for connect in fake.connects] == [5]


@pytest.mark.parametrize(("protocol", "level", "code"), [("auto", 5, 0x87), ("3.1.1", 4, 5)])
async def test_another_refusal_is_no_reason_to_fall_back(protocol, level, code):
    async with FakeBroker(refuse={level: code}) as fake:
        with pytest.raises(BrokerRefusedError, match="Not authorized") as caught:
            await Broker(settings_for(fake.port, protocol=protocol)).connect()
    assert caught.value.code == 0x87
    assert len(fake.connects) == 1


async def test_where_nobody_listens_the_broker_is_unreachable():
    async with FakeBroker() as fake:
        port = fake.port
    with pytest.raises(BrokerUnreachableError, match=f"^no connection to 127.0.0.1:{port}: Connection refused$"):
        await Broker(settings_for(port)).connect()


async def test_missing_tls_files_never_lead_to_a_plain_connection(tmp_path):
    tls = Tls.model_construct(ca_file=tmp_path / "missing.pem")
    async with FakeBroker() as fake:
        with pytest.raises(BrokerUnreachableError, match=r"mqtt\.tls"):
            await Broker(settings_for(fake.port, tls=tls)).connect()
    assert fake.connects == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves its socket to the GC
async def test_a_plain_port_is_refused_where_tls_is_set():
    tls = Tls()
    async with FakeBroker() as fake:
        with pytest.raises(BrokerUnreachableError):
            await Broker(settings_for(fake.port, tls=tls)).connect()
    assert fake.connects == []


async def test_publishing_without_a_connection_is_an_error():
    with pytest.raises(BrokerLostError):
        await Broker(settings_for(1)).publish("a", b"")


async def test_a_result_carries_its_correlation():
    async with FakeBroker() as fake:
        broker = Broker(settings_for(fake.port))
        await broker.connect()
        await broker.publish("reply/1", b"done", correlation=b"\x01")
        await broker.disconnect()
    assert ("reply/1", b"done", False) in fake.published


async def test_where_the_word_on_itop_is_not_allowed_the_status_is_said_all_the_same():
    async with FakeBroker(take=lambda topic: 0x87 if topic.endswith("/itop") else 0) as fake:
        broker = Broker(settings_for(fake.port))
        await broker.connect()
        assert await broker.disconnect()
    assert fake.published[0] == ("itop-bridge/status", b"offline", True)


async def test_what_is_published_while_the_connection_is_ended_is_not_sent():
    async with FakeBroker() as fake:
        broker = Broker(settings_for(fake.port))
        assert (broker.is_open, broker.window) == (False, 1)
        with pytest.raises(BrokerLostError):
            await broker.publish_itop("reachable")
        connection = await broker.connect()
        assert (broker.is_open, broker.window) == (True, 20)
        connection.stop_taking()
        assert not broker.is_open
        for publishing in (broker.publish("a", b"1"), broker.publish_itop("reachable")):
            with pytest.raises(BrokerLostError):
                await publishing
        await broker.publish_status("still here")
        await broker.disconnect()
    assert [payload for _, payload, _ in fake.published] == [b"still here", b"offline", b"unknown"]
