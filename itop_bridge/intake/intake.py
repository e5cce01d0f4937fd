"""Intake: connect, journal what arrives, acknowledge it; connect again when the broker is gone."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import JournalFullError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import (
    SESSION_TAKEN_OVER,
    Batch,
    BrokerError,
    BrokerRefusedError,
    BrokerUnreachableError,
    Connection,
    Loss,
)
from itop_bridge.intake.topic import reduce_filters
from itop_bridge.journal.intake import Received
from itop_bridge.log import Alarms, Faults, get_logger
from itop_bridge.settings.response import Refusal, decide_refusal

T = TypeVar("T")

QUICK_S = 10.0
"""A connection that did not last longer was lost right after connecting."""

MOST_QUICK_LOSSES = 3
"""So many in a row are no accident."""

SILENCE_S = 30.0
"""So long without a message after connecting, and the broker has sent again all that it had to."""

FULL_RETRY_S = 5.0
"""How long a full disk is given before the batch is tried again."""


class Journal(Protocol):
    """What intake needs of the journal; `itop_bridge.journal.intake.IntakeJournal` says what each does."""

    async def open_connection(self, *, session_present: bool) -> int: ...
    async def record_events(self, connection: int, batch: Sequence[Received]) -> int: ...
    async def fetch_filters(self) -> list[str]: ...
    async def record_filters(self, filters: Sequence[str]) -> None: ...
    async def record_acknowledged(self, connection: int) -> None: ...
    def end_redelivery(self) -> None: ...


@dataclass(slots=True)
class IntakeState:
    """What intake is doing, for the status page and the metrics. The counters count since the start."""

    connected: bool = False
    ready: bool = False
    """Connected, and every filter is subscribed at QoS 1."""
    since: float | None = None
    """When `connected` changed last, in seconds since the epoch."""
    protocol: str | None = None
    """Of the present or last connection: `5` or `3.1.1`."""
    connections: int = 0
    received: int = 0
    """Stored, or recognised as stored before."""
    acknowledged: int = 0
    """The ignored ones too, but none at QoS 0."""
    journaled: int = 0
    redelivered: int = 0
    """Received again after a reconnect, and recognised."""
    not_guaranteed: int = 0
    """Received at QoS 0, which a broker may lose."""
    retained_ignored: int = 0
    copies_ignored: int = 0
    """Received once more through another subscription."""


class Intake:
    """One client of one broker. `filters` are the topic filters of the routes.

    Alarms: `broker_unreachable`, `broker_refused`, `session_lost`, `subscription_refused`, `client_id_in_use`,
    `broker_unstable`, `journal_full`.
    """

    def __init__(  # noqa: PLR0913 - the last four are for tests
        self,
        broker: Broker,
        journal: Journal,
        alarms: Alarms,
        filters: Sequence[str],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.state = IntakeState()
        self._broker = broker
        self._journal = journal
        self._alarms = alarms
        self._filters = reduce_filters(filters)
        self._stale: list[str] = []
        self._refused: list[str] = []
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._draw = draw
        self._log = get_logger()
        self._faults = Faults(clock=monotonic)
        self._stop = asyncio.Event()
        self._subscribing = asyncio.Lock()
        self._failures = 0
        self._quick_losses = 0
        self.on_subscribed: Callable[[], Awaitable[None]] = _do_nothing
        """Called when a connection has subscribed, before it says `online`; may raise BrokerError."""
        self.on_refused: Callable[[Refusal], None] = lambda _reason: None
        """Called when a message names a response topic that is not used."""

    @property
    def filters(self) -> list[str]:
        """All that is subscribed now, or about to be, or not unsubscribed yet."""
        return list(dict.fromkeys([*self._filters, *self._stale]))

    async def run(self, stop: asyncio.Event) -> None:
        """Take messages until `stop`; then commit and acknowledge what was read, and leave the session at the broker.

        Waits out a full disk. Other errors of the journal end it, JournalUncertainError among them: what was not
        acknowledged comes again, and the daemon must not go on.
        """
        self._stop = stop
        try:
            while not stop.is_set():
                connection = await self._connect()
                if connection:
                    number = await self._serve(connection)
                    if await self._broker.disconnect():
                        await self._journal.record_acknowledged(number)
        finally:
            if self._broker.connection:  # only after an error
                self._broker.connection.drop("intake failed")

    async def change_filters(self, filters: Sequence[str]) -> None:
        """Take other filters, when the configuration was loaded again: at once, or with the next connection."""
        self._filters = reduce_filters(filters)
        connection = self._broker.connection
        if connection and self.state.connected:
            try:
                await self._subscribe(connection)
            except BrokerError as error:
                connection.drop(f"not subscribed: {error}")

    # connecting

    async def _connect(self) -> Connection | None:
        """The next connection, after the wait that is due; None if it failed or the stop came first."""
        reconnect = self._broker.settings.reconnect
        if self._failures:
            delay_s = jitter_delay(self._failures, reconnect.least, reconnect.most, self._draw)
            await self._unless_stopped(self._sleep(delay_s))
        if self._stop.is_set():
            return None
        try:
            return await self._unless_stopped(self._broker.connect())
        except BrokerRefusedError as error:
            self._failures += 1
            self._faults.tell("broker.refused", type(error).__name__, reason=str(error), attempt=self._failures)
            self._alarms.raise_("broker_refused", str(error))
            self._alarms.clear("broker_unreachable")
        except BrokerUnreachableError as error:
            self._failures += 1
            self._alarms.raise_("broker_unreachable", str(error))
            self._alarms.clear("broker_refused")
        return None

    # one connection

    async def _serve(self, connection: Connection) -> int:
        """Journal and acknowledge what a connection brings, until it is lost or the stop comes. Returns its number."""
        started = self._monotonic()
        await self._note_session(connection)
        number = await self._journal.open_connection(session_present=connection.session_present)
        self._note_connected(connection)
        stopping = asyncio.create_task(self._stop_taking(connection), name="intake-stop")
        tending = asyncio.create_task(self._tend(connection), name="intake-tend")
        resending = asyncio.create_task(self._await_resent(connection), name="intake-resent")
        try:
            while batch := await connection.next_batch():
                pass_point("intake.read")
                if not await self._record(number, batch):
                    break
                pass_point("intake.committed")
                self.state.acknowledged += batch.acknowledge()
        finally:
            self._note_disconnected()
            await _end(stopping)
            await _end(tending)
            await _end(resending)
        if connection.loss:
            self._note_loss(connection.loss, self._monotonic() - started)
        return number

    async def _record(self, number: int, batch: Batch) -> bool:
        """Journal a batch, waiting while the disk is full; False if the stop came first and nothing is stored."""
        full = False
        while True:
            try:
                new = await self._journal.record_events(number, batch.messages)
            except JournalFullError as error:
                full = True
                if self._alarms.raise_("journal_full", str(error)):
                    self._log.error("journal.paused", detail=str(error))
                await self._unless_stopped(self._sleep(FULL_RETRY_S))
                if self._stop.is_set():
                    return False
            else:
                if full and self._alarms.clear("journal_full"):
                    self._log.info("journal.resumed")
                self._count(number, batch, new)
                return True

    def _count(self, number: int, batch: Batch, new: int) -> None:
        again = len(batch.messages) - new
        self.state.received += len(batch.messages)
        self.state.journaled += new
        self.state.redelivered += again
        self.state.not_guaranteed += sum(message.qos == 0 for message in batch.messages)
        self.state.retained_ignored += batch.ignored.count("retained")
        self.state.copies_ignored += batch.ignored.count("copy")
        for message in batch.messages:
            self._weigh_response(message.response_topic)
        self._log.debug("event.journaled", count=new, connection=number)
        if again:
            self._log.info("event.redelivered", count=again, connection=number)

    def _weigh_response(self, topic: str | None) -> None:
        settings = self._broker.settings
        if topic is None:
            return
        if refusal := decide_refusal(topic, settings.response_prefix, settings.base_topic, self.filters):
            self.on_refused(refusal)

    async def _tend(self, connection: Connection) -> None:
        """What goes on beside the messages: subscribe, say online, forgive what went wrong before, try again."""
        most_s = self._broker.settings.reconnect.most
        try:
            await self._subscribe(connection)
            await self.on_subscribed()
            await self._broker.publish_status("online")
            await self._sleep(most_s)
            self._failures = self._quick_losses = 0
            self._alarms.clear("client_id_in_use")
            self._alarms.clear("broker_unstable")
            while self._refused:
                await self._subscribe(connection)
                await self._sleep(most_s)
        except BrokerError as error:
            connection.drop(f"not subscribed: {error}")
        except Exception:  # the journal's: `_serve` ends, and raises it
            connection.drop("intake failed")
            raise

    async def _await_resent(self, connection: Connection) -> None:
        """What the broker sends again it sends at once and before anything new: after a silence nothing more of it
        comes. What comes then is new, were it byte for byte what came before."""
        received = -1
        while connection.pending or received != self.state.received:
            received = self.state.received
            await self._sleep(SILENCE_S)
        self._journal.end_redelivery()

    async def _subscribe(self, connection: Connection) -> None:
        async with self._subscribing:
            wanted = self._filters
            before = self._stale = await self._journal.fetch_filters()
            if before != wanted:  # remembered first: a crash leaves a filter to be unsubscribed, never one unknown
                await self._journal.record_filters(list(dict.fromkeys([*before, *wanted])))
            self._refused = await connection.subscribe_filters(wanted) if wanted else []
            if stale := [old for old in before if old not in wanted]:
                await connection.unsubscribe_filters(stale)
            if before != wanted:
                await self._journal.record_filters(wanted)
            self._stale = []
        self.state.ready = self.state.connected and not self._refused
        if self._refused:
            self._alarms.raise_("subscription_refused", "the broker does not grant QoS 1", filters=self._refused)
        else:
            self._alarms.clear("subscription_refused")
            self._log.info("broker.subscribed", filters=len(wanted))

    async def _note_session(self, connection: Connection) -> None:
        if connection.session_present:
            self._alarms.clear("session_lost")
        elif self.state.connections or await self._journal.fetch_filters():
            self._log.warning("broker.session_missing")
            self._alarms.raise_("session_lost", "the broker kept nothing of what came while we were away")

    def _note_connected(self, connection: Connection) -> None:
        self.state.connected = True
        self.state.since = self._clock()
        self.state.connections += 1
        self.state.protocol = "5" if connection.is_mqtt5 else "3.1.1"
        self._alarms.clear("broker_unreachable")
        self._alarms.clear("broker_refused")
        self._faults.end("broker.refused")
        self._log.info("broker.connected", protocol=self.state.protocol, session_present=connection.session_present)

    def _note_disconnected(self) -> None:
        self.state.connected = self.state.ready = False
        self.state.since = self._clock()

    def _note_loss(self, loss: Loss, lasted_s: float) -> None:
        self._failures += 1
        self._quick_losses = self._quick_losses + 1 if lasted_s < QUICK_S else 0
        self._log.warning("broker.lost", reason=loss.reason, lasted_s=round(lasted_s, 3))
        if alarm := decide_alarm(loss, self._quick_losses):
            self._alarms.raise_(alarm, loss.reason)

    # stopping

    async def _stop_taking(self, connection: Connection) -> None:
        await self._stop.wait()
        connection.stop_taking()

    async def _unless_stopped(self, doing: Coroutine[Any, Any, T]) -> T | None:
        """The result of `doing`; None, and it is cancelled, if the stop comes first."""
        task = asyncio.create_task(doing)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopping.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)


def jitter_delay(failures: int, least_s: float, most_s: float, draw: Callable[[], float]) -> float:
    """Full jitter: anything up to a bound that doubles from `least_s` to `most_s`."""
    return draw() * min(most_s, least_s * 2.0 ** min(failures - 1, 30))


def decide_alarm(loss: Loss, quick_losses: int) -> str | None:
    """The alarm that a lost connection gives, if any.

    MQTT 5 says when another client took the session over; an older broker only hangs up, again and again.
    """
    if loss.code == SESSION_TAKEN_OVER:
        return "client_id_in_use"
    if quick_losses < MOST_QUICK_LOSSES:
        return None
    return "broker_unstable" if loss.ours else "client_id_in_use"


async def _do_nothing() -> None:
    """Until somebody wants to be told."""


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a side task; raise what it failed with."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
