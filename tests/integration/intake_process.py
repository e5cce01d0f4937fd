"""Intake as a process that kills itself at a named point: intake_process.py JOURNAL PORT PROTOCOL POINT."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from itop_bridge.intake import inbox
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.store import Store
from itop_bridge.log import Alarms
from tests.fakes.intake import settings_for

BATCH = 10


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingJournal(IntakeJournal):
    """Dies at the second batch: the acknowledgements of the first are sent by then."""

    point = ""
    batches = 0

    async def record_events(self, number, batch):
        self.batches += 1
        if self.batches == 2:
            await asyncio.sleep(0.05)  # the acknowledgements of the first batch go out
            if self.point == "read":
                die()
        new = await super().record_events(number, batch)
        if self.batches == 2 and self.point == "committed":
            die()
        return new


def die_in_transaction(store: Store) -> None:
    """Kill the process inside the transaction of the second batch."""
    execute = store._execute

    def dying(write):
        execute(write)
        if store._writer.execute("SELECT count(*) FROM events").fetchone()[0] > BATCH:
            die()

    store._execute = dying


async def main(journal: str, port: str, protocol: str, point: str) -> None:
    inbox.MOST_IN_BATCH = BATCH
    store = await Store.open(Path(journal))
    if point == "transaction":
        die_in_transaction(store)
    recording = DyingJournal(store)
    recording.point = point
    broker = Broker(settings_for(int(port), protocol=protocol))
    await Intake(broker, recording, Alarms(), ["siem/#"]).run(asyncio.Event())


asyncio.run(main(*sys.argv[1:]))
