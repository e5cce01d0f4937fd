"""The kill loop: nothing lost, nothing twice, however often the daemon is killed.

    python tests/chaos/kill_loop.py [--kills 200] [--seed N] [--keep]

A publisher sends alerts at QoS 1 through a real mosquitto to the daemon, which writes incidents in the simulator. All
the while the daemon is killed with SIGKILL and started again, mosquitto restarts, iTop fails in every way it knows, and
people work in the incidents. At the end everything heals, the daemon works off the rest, and a judge who shares no code
with it compares: what was acknowledged to the publisher, what the journal says, what iTop holds.

One seed is always the same alerts, kills, faults and acts; how they fall together is chance.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "fakes")]

from broker_process import MOSQUITTO  # noqa: E402 - found by the path above
from report import describe_failure, describe_run, describe_timeline  # noqa: E402 - as above
from run import Run  # noqa: E402 - it imports from there too

_TELL_EVERY = 25
"""Kills, where the output is no terminal."""


class Screen:
    """One line that changes on a terminal; a line from time to time elsewhere."""

    def __init__(self, kills):
        self._kills = kills
        self._is_terminal = sys.stdout.isatty()
        self._started = time.monotonic()
        self._next = _TELL_EVERY

    def show(self, run):
        """How far it is."""
        told = f"{run.kills}/{self._kills} kills, {run.stage}; {time.monotonic() - self._started:.0f} s"
        told += f"; {len(run.letters)} letters, {len(run.witness.writes)} writes, {len(run.witness.deeds)} acts"
        if self._is_terminal:
            sys.stdout.write(f"\r\x1b[K{told}")
            sys.stdout.flush()
        elif run.kills >= self._next:
            self._next += _TELL_EVERY
            say(told)

    def end(self):
        if self._is_terminal:
            sys.stdout.write("\r\x1b[K")


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main():
    args = parse_arguments()
    if MOSQUITTO is None:
        sys.exit("the mosquitto broker is not installed (apt-get install mosquitto)")
    folder = Path(tempfile.mkdtemp(prefix="kill-loop-"))
    say(f"seed {args.seed}, {args.kills} kills")
    screen = Screen(args.kills)
    run = Run(folder, args.kills, random.Random(args.seed))
    try:
        findings = asyncio.run(run.play(screen.show))
    except KeyboardInterrupt:
        say(f"\nInterrupted; kept: {folder}")
        return 130
    screen.end()
    say(describe_run(run, findings))
    if findings:
        (folder / "timeline.txt").write_text(describe_timeline(run))
        say(describe_failure(findings, folder, args))
    elif not args.keep:
        shutil.rmtree(folder)
    return 1 if findings else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="how often the daemon is killed (default: 200)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all that is left to chance")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and logs in any case")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
