"""An explicit-state search: from each state in which delivery is at rest, everything that may happen next is tried.

What may happen is a list of choices that are made on the way (`maze.py`). A step is replayed from a snapshot with other
choices until there are no others left; a state that was seen before is not entered twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from maze import GRAIN_S, Bounds, Choices
from oracle import Oracle
from small import Snapshot


@dataclass(frozen=True)
class Node:
    """A state at rest, and how it was come to."""

    snapshot: Snapshot
    alerts: tuple[str, ...]
    """Still to come."""
    bounds: Bounds
    key: int
    told: tuple[str, ...] = ()
    before: "Node | None" = None

    def line(self) -> Iterator["Node"]:
        """The states that led here, the latest first."""
        node = self
        while node is not None:
            yield node
            node = node.before

    def trail(self):
        return [line for node in reversed(list(self.line())) for line in node.told]


@dataclass
class Report:
    """How a search went."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    """States in which nothing is left to happen."""
    wrong: list[str] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)
    complete: bool = False

    def __str__(self):
        lines = [f"{self.states} states, {self.steps} steps, {self.ends} ends", *self.trail, *self.wrong]
        return "\n  ".join(lines)


async def search(world, alerts, bounds, *, most_steps=10**9):
    """Try everything, and stop at the first thing that is wrong."""
    world.choices = None
    await world.deliver()
    world.alerts, world.bounds, world.choices = tuple(alerts), bounds, Choices([])
    report, known = Report(), Known()
    pending = [_take(world, None)]
    while pending and not report.wrong and report.steps < most_steps:
        node = pending.pop()
        children = [child async for child in _follow(world, node, report) if known.add(child)]
        pending += reversed(children)  # the least disturbed first: it may do all that the others may
    report.states = known.count
    report.complete = not pending and not report.wrong
    return report


class Known:
    """The states that were seen. One from which more may still go wrong stands for one from which less may."""

    def __init__(self):
        self.count = 0
        self._bounds: dict[int, list[Bounds]] = {}

    def add(self, node):
        """False if this state need not be entered."""
        known = self._bounds.setdefault(node.key, [])
        if any(bounds.covers(node.bounds) for bounds in known):
            return False
        known.append(node.bounds)
        self.count += 1
        return True


async def _follow(world, node, report):
    """Every state that may come next."""
    script: list[int] | None = []
    while script is not None and not report.wrong:
        await _enter(world, node, script)
        if not await world.list_next():
            report.ends += 1
            return
        report.steps += 1
        try:
            await world.step()
            child = _take(world, node)
            report.wrong = await judge(world) or _find_circle(child)
        except AssertionError as error:
            report.wrong = [f"progress: {error}"]
        if report.wrong:
            report.trail = [*node.trail(), *world.choices.told]
            return
        yield child
        script = world.choices.next_script()


def _take(world, node):
    return Node(world.save(), world.alerts, world.bounds, world.key(), tuple(world.choices.told), node)


async def _enter(world, node, script):
    await world.load(node.snapshot)
    world.alerts, world.bounds, world.choices = node.alerts, node.bounds, Choices(script)


def _find_circle(child):
    """If time alone led back to where it was, nothing will ever come of it."""
    before = [each for each in child.before.line() if child.snapshot.now - each.snapshot.now > 2 * GRAIN_S]
    if any((each.key, each.bounds) == (child.key, child.bounds) for each in before):
        return ["progress: it goes round in a circle"]
    return []


async def judge(world):
    """What is wrong in this state, and if nothing is left to happen, with how it ended."""
    oracle = Oracle(world)
    await oracle.load()
    ended = await world.next_moment() is None and not world.alerts
    return list(oracle.check() if ended else oracle.check_on_the_way())
