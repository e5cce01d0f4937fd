"""People at work at random: from one seed always the same acts, on whatever tickets there are."""

from collections.abc import Callable
from random import Random

from itop_bridge.simulator.failure import PhpFatalError, RefusedError, RestError
from itop_bridge.simulator.person import Person
from itop_bridge.simulator.simulator import Simulator
from itop_bridge.simulator.store import Row

_ACTS = {"log": 5, "assign": 4, "edit": 3, "resolve": 2, "close": 2, "pending": 1, "reopen": 1}
"""What people do, and how often. Nobody deletes: that is for a script."""
_REMARKS = ("looking into it", "false alarm: the backup", "called the user", 'a < b & "c"', "siehe Rückfrage ✓")


class Crowd:
    """Everyone who is in a team of the simulator's; without teams, everyone."""

    def __init__(self, simulator: Simulator, random: Random) -> None:
        self._simulator = simulator
        self._random = random

    def act(self) -> str | None:
        """One act of one person on one ticket, told in a line; None if nothing can be done."""
        names, tickets = self._names(), self._tickets()
        if not names or not tickets:
            return None
        name, row = self._random.choice(names), self._random.choice(tickets)
        person = self._simulator.person(name)
        for act in self._shuffled_acts():
            try:
                self._perform(person, act, row)
            except (RestError, RefusedError, PhpFatalError):
                continue  # not possible in the ticket's state: the person does something else
            return f"{name}: {act} {row.values['ref']}"
        return None

    async def work(self, mean_pause_s: float, tell: Callable[[str], None] = lambda _: None) -> None:
        """Act until cancelled, after pauses as long as chance will have it; `tell` gets each act as a line."""
        while True:
            await self._simulator.sleep(self._random.expovariate(1 / mean_pause_s))
            if told := self.act():
                tell(told)

    def _perform(self, person: Person, act: str, row: Row) -> None:
        remark = self._random.choice(_REMARKS)
        match act:
            case "log":
                person.log(row.id, remark, log=self._random.choice(("public_log", "private_log")))
            case "edit":
                person.edit(row.id, urgency=self._random.choice("1234"))
            case "resolve" | "pending":
                person.act(act, row.id, remark)
            case _:
                person.act(act, row.id)

    def _shuffled_acts(self) -> list[str]:
        """Every act once, frequent ones first more often than not."""
        return sorted(_ACTS, key=lambda act: self._random.random() ** (1 / _ACTS[act]), reverse=True)

    def _names(self) -> list[str]:
        simulator = self._simulator
        members = [link["person_id_friendlyname"] for link in simulator.objects("lnkPersonToTeam")]
        return sorted(set(members)) or [person["friendlyname"] for person in simulator.objects("Person")]

    def _tickets(self) -> list[Row]:
        return [row for row in self._simulator.store.scan("Ticket") if row.model.states]
