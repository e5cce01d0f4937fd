"""The publisher: results from the journal to the broker, in order, each removed once the broker has it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from itop_bridge.crash_point import pass_point
from itop_bridge.errors import JournalFullError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.connection import (
    BrokerError,
    BrokerLostError,
    Connection,
    PublishRefusedError,
    PublishTooLargeError,
)
from itop_bridge.journal.result import Result, ResultJournal
from itop_bridge.log import Alarms, Faults
from itop_bridge.metric.meter import Meter
from itop_bridge.outward.refusal import Refusals
from itop_bridge.outward.result import Target, compose_result, decide_target

MOST_TOGETHER = 200
"""Read at once, and removed by one commit."""
MOST_WAITING = 500_000
"""Of more than that the oldest are given up: that many rows take about 60 MB."""
POLL_S = 1.0
RETRY_S = 5.0
"""The wait after a failure, which doubles while results fail: they share the alerts' connection."""
MOST_RETRY_S = 300.0
MOST_HANG_UPS = 5
"""So often the connection is lost over one result before that is given up as refused."""


class Publisher:
    """Takes results in order, at QoS 1 and not retained: at least once, since a crash may come before they are removed.

    What the broker refuses is given up, and its kind of topic for a while, so that it holds nothing else back. Alarms:
    `results_overflowing`.
    `filters` are the topic filters that the bridge subscribes to now; `itop_address` is what links begin with.
    """

    def __init__(  # noqa: PLR0913 - five collaborators, and what a test replaces
        self,
        broker: Broker,
        journal: ResultJournal,
        alarms: Alarms,
        meter: Meter,
        *,
        filters: Callable[[], Collection[str]],
        itop_address: str,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.itop_address = itop_address
        self._broker = broker
        self._journal = journal
        self._alarms = alarms
        self._meter = meter
        self._filters = filters
        self._sleep = sleep
        self._most_waiting = most_waiting
        self._greeted: Connection | None = None
        self._faults = Faults(clock=monotonic)
        self._refusals = Refusals("result.refused", monotonic=monotonic)
        self._failures = 0
        self._hang_ups: tuple[int, int] = (0, 0)
        """The result over which the connection was lost last, and how often in a row."""

    @property
    def answers_who_asks(self) -> bool:
        """Whether a sender may choose a response topic."""
        return bool(self._broker.settings.response_prefix)

    def greet(self) -> None:
        """The present connection has subscribed: results may go through it."""
        self._greeted = self._broker.connection

    def forgive(self) -> None:
        """What was refused is tried again."""
        self._refusals.forgive()

    async def run(self) -> None:
        """Publish what waits, and what comes, for ever."""
        while True:
            try:
                busy = await self.step()
            except JournalFullError:  # intake tells of it; what was published is published again
                await self._sleep(RETRY_S)
            except BrokerError as error:
                self._failures += 1
                if self._failures > 1 or not isinstance(error, BrokerLostError):  # one that is lost is intake's to tell
                    self._faults.tell("result.delayed", type(error).__name__, detail=str(error))
                await self._sleep(min(MOST_RETRY_S, RETRY_S * 2.0 ** min(self._failures - 1, 30)))
            else:
                if not busy:
                    await self._sleep(POLL_S)

    async def step(self) -> bool:
        """Publish the next results; False if none waits, or there is no connection. Raises BrokerError."""
        await self._bound()
        if not self._is_connected():
            return False
        results = await self._journal.fetch_next(MOST_TOGETHER)
        if results:
            await self._publish(results)
            self._failures = 0
            self._faults.end("result.delayed")
        return bool(results)

    def _is_connected(self) -> bool:
        return self._broker.is_open and self._broker.connection is self._greeted

    async def _bound(self) -> None:
        waiting = await self._journal.count_waiting()
        self._meter.record_waiting_results(waiting)
        if waiting <= self._most_waiting:
            self._alarms.clear("results_overflowing")
            return
        self._alarms.raise_("results_overflowing", f"more than {self._most_waiting} wait: the oldest are given up")
        self._meter.record_lost_results("overflow", await self._journal.trim(self._most_waiting))

    async def _publish(self, results: Sequence[Result]) -> None:
        """A window at a time: what is not in the broker is not removed, nor what comes after it.

        After a failure one by one: where the broker hung up on a topic, only the last that it got tells which it was.
        """
        done = 0
        failure = None
        window = 1 if self._failures else self._broker.window
        while done < len(results) and failure is None:
            wave = results[done : done + window]
            ends = await asyncio.gather(*map(self._tell, wave), return_exceptions=True)
            failure = next((end for end in ends if end is not None), None)
            done += ends.index(failure) if failure else len(wave)
        if done:
            pass_point("results.published")
            await self._journal.settle_through(results[done - 1].id)
        if failure:
            if window == 1 and isinstance(failure, BrokerLostError):
                self._note_hang_up(results[done])
            raise failure

    def _note_hang_up(self, result: Result) -> None:
        last, times = self._hang_ups
        self._hang_ups = (result.id, times + 1 if result.id == last else 1)

    async def _tell(self, result: Result) -> None:
        target = decide_target(result, self._broker.settings, self._filters())
        if target is None:
            return
        if self._refusals.holds(target.kind):
            self._give_up(result, target, "refused a while ago")
            return
        if self._hang_ups == (result.id, MOST_HANG_UPS):
            self._give_up(result, target, f"the connection was lost over it {MOST_HANG_UPS} times")
            return
        body = compose_result(result, self.itop_address)
        try:
            await self._broker.publish(target.topic, body, correlation=target.correlation)
        except PublishTooLargeError as error:  # others of its kind are not
            self._refusals.note_one(target.kind, topic=target.topic, route=result.route, detail=str(error))
            self._meter.record_lost_results("refused", 1)
        except PublishRefusedError as error:
            self._give_up(result, target, str(error))
        else:
            self._refusals.note_taken(target.kind)
            self._meter.record_result(result.outcome)

    def _give_up(self, result: Result, target: Target, detail: str) -> None:
        self._refusals.note_refused(target.kind, topic=target.topic, route=result.route, detail=detail)
        self._meter.record_lost_results("refused", 1)
