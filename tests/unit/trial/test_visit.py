import pytest

from itop_bridge.trial.finding import Verdict
from itop_bridge.trial.visit import examine_broker
from tests.fakes.broker import FakeBroker
from tests.fakes.intake import settings_for

FILTERS = {"siem/+/wazuh": ["routes[0].topic", "routes[2].topic"], "siem/+/generic": ["routes[1].topic"]}


async def examine(fake, filters=None, **changes):
    found = await examine_broker(
        settings_for(fake.port, **changes),
        FILTERS if filters is None else filters,
        "c.yaml:{}".format,
        token=lambda: "t",
    )
    return [(each.verdict, each.place) for each in found], [each.text for each in found]


@pytest.mark.parametrize(("protocol", "level"), [("5", 5), ("3.1.1", 4)])
async def test_the_visit_has_a_name_and_a_clean_session_of_its_own_and_leaves_no_trace(protocol, level):
    async with FakeBroker() as fake:
        found, texts = await examine(fake, protocol=protocol)
        await fake.until(lambda: fake.disconnects == 1)
    [connect] = fake.connects
    assert (connect.level, connect.client_id, connect.clean) == (level, "itop-bridge-check-t", True)
    assert b"\x11" not in connect.properties[:1]  # no session expiry: the session ends with the connection
    assert (connect.will_topic, fake.published, fake.acknowledged) == (None, [], [])
    assert [name for name, _ in fake.subscribed] == list(FILTERS)
    assert found == [
        (Verdict.OK, "c.yaml:mqtt.host"),
        (Verdict.OK, "c.yaml:routes[0].topic"),
        (Verdict.OK, "c.yaml:routes[2].topic"),
        (Verdict.OK, "c.yaml:routes[1].topic"),
    ]
    assert f"(MQTT {protocol})" in texts[0]


async def test_messages_that_arrive_meanwhile_are_neither_looked_at_nor_acknowledged():
    async with FakeBroker() as fake:

        def grant(_filter):
            for body in (fake._publish_body(b"siem/EXC/wazuh", b"{}", 1, 1, b""),):
                fake._writer.write(b"\x32" + bytes([len(body)]) + body)
            return 1

        fake.grant = grant
        found, _ = await examine(fake)
        await fake.until(lambda: fake.disconnects == 1)
    assert {verdict for verdict, _ in found} == {Verdict.OK}
    assert fake.acknowledged == []


async def test_a_filter_that_is_not_granted_is_wrong_at_every_route_that_has_it():
    async with FakeBroker(grant=lambda name: 0x87 if name.endswith("wazuh") else 1) as fake:
        found, texts = await examine(fake)
    assert [place for verdict, place in found if verdict is Verdict.WRONG] == [
        "c.yaml:routes[0].topic",
        "c.yaml:routes[2].topic",
    ]
    assert "does not let this user subscribe to siem/+/wazuh" in texts[1]


@pytest.mark.parametrize(
    ("code", "verdict", "place"),
    [
        (0x86, Verdict.WRONG, "mqtt.username"),
        (0x87, Verdict.WRONG, "mqtt.username"),
        (0x85, Verdict.WRONG, "mqtt.client_id"),
        (0x84, Verdict.WRONG, "mqtt.protocol"),
        (0x8A, Verdict.WRONG, "mqtt.host"),
        (0x88, Verdict.UNREACHED, "mqtt.host"),
    ],
)
async def test_a_refusal_is_told_at_the_setting_at_fault(code, verdict, place):
    async with FakeBroker(refuse={5: code}) as fake:
        found, _ = await examine(fake, protocol="5")
    assert found == [(verdict, f"c.yaml:{place}")]


async def test_a_broker_that_is_not_there_is_unreached():
    async with FakeBroker() as fake:
        pass
    found, texts = await examine(fake)
    assert found == [(Verdict.UNREACHED, "c.yaml:mqtt.host")]
    assert "Connection refused" in texts[0]


async def test_a_broker_that_leaves_before_it_has_answered_is_unreached():
    async with FakeBroker() as fake:

        def grant(_filter):
            fake._writer.transport.abort()
            return 1

        fake.grant = grant
        found, _ = await examine(fake)
    assert [verdict for verdict, _ in found] == [Verdict.OK, Verdict.UNREACHED]
