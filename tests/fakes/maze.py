"""A small world whose every turn is a choice: what comes next (time, an alert, a person), and at each call of
delivery's what gets in between, what becomes of it, and whether the process dies."""

import re
from dataclasses import dataclass, field, fields, replace
from functools import partial

from rig import TIME_LIMIT_S
from small import Small
from world import Life, Wire

from itop_bridge.itop.error import ITopError, NoReplyError
from itop_bridge.simulator.moment import parse_moment

LATE_S = TIME_LIMIT_S / 2
TOO_LATE_S = TIME_LIMIT_S * 1.7
PAUSE_S = 660.0
"""More than the grace, the group interval and the first look for a twin."""
_MOST_WAITS = 100
GRAIN_S = 15.0
"""States that differ in their times by no more than this are taken for the same."""
_ZONE_S = 7_200.0
"""The simulator's clock is that of Paris in September."""
_LONG_AGO = 20
"""Grains; older is the same, whatever its age."""
_READS = ("core/get",)


@dataclass(frozen=True)
class Bounds:
    """How often things go wrong, or get in between, at most."""

    crashes: int = 1
    lost: int = 2
    """Replies: carried out or not, or late."""
    acts: int = 2
    """Of people."""
    landings: int = 1
    """Alerts that land while a call is under way."""
    pauses: int = 1
    """Eleven quiet minutes before the next alert."""
    total: int = 9
    """Of all but the pauses."""
    too_late: bool = False
    """Whether iTop may carry a call out after its time limit: what is promised then is less."""

    def spend(self, kind):
        cost = 0 if kind == "pauses" else 1
        return replace(self, **{kind: getattr(self, kind) - 1, "total": self.total - cost})

    def allows(self, kind):
        return getattr(self, kind) > 0 and (kind == "pauses" or self.total > 0)

    def covers(self, other):
        """Whether all that `other` allows is allowed here."""
        return all(getattr(self, name) >= getattr(other, name) for name in _BOUNDS)


_BOUNDS = tuple(each.name for each in fields(Bounds))


