"""A timeline in words, played in a small world and judged by the oracle: `F1; 10m; lost stimulus; R1; close; 2m`.

Alerts and time:
- `F1`, `U2`, `G1`, `R1`, `f1`, `F1@OTH`: an alert lands (see `Small`); `regroup`: from now on in another case
- `10s`, `10m`, `2h`: time passes

Calls (of create, update, stimulus or get):
- `lost create`: the next create is carried out, and its reply is lost
- `refused update`: neither carried out nor answered
- `late stimulus 30`: no answer; carried out after 30 s
- `stall update`, then `between stalled`: it has found its incident, and stores while the next call is under way
- `failing create`: iTop answers each such call with 500, and others as ever
- `full stimulus`: the next such call finds the log full

People:
- `resolve`, `close 2`, `assign`, `urgency` …: a person does it to the latest incident, or to that one
- `instant log`: the same, and what comes next is of the same second
- `between close`: a person does it between the next call's arrival and its being carried out
- `overwrite`: a person saves the log as it was before our last entry

The process:
- `die 3`: it dies at the third point from now on (before and after each commit and each call); `crash`: now
- `forget`: the journal loses the incident; `forge`: a foreign ticket bears its title
- `judge`: the promises are to hold now, not only in the end

With a `!` behind it, the next thing comes before delivery does anything.
"""

import re
from typing import Any

from oracle import Oracle
from small import Small

from itop_bridge.simulator.fault import Fault, Kind

HOUR, DAY = 3600.0, 86_400.0
_CALLS = {
    "create": "core/create",
    "update": "core/update",
    "stimulus": "core/apply_stimulus",
    "get": "core/get",
}
_FAULTS = {
    "lost": Kind.RESET_AFTER,
    "refused": Kind.RESET_BEFORE,
    "late": Kind.LATE,
    "failing": Kind.HTTP_500,
    "full": Kind.LOG_FULL,
}
_UNITS = {"s": 1.0, "m": 60.0, "h": HOUR, "d": DAY}
_ACTS = ("assign", "pending", "resolve", "close", "reopen", "delete", "title", "urgency", "log")


class Timeline(Small):
    """A small world that is told what happens."""

    def __init__(self, *given):
        super().__init__(*given)
        self.wrong: list[str] = []
        self.stalled: list[dict[str, Any]] = []

    async def play(self, words):
        """Play it, and let everything heal; returns what was wrong."""
        await self.deliver()
        for word in words.split(";"):
            await self._play(*word.strip().removesuffix("!").split())
            self.stirs += 2
            if not word.endswith("!"):
                await self.deliver()
        self.simulator.faults.clear()
        self.interposed.clear()
        self.life.points_left = None
        await self.live(2 * HOUR)
        await self.triage.expire_waiting()
        await self.crash()
        await self.live(2 * DAY, most=2_000)
        await self._judge()
        return self.wrong

    async def _play(self, verb, *given):
        if re.fullmatch(r"[FUGRf]\d(@\w+)?", verb):
            await self.alert(verb)
        elif length := re.fullmatch(r"(\d+)([smhd])", verb):
            await self.live(int(length[1]) * _UNITS[length[2]])
            await self.triage.expire_waiting()
        elif verb in _FAULTS:
            self._fail(verb, *given)
        elif verb in _ACTS:
            self._let_act(verb, *given)
        else:
            await getattr(self, f"_{verb}")(*given)

    async def _judge(self):
        oracle = Oracle(self)
        await oracle.load()
        self.wrong += oracle.check()

    def _fail(self, how, call, delay="0"):
        if how == "late":
            self.break_("late", _CALLS[call], 1, delay=float(delay))
        else:
            times = None if how == "failing" else 1
            self.simulator.faults.add(Fault(_FAULTS[how], times=times, operation=_CALLS[call]))

    def _let_act(self, verb, incident=None):
        rows = [row for row in self._rows() if incident in (None, str(row.id))]
        self.act(verb, rows[-1], 0.003)  # an urgency of 4

    async def _instant(self, verb):
        self._let_act(verb)
        self.now -= 1.0

    async def _between(self, what):
        self.interposed.append(self._store_stalled if what == "stalled" else lambda: self._let_act(what))

    async def _stall(self, call):
        def keep(request):
            self.stalled.append(dict(request))
            return True

        self.simulator.faults.add(Fault(Kind.RESET_BEFORE, operation=_CALLS[call], when=keep))

    async def _store_stalled(self):
        *_, incident = self._rows()
        await self._direct.call({**self.stalled.pop(), "key": incident.id})

    async def _regroup(self):
        self.group = "elsewhere"

    async def _die(self, points):
        self.life.points_left = int(points)

    async def _crash(self):
        await self.crash()

    async def _overwrite(self):
        ((token, incident),) = await self.rows(
            "SELECT token, incident FROM attempts WHERE state = 'applied' ORDER BY id DESC LIMIT 1"
        )
        self.overwrite(incident, token)

    async def _forget(self):
        await self.store.write(lambda sql: sql.execute("UPDATE cases SET incident = NULL, ref = NULL").rowcount)

    async def _forge(self):
        *_, ours = self._rows()
        forged = ours.copy()
        forged.id = 0
        forged.values |= {"origin": "portal", self.log: type(ours.values[self.log])(), "ref": "I-9"}
        self.simulator.store.insert(forged)


async def play(words, profile=None):
    """What is wrong after the timeline; nothing, if all rules hold."""
    async with Timeline.open(profile) as world:
        return await world.play(words)
