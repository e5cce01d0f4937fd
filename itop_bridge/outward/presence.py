"""Presence: `<base>/itop` says whether iTop is reached, beside `<base>/status`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import BrokerError, PublishRefusedError
from itop_bridge.outward.refusal import Refusals

RETRY_S = 5.0


class Presence:
    """Tells `reachable` or `unreachable`, retained: with each new connection, and whenever it changes.

    `is_reachable` is asked at the moment of telling, so that what is told last is what holds.
    """

    def __init__(
        self,
        broker: Broker,
        is_reachable: Callable[[], bool],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._is_reachable = is_reachable
        self._sleep = sleep
        self._changed = asyncio.Event()
        self._refusals = Refusals("presence.refused", monotonic=monotonic)

    def forgive(self) -> None:
        """What was refused is tried again."""
        self._refusals.forgive()
        self._changed.set()

    def note_change(self) -> None:
        """It may be another word now."""
        self._changed.set()

    async def tell(self) -> None:
        """Tell it on the present connection, if there is one. Raises BrokerError, but not where its topic is refused.

        Then nothing is told for a while.
        """
        topic = self._broker.itop_topic
        if not self._broker.is_open or self._refusals.holds(topic):
            return
        try:
            await self._broker.publish_itop("reachable" if self._is_reachable() else "unreachable")
        except PublishRefusedError as error:
            self._refusals.note_refused(topic, detail=str(error))
        else:
            self._refusals.note_taken(topic)

    async def run(self) -> None:
        """Tell each change, for ever. Without a connection nothing is told: the next one begins with it."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.tell()
            except BrokerError:  # lost, which intake tells; or no answer came: once more
                self._changed.set()
                await self._sleep(RETRY_S)