@dataclass
class Choices:
    """The choices of one step: those of the script, then the first of each."""

    script: list[int]
    taken: list[tuple[int, int]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def choose(self, options):
        if len(options) == 1:
            return options[0]
        place = len(self.taken)
        number = min(self.script[place], len(options) - 1) if place < len(self.script) else 0
        self.taken.append((number, len(options)))
        return options[number]

    def next_script(self):
        """The script of the next step to try; None if there is none."""
        taken = list(self.taken)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        return [number for number, _ in taken[:-1]] + [taken[-1][0] + 1] if taken else None


class _Life(Life):
    """May die after each commit. Before one, or around a read, nothing is different from after the last."""

    async def write(self, query):
        if not self.killed.is_set():
            result = await self.world.store.write(query)
            self.world.may_die("a commit")
        self.pass_point()
        return result


class _Wire(Wire):
    """Asks before each call what gets in between, and of a write, what becomes of it."""

    async def call(self, operation):
        world, verb = self._life.world, operation["operation"]
        self._life.pass_point()
        if operation.get("class") != "Incident" or world.choices is None:
            return await self._way.call(operation)
        await world.let_others_in(verb)
        self._life.pass_point()
        if verb in _READS:
            return await self._way.call(operation)
        fate = world.decide_fate(verb)
        if fate in ("late", "too late"):
            delay = LATE_S if fate == "late" else TOO_LATE_S
            world.held.append((world.now + delay, partial(_carry_out, self._way, dict(operation))))
        if fate == "lost":
            await _carry_out(self._way, operation)
        if fate != "done":
            raise NoReplyError("no answer from iTop in time")
        try:
            return await self._way.call(operation)
        finally:
            world.may_die(f"{verb} was carried out")
            self._life.pass_point()


async def _carry_out(way, operation):
    """Whatever comes of it, nobody hears."""
    try:
        await way.call(operation)
    except ITopError:
        return


class Maze(Small):
    """A small world whose every turn is a choice."""

    def __init__(self, *given):
        super().__init__(*given)
        self.choices: Choices | None = None
        self.alerts: tuple[str, ...] = ()
        self.bounds = Bounds()
        self.calls_made = 0

    def new_life(self):
        return _Life(self)

    async def open_wire(self):
        return _Wire(self._direct, self.life)

    # what may happen

    async def step(self):
        """The next thing happens, and delivery does all that follows at this moment."""
        self.calls_made = 0
        happens, before = self.choices.choose(await self.list_next()), self.key()
        await happens()
        await self.deliver()
        for _ in range(_MOST_WAITS):
            moment = await self.next_moment()
            if moment is None or self.key() != before or happens.func != self._wait:
                return
            await self._wait(moment)
            await self.deliver()
        raise AssertionError("it goes round in a circle")

    async def list_next(self):
        moment = await self.next_moment()
        happenings = [] if moment is None else [partial(self._wait, moment)]
        if self.alerts:
            happenings.append(partial(self._land))
            if self.bounds.allows("pauses") and (moment is None or moment > self.now + PAUSE_S):
                happenings.append(partial(self._pause))
        if moment is not None or self.alerts:
            happenings += [partial(self._let_act, *act) for act in self._list_acts()]
        return happenings

    async def next_moment(self):
        """When something is due, or lands late; None if nothing is."""
        due = await self.journal.next_due()
        ((until,),) = await self.rows("SELECT min(until) FROM intents WHERE state = 'waiting'")
        moments = [each for each in (due, until, *(at for at, _ in self.held)) if each is not None]
        return min(moments, default=None)

    async def _wait(self, moment):
        self._tell(f"{max(moment - self.now, 0.0):.0f} s pass")
        await self.pass_time(max(moment - self.now, 0.0) + 0.02)
        await self.triage.expire_waiting()

    async def _pause(self):
        self._spend("pauses", f"{PAUSE_S:.0f} s pass, and nothing happens")
        await self.pass_time(PAUSE_S)

    async def _land(self):
        word, *rest = self.alerts
        self.alerts = tuple(rest)
        self._tell(f"{word} lands")
        await self.alert(word)

    async def _let_act(self, verb, incident):
        self._spend("acts", f"a person: {verb} {incident}")
        if verb == "overwrite":
            self.overwrite(incident, self._find_watched()[incident])
        else:
            self.act(verb, self.simulator.store.get("Incident", incident), 0.003)  # an urgency of 4

    def _list_acts(self):
        """What people may do that makes a difference."""
        if not self.bounds.allows("acts"):
            return []
        acts = [(verb, row.id) for row in self._rows() for verb in _list_verbs(row.values)]
        return acts + [("overwrite", incident) for incident in self._find_watched()]

    def _find_watched(self):
        """The entries that iTop has just said yes to, by incident: another save that is under way may lose them. One
        that still stands when it is looked for stays."""
        query = "SELECT incident, token FROM attempts WHERE state = 'applied' AND look > ?"
        watched = self.store.sql.execute(query, (self.now,))
        return {incident: token for incident, token in watched if f"[sb:{token}]" in self.standing()}

    # during a call

    async def let_others_in(self, verb):
        """A person acts, or an alert lands, before the call is carried out."""
        first, self.calls_made = not self.calls_made, self.calls_made + 1
        options = [None]
        if self.alerts and self.bounds.allows("landings"):
            options.append(self._land_meanwhile)
        if not first:  # else it is as if it was done before
            options += [partial(self._let_act, *act) for act in self._list_acts()]
        happens = self.choices.choose(options)
        if happens is not None:
            self._tell(f"before {verb} is carried out:")
            await happens()

    async def _land_meanwhile(self):
        self._spend("landings", "meanwhile")
        await self._land()

    def decide_fate(self, verb):
        """done, lost (carried out, no reply), refused (neither), late or too late."""
        fates = ["done"]
        if self.bounds.allows("lost"):
            fates += ["lost", "refused", "late", *(["too late"] if self._may_be_too_late(verb) else [])]
        fate = self.choices.choose(fates)
        if fate != "done":
            self._spend("lost", f"{verb}: {fate}")
        else:
            self._tell(verb)
        return fate

    def _may_be_too_late(self, verb):
        """A create that is carried out after the limit is a twin: not promised."""
        return self.bounds.too_late and verb != "core/create"

    def may_die(self, point):
        may = self.choices is not None and not self.life.killed.is_set() and self.bounds.allows("crashes")
        if may and self.choices.choose([False, True]):
            self._spend("crashes", f"the process dies after {point}")
            self.life.killed.set()

    def _spend(self, kind, told):
        self.bounds = self.bounds.spend(kind)
        self.stirs += 3
        self._tell(told)

    def _tell(self, line):
        self.choices.told.append(line)

    # states

    def key(self):
        """What tells this state from others, whatever the time."""
        until = self.delivery._rests.until
        rests = sorted((case, self._ago(end)) for case, end in until.items() if end > self.now)
        held = [(self._ago(at), _holds_still(each, self)) for at, each in self.held]
        known = self.delivery._server_clock.offset_s is not None
        deeds = [(deed.verb, deed.incident) for deed in self.deeds]
        writes = [(write.operation, write.incident, write.tokens) for write in self.writes]
        lost = sorted(self.overwritten)
        state = (self.alerts, rests, held, known, deeds, writes, lost, self._journal_key(), self._itop_key())
        return hash(repr(state))

    def _journal_key(self):
        return [
            tuple(self._ago(value) if timed else value for value, timed in zip(row, times, strict=True))
            for query, times in _QUERIES
            for row in self.store.sql.execute(query)
        ]

    def _itop_key(self):
        return [
            (
                row.id,
                *(row.values[name] for name in ("status", "urgency", "agent_id", "org_id")),
                row.values["solution"],
                self._ago(_epoch(row.values["resolution_date"])),
                [re.findall(r"\[sb:\w+(?:-twin)?\]", entry.text) for entry in row.values[self.log].entries],
            )
            for row in self._rows()
        ]

    def _ago(self, at):
        if not at:
            return at
        return max(round((at - self.now) / GRAIN_S), -_LONG_AGO)


def _epoch(date):
    moment = parse_moment(date or "")
    return moment and moment.timestamp() - _ZONE_S


def _holds_still(carry_out, world):
    """A held call: which it is, and whether its key still finds the incident."""
    operation = carry_out.args[1]
    updates = [str(row.values["last_update"]) for row in world._rows()]
    return (str(operation.get("fields")), any(f"'{each}'" in str(operation.get("key")) for each in updates))


def _list_verbs(values):
    status = values["status"]
    if status == "closed":
        return ("delete",)
    if status == "resolved":
        return ("close", "reopen", "delete")
    held = values["agent_id"] not in (None, 0)
    verbs = ("resolve", "close", "delete", *(() if status == "pending" else ("pending",)))
    return (*verbs, *(() if held else ("assign",)), *(() if values["urgency"] == "4" else ("urgency",)))


def _query(text):
    """The columns that are times are marked with a star."""
    columns = [column.strip() for column in text.partition(" FROM ")[0].removeprefix("SELECT ").split(",")]
    return text.replace("*", ""), [column.startswith("*") for column in columns]


_QUERIES = [
    _query(text)
    for text in (
        "SELECT id, incident, urgency, agent, resolved, entries, log_full, reopened, told, told_seq FROM cases",
        "SELECT *told_at, interval_s, *changed_at, *replaced_at, *due, rank, failures, parked FROM cases",
        "SELECT seq, kind, state, reason, *received, case_id, attempt, first_seq, *until FROM intents ORDER BY seq",
        "SELECT id, case_id, kind, incident, through, state, *sent, *look, looks FROM attempts ORDER BY id",
        "SELECT id, case_id, state, handled, *received, *episode FROM alerts ORDER BY scope, id",
        "SELECT case_id, reason, state FROM dead_letters ORDER BY id",
    )
]
