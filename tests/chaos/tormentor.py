"""What goes wrong: faults in iTop, people at work in the bridge's incidents, and a broker that restarts."""

import asyncio
import random
import time
from collections import Counter
from zoneinfo import ZoneInfo

from victim import TIME_LIMIT_S

from itop_bridge.simulator.failure import PhpFatalError, RefusedError, RestError
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.moment import format_moment

_FAULTS = {
    Kind.RESET_AFTER: 6,
    Kind.TIMEOUT_AFTER: 3,
    Kind.LATE: 4,
    Kind.TRUNCATE: 2,
    Kind.BAD_GZIP: 1,
    Kind.REFUSE: 1,
    Kind.RESET_BEFORE: 2,
    Kind.HTTP_500: 3,
    Kind.HTTP_502: 1,
    Kind.HTTP_503: 1,
    Kind.HTML_200: 1,
    Kind.MAINTENANCE: 1,
    Kind.RATE_LIMIT: 1,
    Kind.LOCK_WAIT: 2,
    Kind.LATENCY: 5,
}
_OPERATIONS = {"core/create": 4, "core/update": 3, "core/apply_stimulus": 3, "core/get": 0.5, None: 1}
_CERTAIN = (Kind.MAINTENANCE, Kind.RATE_LIMIT)
"""They say that nothing was done: who lies there is not iTop."""
_LATEST_S = 0.6 * TIME_LIMIT_S
_FAULT_EVERY_S = 0.5

_DEEDS = {"log": 5, "assign": 3, "urgency": 3, "resolve": 3, "close": 2, "reopen": 3, "pending": 1}
_DEED_EVERY_S = 0.35
_RECENT = 40
_PEOPLE = ("Alice Agent", "Bob Agent")
_ZONE = ZoneInfo("Europe/Paris")

_BROKER_EVERY_S = 12.0


class Tormentor:
    """Everything happens after pauses as long as the dice will have it."""

    def __init__(self, simulator, witness, broker, dice, tell):
        self._simulator = simulator
        self._witness = witness
        self._broker = broker
        self._dice = dice
        self._tell = tell
        self._tasks = []
        self.restarts = 0
        """Of the broker."""
        self._faults = []

    def begin(self):
        self._tasks = [
            asyncio.create_task(self._repeat(act, fork(self._dice), pause_s), name=act.__name__)
            for act, pause_s in (
                (self._strike, _FAULT_EVERY_S),
                (self._let_a_person_act, _DEED_EVERY_S),
                (self._restart_broker, _BROKER_EVERY_S),
            )
        ]

    def check(self):
        """Raises what one of the tasks failed with."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def relent(self):
        """No more of it; what iTop still holds is carried out. A broker that is down is up again afterwards."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._simulator.faults.clear()
        for fault in self._faults:
            await fault.release()

    def hits(self):
        """How many calls each kind of fault hit."""
        counted = Counter()
        for fault in self._faults:
            counted[str(fault.kind)] += fault.hits
        return +counted

    async def _repeat(self, act, dice, pause_s):
        while True:
            await asyncio.sleep(dice.expovariate(1 / pause_s))
            await act(dice)

    async def _strike(self, dice):
        for fault in [each for each in self._simulator.faults if each.is_over]:
            self._simulator.faults.remove(fault)
        kind = _choose(dice, _FAULTS)
        fault = Fault(
            kind,
            times=1 if kind is Kind.LATE else dice.randint(1, 2),
            operation=_choose(dice, _OPERATIONS),
            seconds=dice.uniform(0.05, _LATEST_S if kind is Kind.LATE else 0.8),
            stored=dice.random() < 0.5 and kind not in _CERTAIN,
        )
        self._faults.append(self._simulator.faults.add(fault))
        self._tell(f"fault: {fault.kind}, {fault.times} times, {fault.operation or 'any operation'}")

    async def _let_a_person_act(self, dice):
        if self._witness.busy:
            return  # iTop's two steps within one call are no lock, and nothing is promised for that instant
        now = format_moment(self._simulator.clock(), _ZONE)
        rows = [row for row in self._simulator.store.scan("Incident") if row.values["last_update"] < now]
        if not rows:
            return  # within one second iTop shows no difference to whoever reads it
        row = dice.choice(sorted(rows, key=lambda each: each.id)[-_RECENT:])
        verb = _choose(dice, _DEEDS)
        try:
            self._perform(dice, self._simulator.person(dice.choice(_PEOPLE)), verb, row.id)
        except (RestError, RefusedError, PhpFatalError):
            return  # not possible in this state
        self._witness.note_deed(verb, row.id)
        self._tell(f"person: {verb} {row.values['ref']}")

    def _perform(self, dice, person, verb, ticket):
        match verb:
            case "log":
                person.log(ticket, "looking into it")
            case "urgency":
                person.edit(ticket, urgency=dice.choice("1234"))
            case "resolve" | "pending":
                person.act(verb, ticket, "as I see it")
            case _:
                person.act(verb, ticket)

    async def _restart_broker(self, dice):
        self._tell("broker: stops")
        restart = asyncio.ensure_future(asyncio.to_thread(self._broker_off_and_on, dice.uniform(0.0, 0.8)))
        try:
            await asyncio.shield(restart)
        except asyncio.CancelledError:
            await restart
            raise
        self.restarts += 1
        self._tell("broker: runs")

    def _broker_off_and_on(self, pause_s):
        self._broker.stop()
        time.sleep(pause_s)
        self._broker.start()


def _choose(dice, weights):
    return dice.choices(list(weights), list(weights.values()))[0]


def fork(dice):
    """Dice of one's own, so that nobody's throws depend on when others throw."""
    return random.Random(dice.random())
