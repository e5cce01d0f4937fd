"""A visit to the broker: log in, ask for the routes' subscriptions, leave. Nobody else notices.

The visit has a client id of its own and a session that begins empty and ends with it. So the daemon's session is not
touched, and no message is taken from it: every session gets its own copy of a message. What arrives here is not looked
at. There is no last will, and nothing is published.
"""

import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

import aiomqtt

from itop_bridge.intake.broker import UNSUPPORTED_PROTOCOL_VERSION, Broker
from itop_bridge.intake.connection import BrokerError, BrokerRefusedError, Connection
from itop_bridge.intake.inbox import Inbox
from itop_bridge.settings.model import Mqtt
from itop_bridge.trial.finding import Finding, Verdict

_ANSWER_TIMEOUT_S = 10.0
_PATHS = {
    UNSUPPORTED_PROTOCOL_VERSION: "mqtt.protocol",
    133: "mqtt.client_id",
    134: "mqtt.username",
    135: "mqtt.username",
}
"""The settings at fault, by MQTT 5's reason codes (section 3.2.2.2)."""
_BUSY = (136, 137)
"""Server unavailable, server busy."""


class Visitor(Broker):
    """Connects as a guest; only `connect` is of use."""

    def _new_connection(self, version: aiomqtt.ProtocolVersion, context: ssl.SSLContext | None) -> Connection:
        settings = self.settings
        session = {"clean_start": True} if version == aiomqtt.ProtocolVersion.V5 else {"clean_session": True}
        connection = Connection(
            Inbox(max_pending=settings.max_pending, max_payload=settings.max_payload),
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password.reveal() if settings.password else None,
            identifier=settings.client_id,
            protocol=version,
            timeout=_ANSWER_TIMEOUT_S,
            tls_context=context,
            **session,
        )
        connection.stop_taking()
        return connection


async def examine_broker(
    settings: Mqtt,
    filters: Mapping[str, Sequence[str]],
    locate: Callable[[str], str],
    *,
    token: Callable[[], str] = lambda: secrets.token_hex(4),
) -> list[Finding]:
    """Whether the broker lets the bridge in and grants the routes' `filters`, each with the paths of its settings."""
    guest = settings.model_copy(update={"client_id": f"{settings.client_id}-check-{token()}"})
    try:
        connection = await Visitor(guest).connect()
    except BrokerError as error:
        return [_judge_failure(error, settings, locate)]
    protocol = "5" if connection.is_mqtt5 else "3.1.1"
    found = [Finding(Verdict.OK, locate("mqtt.host"), f"mqtt: logged in to {_name(settings)} (MQTT {protocol})")]
    try:
        refused = await connection.subscribe_filters(list(filters))
    except BrokerError as error:
        return [*found, Finding(Verdict.UNREACHED, locate("mqtt.host"), f"mqtt: {_name(settings)}: {error}")]
    finally:
        await connection.close()
    return [*found, *_judge_filters(filters, refused, locate)]


def _judge_filters(
    filters: Mapping[str, Sequence[str]], refused: Sequence[str], locate: Callable[[str], str]
) -> Iterator[Finding]:
    for filter_, paths in filters.items():
        for path in paths:
            if filter_ in refused:
                told = f"the broker does not let this user subscribe to {filter_} with QoS 1"
                yield Finding(Verdict.WRONG, locate(path), f"{path}: {told}")
            else:
                yield Finding(Verdict.OK, locate(path), f"{path}: {filter_} is granted with QoS 1")


def _judge_failure(error: BrokerError, settings: Mqtt, locate: Callable[[str], str]) -> Finding:
    if not isinstance(error, BrokerRefusedError):
        return Finding(Verdict.UNREACHED, locate("mqtt.host"), f"mqtt.host: {error}")
    if error.code in _BUSY:
        return Finding(Verdict.UNREACHED, locate("mqtt.host"), f"mqtt.host: {_name(settings)}: {error}")
    path = _PATHS.get(error.code, "mqtt.host")
    return Finding(Verdict.WRONG, locate(path), f"{path}: the broker refused the login: {error}")


def _name(settings: Mqtt) -> str:
    return f"{settings.host}:{settings.port}"
