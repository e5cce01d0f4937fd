import logging
import sys

import aiomqtt
import pytest

from itop_bridge.demo.broker import HOST, BrokerMissingError, serve_broker


async def test_a_message_reaches_its_subscriber():
    pytest.importorskip("amqtt")
    async with serve_broker() as port, aiomqtt.Client(HOST, port, protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe("siem/#", qos=1)
        await client.publish("siem/a", b"x", qos=1)
        message = await anext(aiter(client.messages))
        assert (str(message.topic), message.payload) == ("siem/a", b"x")
    assert logging.getLogger("amqtt").level == logging.ERROR


async def test_without_amqtt_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(BrokerMissingError, match=r"pip install 'itop-bridge\[demo\]'"):
        async with serve_broker():
            pass
