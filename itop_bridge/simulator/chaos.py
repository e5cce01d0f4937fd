"""Faults at random: from one seed always the same."""

from collections.abc import Callable
from random import Random

from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.simulator import Simulator

_OPERATIONS = (None, "core/create", "core/update", "core/apply_stimulus", "core/get")
_LONGEST_S = 10.0


class Chaos:
    """Adds faults to a simulator."""

    def __init__(self, simulator: Simulator, random: Random) -> None:
        self._simulator = simulator
        self._random = random

    def strike(self) -> Fault:
        """One more fault, of any kind, for one to five calls."""
        random = self._random
        return self._simulator.faults.add(
            Fault(
                random.choice(list(Kind)),
                times=random.randint(1, 5),
                operation=random.choice(_OPERATIONS),
                seconds=random.uniform(0.1, _LONGEST_S),
                retry_after=str(random.randint(1, 10)),
                stored=random.random() < 0.5,
            )
        )

    async def rage(self, mean_pause_s: float, tell: Callable[[str], None] = lambda _: None) -> None:
        """Strike until cancelled, after pauses as long as chance will have it; `tell` gets each fault as a line.

        Faults that are over are taken away.
        """
        while True:
            await self._simulator.sleep(self._random.expovariate(1 / mean_pause_s))
            for fault in list(self._simulator.faults):
                if fault.is_over:
                    self._simulator.faults.remove(fault)
            fault = self.strike()
            tell(f"fault: {fault.kind}, {fault.times} times, {fault.operation or 'any operation'}")
