"""One run: publisher, broker, daemon and simulator, the torment, the healing, and the judgement."""

import asyncio
import contextlib
import time

from author import Author
from broker_process import Mosquitto
from judge import Evidence, Finding, Judge, Kinds
from publisher import Publisher
from record import read_events
from tormentor import Tormentor, fork
from victim import EndedError, Victim
from witness import Witness

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

_NEWS_EVERY_S = 0.12
_EARLY = 0.2
"""Share of the kills that come before the daemon is ready."""
_MOODS = {"any": 5, "write": 3, "storm": 2, "long": 1.5}
"""When the daemon is killed: a long life is long enough to look for what was left unknown."""
_LIFE_S = 0.8
_PATIENCE_S = 3.0
_STORM = 20
"""Letters at once."""
_STARTING_S = 0.5
_STUCK_S = 60.0
"""Longer than any pause of the daemon's in a world without faults."""
_IDLE_S = 3.0


class Run:
    """`play` it once; then its attributes tell what happened."""

    def __init__(self, folder, kills, dice):
        self._folder = folder
        self._most = kills
        self._dice = dice
        self.simulator = Simulator(random=fork(dice))
        self.witness = Witness(self.simulator)
        self.stage = "starting"
        self.kills = self.early_kills = 0
        self.letters = []
        self.events, self.incidents = [], {}
        self.doubts = {}
        self.timeline = []
        """Kills, faults, acts: when (seconds since the epoch), and what."""
        self.is_judged = False
        self.seconds = self.settling_s = 0.0
        self._starting_s = _STARTING_S
        self._stormed = asyncio.Event()

    async def play(self, show):
        """Returns the findings."""
        started = time.monotonic()
        folder = self._folder / "mosquitto"
        folder.mkdir()
        self._broker = Mosquitto(folder)
        self._broker.configure()
        await asyncio.to_thread(self._broker.start)
        try:
            with self.witness.watching(), Publisher(self._broker.port) as self._publisher:
                async with serve(self.simulator) as url:
                    findings = await self._play(url, show)
        finally:
            await asyncio.to_thread(self._broker.stop)
        self.seconds = time.monotonic() - started
        return findings

    async def _play(self, url, show):
        self._victim = Victim(self._folder, self._broker.port, url)
        self.tormentor = Tormentor(self.simulator, self.witness, self._broker, fork(self._dice), self._tell)
        tasks = [asyncio.create_task(_repeat(lambda: show(self)), name="show")]
        try:
            # before our session is there, the broker keeps nothing for us
            await self._victim.start()
            await self._victim.become_ready()
            await asyncio.to_thread(self._publisher.wait_until_online)
            author, pauses = Author(fork(self._dice)), fork(self._dice)
            publishing = asyncio.create_task(self._publish(author, pauses), name="publish")
            tasks.append(publishing)
            await self._torment(publishing)
            publishing.cancel()
            started = time.monotonic()
            findings = await self._settle()
            self.settling_s = time.monotonic() - started
            return [*findings, *await self._end()]
        except EndedError as error:
            return [Finding(Kinds.ENDED, str(error))]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.tormentor.relent()
            await self._victim.end()

    # the torment

    async def _torment(self, publishing):
        self.stage = "tormenting"
        self.tormentor.begin()
        try:
            for _ in range(self._most):
                await self._kill_once()
                self.tormentor.check()
                if publishing.done():
                    publishing.result()
        finally:
            await self.tormentor.relent()

    async def _kill_once(self):
        """A life of the daemon's, to its violent end; the next one begins."""
        if self._dice.random() < _EARLY:
            await asyncio.sleep(self._dice.uniform(0.0, self._starting_s))
            self.early_kills += not self._victim.is_ready()
        else:
            started = time.monotonic()
            await self._victim.become_ready()
            self._starting_s = max(_STARTING_S, time.monotonic() - started)
            await self._wait_for_moment()
        await self._victim.kill()
        self.kills += 1
        self._tell(f"kill {self.kills}")
        await self._victim.start()

    async def _wait_for_moment(self):
        """Any moment; or that in which a call has been carried out in iTop, and its answer is on the way; or that in
        which a storm is being journaled."""
        mood = self._dice.choices(list(_MOODS), list(_MOODS.values()))[0]
        if mood == "long":
            await asyncio.sleep(self._dice.uniform(4.0, 7.0))
            return
        await asyncio.sleep(min(self._dice.expovariate(1 / _LIFE_S), 4 * _LIFE_S))
        sign = {"write": self.witness.wrote, "storm": self._stormed}.get(mood)
        if sign is None:
            return
        sign.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sign.wait(), _PATIENCE_S)
        await asyncio.sleep(self._dice.uniform(0.0, 0.1) if mood == "storm" else 0.0)

    async def _publish(self, author, dice):
        while True:
            letters = author.write()
            for letter in letters:
                if not letter.sent:
                    self.letters.append(letter)
                self._publisher.send(letter)
            if len(letters) >= _STORM:
                self._stormed.set()
            self._publisher.collect()
            await asyncio.sleep(dice.expovariate(1 / _NEWS_EVERY_S))

    # the healing

    async def _settle(self):
        """The daemon, killed once more, works off what is left, and once more after a further kill finds nothing."""
        self.stage = "settling"
        await self._victim.end()
        await self._victim.start()
        await self._victim.become_ready()
        stuck = await self._wait_until_settled()
        if stuck:
            return [stuck]
        await self._victim.kill()
        writes = len(self.witness.writes)
        await self._victim.start()
        await self._victim.become_ready()
        await asyncio.sleep(_IDLE_S)
        stuck = await self._wait_until_settled()
        more = len(self.witness.writes) - writes
        findings = [Finding(Kinds.DUPLICATED, f"{more} writes after a restart with nothing to do")] if more else []
        return [*findings, *([stuck] if stuck else [])]

    async def _wait_until_settled(self):
        """None, or what it is stuck in."""
        known, changed = None, time.monotonic()
        while True:
            left, progress = self._publisher.collect(), self._victim.progress()
            self.stage = f"settling: {left} to be acknowledged, {progress}"
            if (left, progress) != known:
                known, changed = (left, progress), time.monotonic()
            elif not left and progress and progress.is_settled and time.monotonic() - changed > 1.0:
                return None  # for a second: what the broker still holds would have come
            elif time.monotonic() - changed > _STUCK_S:
                return Finding(Kinds.LOST, f"stuck for {_STUCK_S:.0f} s: {left} not acknowledged, {progress}")
            await asyncio.sleep(0.1)

    async def _end(self):
        code = await self._victim.stop()
        self.doubts = self._victim.doubts()
        self.stage = "judging"
        self.events = await asyncio.to_thread(read_events, self._victim.journal)
        self.incidents = self.witness.incidents()
        evidence = Evidence(self.letters, self.events, self.witness.writes, self.witness.deeds, self.incidents)
        findings = await asyncio.to_thread(Judge(evidence).find)
        self.is_judged = True
        if code:
            findings.append(Finding(Kinds.ENDED, f"with exit code {code} after SIGTERM"))
        return findings

    def _tell(self, text):
        self.timeline.append((self.simulator.clock(), text))


async def _repeat(act):
    while True:
        act()
        await asyncio.sleep(0.5)
