"""Small cases, searched through: one to three alerts, a process that dies, replies that are lost, people who act, at
any moment and in any order, over the real plan, fold and attempts. Every state that is reached is judged.

`SEARCH=full` searches all cases with all that may go wrong (hours); `SEARCH=3` with three things at once. With
`--log-cli-level=info` the numbers of states are told.
"""

import logging
import os
import random

import pytest
from maze import Bounds, Choices, Maze
from search import search

from itop_bridge.delivery import composer
from itop_bridge.journal.case import CaseState

log = logging.getLogger(__name__)

DEPTH = os.environ.get("SEARCH", "")
"""How many things go wrong, or get in between, at once: empty is what CI has the time for."""
FULL = 6

# How many things go wrong at once, and how many states that must come to at least: a search that is cut short by
# mistake finds nothing wrong. F fires, U fires as critical, G goes on, R resolves, f fires without a time and with the
# same bytes each time.
ONE_CASE = {
    "F1": (3, 800),
    "F1 R1": (2, 2_200),
    "F1 F2": (2, 2_600),
    "F1 U2": (2, 2_900),
    "F1 G1": (1, 200),
    "R1 F1": (3, 5),
    "R1 F1 R1": (2, 10),
    "F1 R1 F1": (1, 800),
    "f1 R1 f1": (1, 700),
    "F1 R1 F2": (1, 700),
    "F1 F2 R1": (1, 700),
    "F1 U2 R1": (1, 800),
    "F1 G1 R1": (1, 700),
}
TWO_TENANTS = {
    "F1 F1@OTH": (1, 200),
    "F1 F1@OTH R1": (1, 700),
    "F1 F1@OTH R1@OTH": (1, 700),
}


def bounds_of(depth):
    total = FULL if DEPTH == "full" else int(DEPTH or depth)
    return Bounds(crashes=1, lost=2, acts=2, landings=1, pauses=1, total=total, too_late=True)


@pytest.mark.parametrize("alerts", [*ONE_CASE, *TWO_TENANTS])
async def test_whatever_happens_the_promises_are_kept(alerts):
    depth, least = (ONE_CASE | TWO_TENANTS)[alerts]
    async with Maze.open() as maze:
        report = await search(maze, alerts.split(), bounds_of(depth))
    log.info("%s: %d states, %d steps, %d ends", alerts, report.states, report.steps, report.ends)
    assert report.complete, str(report)
    assert DEPTH or report.states >= least


@pytest.mark.parametrize(
    ("alerts", "owner", "name", "gone"),
    [
        ("F1", CaseState, "unsettled", ()),
        ("F1 F2", composer, "conditional_key", lambda iclass, incident, log, tokens: incident.id),
    ],
)
async def test_without_a_rule_the_way_to_what_goes_wrong_is_found(alerts, owner, name, gone, monkeypatch):
    monkeypatch.setattr(owner, name, gone)
    async with Maze.open() as maze:
        report = await search(maze, alerts.split(), bounds_of(1))
    assert report.wrong[0].startswith("nothing_is_told_twice")
    assert report.trail[0] == "F1 lands"


async def test_a_state_that_is_taken_back_goes_on_as_it_would_have():
    """A path in one go, and the same with a snapshot after each step."""
    dice = random.Random(11)
    for _ in range(20):
        scripts = [[dice.choice((0, 0, 1, 2)) for _ in range(12)] for _ in range(6)]
        assert await _walk(scripts, with_snapshots=False) == await _walk(scripts, with_snapshots=True)


async def _walk(scripts, *, with_snapshots):
    async with Maze.open() as maze:
        await maze.deliver()
        maze.alerts, maze.bounds = ("F1", "F2", "R1"), bounds_of(6)
        for script in scripts:
            if with_snapshots:
                await maze.load(maze.save())
            maze.choices = Choices(script)
            await maze.step()
        return maze.key(), maze.incidents
