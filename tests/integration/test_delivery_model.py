"""Random timelines against delivery: alerts, faults, crashes, a full disk, people. What iTop holds at the end is held
against what the journal says, by an oracle that shares no code with delivery.

`TIMELINES=5000 pytest tests/integration/test_delivery_model.py` runs more of them, `TIMELINE_SEED=17` just one.
"""

import os
import random
import re
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from rig import TIME_LIMIT_S, TOKEN, profile_of
from world import World

from itop_bridge.alert import State
from itop_bridge.settings.policy import Policy
from itop_bridge.simulator.fault import Kind

SEEDS = int(os.environ.get("TIMELINES", "40"))
FIRST = int(os.environ.get("TIMELINE_SEED", "0"))
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
CASES = (("EXC", "g0"), ("EXC", "g1"), ("OTH", "g0"))
OUR_AGENT = "Alice Agent"
MARKER = re.compile(r"M\d{4}")
COUNT = re.compile(r"(\d+) alerts?(?: \(|,)")

CALLS_OF_AN_ACT = 12
"""A loose bound: reads, a probe, the write and its look, and all of it again after a fault."""


@dataclass(frozen=True)
class Act:
    """One line of a timeline."""

    verb: str
    given: tuple = ()

    def __str__(self):
        return f"{self.verb} {' '.join(map(str, self.given))}".strip()


# the generator


class Author:
    """Writes timelines. All that an act needs is drawn here, so that any subset of the acts is a timeline too."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.alerts = [
            # stateful and dated, stateful and undated, one-shot
            (
                f"a{number}",
                self.dice.choice(CASES[: self.dice.choice((1, 3))]),
                self.dice.choice(("dated", "undated", "shot")),
            )
            for number in range(4)
        ]

    def policy(self):
        pick = self.dice.choice
        return Policy(
            group_interval=pick((300.0, 300.0, 0.0)),
            repeat_interval=pick((14_400.0, 600.0)),
            resolve_grace=pick((600.0, 600.0, 0.0)),
            reopen_within=pick((DAY, DAY, HOUR)),
            recurrence=pick(("reopen", "reopen", "reopen", "append", "new")),
            max_reopens=pick((3, 3, 1)),
            resolve=pick(("unheld", "unheld", "unheld", "always", "never")),
            resolve_path=pick(((), (), (), ("ev_assign", "ev_resolve"))),
            firing_expires=pick((7 * DAY, 2 * DAY)),
            expired=pick(("note", "resolve")),
            log_budget=pick((200, 200, 200, 3)),
            spacing=pick((30.0, 30.0, 0.0)),
            group_wait=pick((0.0, 0.0, 20.0)),
        )

    def settings(self):
        """What the incidents are written with, beside the defaults."""
        return self.dice.choice(({}, {}, {"log": "private"}, {"agent": OUR_AGENT, "team": "SOC"}))

    def timeline(self):
        troubles = self.dice.choice((0.0, 0.5, 1.0, 2.0))  # some timelines are calm
        people = self.dice.choice((0.0, 1.0, 1.0, 2.0))
        weights = {
            "alert": 10,
            "wait": 8,
            "break": 4 * troubles,
            "crash": 1.5 * troubles,
            "full": 0.5 * troubles,
            "away": 0.5 * troubles,
            "revoke": 0.3 * troubles,
            "overwrite": 0.5 * people,
            "person": 4 * people,
            "between": 2 * people,
            "story": 1.5 * troubles,
        }
        verbs = self.dice.choices(list(weights), list(weights.values()), k=self.dice.randint(8, 40))
        return [act for verb in verbs for act in self._write(verb)]

    def _write(self, verb):
        return self._story() if verb == "story" else [getattr(self, f"_{verb}")()]

    def _story(self):
        """What trouble is made of: a call of unknown outcome, and what happens until, and after, it is looked for."""
        number = self.dice.randrange(len(self.alerts))
        kind = self.dice.choice(("late", "late", "reset_after", "refuse"))
        lost = [self._break(kind, operation) for operation in ("core/create", "core/update", "core/apply_stimulus")]
        meanwhile = [self.dice.choice((self._person, self._person, lambda: self._alert(number)))() for _ in range(3)]
        return [
            *self.dice.sample(lost, self.dice.choice((1, 3))),
            self._alert(number),
            *meanwhile[: self.dice.randrange(4)],
            Act("wait", (round(self.dice.uniform(5.0, 2 * TIME_LIMIT_S), 1), False)),
            *meanwhile[2:],
        ]

    def _alert(self, number=None):
        number = self.dice.randrange(len(self.alerts)) if number is None else number
        how = self.dice.choice(("fire", "fire", "fire", "resolve", "resolve", "update", "repeat", "stale", "add"))
        urgency, host = self.dice.choice((1, 2, 2, 3)), self.dice.choice(("srv-1", "srv-1", "srv-2", "srv-3"))
        elsewhere = self.dice.random() < 0.05
        return Act("alert", (number, how, urgency, host, elsewhere, self._haste()))

    def _wait(self):
        most = self.dice.choice((5.0, 40.0, 150.0, 10 * MINUTE, HOUR, 5 * HOUR, 2 * DAY))
        asleep = self.dice.random() < 0.2
        return Act("wait", (round(most * self.dice.random(), 1), asleep))

    def _break(self, kind=None, operation=""):
        kind = kind or self.dice.choice([*Kind, *["late"] * 6, *["reset_after"] * 3, *["refuse"] * 2])
        operations = ("core/create", "core/create", "core/update", "core/apply_stimulus", "core/get", None)
        operation = self.dice.choice(operations) if operation == "" else operation
        # What iTop carries out after the server's time limit is not promised: a late create is a twin, and the key of
        # a late update still holds where nothing else was written to the incident meanwhile (it was replaced, or its
        # log's budget is used up)
        delay = round(self.dice.uniform(0.0, TIME_LIMIT_S - 12.0), 1)
        times = 1 if kind == "late" else self.dice.choice((1, 1, 2, 3, 7))
        # maintenance and 429 say for certain that nothing was done: who lies there is not iTop
        stored = self.dice.random() < 0.3 and kind not in (Kind.MAINTENANCE, Kind.MAINTENANCE_27, Kind.RATE_LIMIT)
        return Act("break", (str(kind), operation, times, stored, delay))

    def _person(self):
        verbs = ("assign", "pending", "resolve", "resolve", "close", "reopen", "delete", "title", "urgency", "log")
        pick = self.dice.choice((self.dice.random(), 1.0))
        return Act("person", (self.dice.choice(verbs), round(pick, 3), self._haste()))

    def _between(self):
        return Act("between", self._person().given[:2])

    def _crash(self):
        return Act("crash", (self.dice.choice((0, 1, 2, 3, 4, 5, 6, 8, 10, 13)),))

    def _full(self):
        return Act("full", (round(self.dice.uniform(1.0, 600.0), 1),))

    def _away(self):
        return Act("away", (self.dice.choice((1, 2, 5)),))

    def _revoke(self):
        return Act("revoke", (round(self.dice.uniform(1.0, 900.0), 1),))

    def _overwrite(self):
        return Act("overwrite", ())

    def _haste(self):
        """Whether the next act comes before delivery has done anything about this one."""
        return self.dice.random() < 0.25


# the stage


class Stage:
    """Plays a timeline in a world."""

    def __init__(self, world, alerts):
        self.world = world
        self.alerts = alerts
        self.latest = {}
        """By alert: episode, content."""
        self.landed = 0
        self.markers = {}
        """By intent."""
        self.stirs = 0
        self.wrong = []
        self.our_agent = 3 if ("agent_id", "Person", OUR_AGENT) in world.profile.writing.references else 0
        self.now_of = []

    async def play(self, act):
        self.now_of.append(self.world.now)
        self.stirs += 1
        await getattr(self, f"_{act.verb}")(*act.given)

    async def _alert(self, number, how, urgency, host, elsewhere, haste):
        world = self.world
        alert_id, case, nature = self.alerts[number]
        state = State.RESOLVED if how == "resolve" and nature != "shot" else State.FIRING
        episode, content = self.latest.get(number, (None, None))
        if how == "fire":
            episode = world.now if nature != "undated" else None
        self.landed += 1
        if how != "repeat" or content is None:
            content = f"{how} {self.landed}"
        if how in ("fire", "update", "repeat"):
            self.latest[number] = (episode, content)
        if how == "stale" and episode is not None:
            episode -= 10.0
        seq = await world.land(
            marker := f"M{self.landed:04}",
            alert_id,
            state,
            case=(case[0], "elsewhere") if elsewhere else case,
            kind="resolve" if state is State.RESOLVED else "append" if how == "add" else "create",
            episode=episode,
            content=content,
            urgency=urgency,
            host=host,
            one_shot=nature == "shot",
        )
        if seq is not None:
            self.markers[seq] = marker
        if not haste:
            await world.deliver()

    async def _wait(self, seconds, asleep):
        if asleep:  # the machine stood still
            await self.world.pass_time(seconds)
            await self.world.deliver()
        else:
            await self.world.live(seconds)
        await self.world.triage.expire_waiting()

    async def _break(self, kind, operation, times, stored, delay):
        self.world.break_(kind, operation, times, stored=stored, delay=delay)
        self.stirs += 2 * times

    async def _person(self, verb, pick, haste):
        self._act(verb, pick)
        if not haste:
            await self.world.deliver()

    async def _between(self, verb, pick):
        self.world.interposed.append(lambda: self._act(verb, pick))

    def _act(self, verb, pick):
        self.world.person(verb, pick)

    async def _crash(self, points):
        if points:
            self.world.life.points_left = points
        else:
            await self.world.crash()
            await self.world.deliver()

    async def _full(self, seconds):
        self.world.full_until = self.world.now + seconds

    async def _away(self, calls):
        self.world.unreachable = calls
        self.stirs += calls

    async def _revoke(self, seconds):
        self.world.revoke(seconds)

    async def _overwrite(self):
        """Somebody saves the log that they had opened before our last entry; it is looked for, and written again."""
        watched = await self.world.rows(
            "SELECT token, incident FROM attempts WHERE state = 'applied' AND look IS NOT NULL"
        )
        for token, incident in watched[:1]:
            self.world.overwrite(incident, token)
        await self.world.deliver()

    async def end(self):
        """Everything heals; delivery runs until it has nothing to do, once more after a restart."""
        world = self.world
        world.simulator.faults.clear()
        world.interposed.clear()
        world.unreachable = 0
        world.full_until = 0.0
        world.revoke(0.0)
        world.life.points_left = None
        await world.live(2 * HOUR)
        oracle = Oracle(self)
        await oracle.load()
        self.wrong = [f"two hours later, {each}" for each in oracle.nothing_fires_in_what_we_resolved()]
        await world.crash()
        await world.live(4 * DAY, most=2_000)
        await world.triage.expire_waiting()
        await world.live(8 * DAY, most=2_000)
        await world.live(5 * MINUTE)  # the looks for what was written last
        calls = len(world.simulator.calls)
        await world.live(2 * DAY)
        assert len(world.simulator.calls) == calls, "it asks iTop again and again, with nothing to do"


# the oracle


class Oracle:
    """Compares the journal with what iTop holds. Each check yields what is wrong."""

    def __init__(self, stage):
        self.stage = stage
        self.world = stage.world

    async def load(self):
        rows = self.world.rows
        self.intents = {
            row[0]: row
            for row in await rows("SELECT seq, case_id, kind, state, reason, attempt, received FROM intents")
        }
        # the resolve of an alert that expired is told in the alert's own words
        self.expired = {
            MARKER.search(row[0])[0] for row in await rows("SELECT CAST(facts AS TEXT) FROM intents WHERE n >= 1000")
        }
        self.attempts = {
            row[1]: row
            for row in await rows(
                "SELECT id, token, case_id, kind, state, incident, message, through, sent FROM attempts"
            )
        }
        self.cases = {
            row[0]: row
            for row in await rows(
                "SELECT id, incident, parked, due, (SELECT count(*) FROM alerts WHERE case_id = cases.id"
                " AND state = 'firing' AND one_shot = 0 AND handled = 0 AND EXISTS (SELECT 1 FROM intents WHERE"
                " intents.first_seq = alerts.first_seq AND kind = 'create')) FROM cases"
            )
        }
        # an alert that expired is noted, and resolves nothing, unless the route says so
        self.forgotten = {
            row[0]
            for row in await rows(
                "SELECT DISTINCT case_id FROM alerts WHERE state = 'resolved' AND NOT EXISTS (SELECT 1 FROM intents"
                " WHERE alert_id = alerts.id AND intents.case_id = alerts.case_id AND kind = 'resolve'"
                " AND seq >= alerts.first_seq)"
            )
        }
        self.lost = [row[0] for row in await rows("SELECT detail FROM dead_letters WHERE reason = 'entry_lost'")]
        self.letters = {row[0] for row in await rows("SELECT case_id FROM dead_letters WHERE state = 'open'")}
        self.told = defaultdict(list)
        for seq, _, _, state, _, attempt, _ in self.intents.values():
            if state == "delivered":
                self.told[attempt].append(seq)
        self.logs = self.world.logs()
        self.all_logs = {**self.logs, **self.world.gone}
        self.entry = {
            token: (incident, text)
            for incident, log in self.all_logs.items()
            for text in log
            for token in TOKEN.findall(text)
        }
        self.opened = defaultdict(list)
        """The incidents of each case, by the tokens of their creation."""
        for write in self.world.writes:
            if write.operation == "core/create":
                for token in write.tokens:
                    self.opened[self.attempts[_bare(token)][2]].append((write.at, write.incident))

    def check(self):
        for judge in (
            self.nothing_is_lost,
            self.what_is_delivered_is_told,
            self.nothing_is_told_twice,
            self.one_incident_of_a_case_is_ongoing,
            self.people_are_respected,
            self.what_people_dealt_with_stays_so,
            self.nothing_fires_in_what_we_resolved,
            self.what_ended_is_resolved,
            self.calls_are_bounded,
        ):
            for wrong in judge():
                yield f"{judge.__name__}: {wrong}"

    def nothing_is_lost(self):
        for seq, case, kind, state, reason, _, _ in self.intents.values():
            parked = self.cases[case][2] and case in self.letters
            settled = state == "delivered" or (state in ("dropped", "dead") and reason)
            if not settled and not (state == "pending" and parked):
                yield f"intent {seq} ({kind}, {self.stage.markers.get(seq)}) is {state}, {reason}"
        for case, _, parked, due, _ in self.cases.values():
            if parked and parked != "incident_gone":
                yield f"case {case} is parked: {parked}, after all faults are gone"
            if due is not None:
                yield f"case {case} is due, and nothing comes of it"

    def what_is_delivered_is_told(self):
        for token, (attempt, _, _, kind, state, _, message, *_) in self.attempts.items():
            seqs = self.told[attempt]
            if seqs and not message:
                continue  # the log was full, or its budget used up
            found = self.entry.get(f"[sb:{token}]")
            if seqs and found is None and not self._deleted_without(token) and not self._is_letter(token):
                yield f"{kind} {attempt} ({state}) settled {seqs}, and its entry is nowhere"
            elif seqs and found:
                yield from self._compare(attempt, kind, seqs, found[1])
            elif found and state in ("applied", "confirmed") and found[0] not in self.world.gone:
                yield f"{kind} {attempt} stands in a log, and settled nothing"

    def _is_letter(self, token):
        return any(f"[sb:{token}]" in detail for detail in self.lost)

    def _deleted_without(self, token):
        """The incident was deleted before the entry, which another save had overwritten, was written again."""
        incidents = {write.incident for write in self.world.writes if f"[sb:{token}]" in write.tokens}
        return token in self.world.overwritten and bool(incidents & self.world.gone.keys())

    def _compare(self, attempt, kind, seqs, text):
        count = int(COUNT.search(text)[1])
        if count != len(seqs):
            yield f"{kind} {attempt} says {count} alerts and settled {seqs}"
        if len(seqs) <= 20:
            markers = Counter(self.stage.markers[seq] for seq in seqs if seq in self.stage.markers)
            if markers != Counter(MARKER.findall(text)) and len(markers) == len(seqs):
                yield f"{kind} {attempt} settled {sorted(markers)}, and names {MARKER.findall(text)}"

    def nothing_is_told_twice(self):
        for token, times in self.world.standing().items():
            if times > 1:
                yield f"{token} stands {times} times"
        told = Counter(m for log in self.logs.values() for text in log for m in set(MARKER.findall(text)))
        for marker, times in told.items():
            if times > 1 and marker not in self.expired and not self._twins():
                yield f"{marker} is told {times} times"

    def _twins(self):
        return "incident_twin" in self.world.alarms.active

    def one_incident_of_a_case_is_ongoing(self):
        for case, opened in self.opened.items():
            rows = {row.id: row.values for row in self.world._rows()}
            ongoing = [i for _, i in opened if i in rows and rows[i]["operational_status"] == "ongoing"]
            # whoever reopens an old one has two
            reopened = {deed.incident for deed in self.world.deeds if deed.verb == "reopen"}
            if len([i for i in ongoing if i not in reopened]) > 1 and not self._twins():
                yield f"case {case} has the ongoing incidents {ongoing}"

    def people_are_respected(self):
        policy = self.world.profile.policy
        ours = {}
        for write in self.world.writes:
            fields, before = write.request["fields"], write.before
            if write.operation != "core/create" and {"title", "description"} & fields.keys():
                yield f"{write.at}: wrote {sorted(fields)} over incident {write.incident}"
            if write.operation == "core/update" and "urgency" in fields and before["urgency"] != ours[write.incident]:
                yield f"{write.at}: raised an urgency of {before['urgency']} that was a person's"
            if "urgency" in fields:
                ours[write.incident] = fields["urgency"]
            held = before.get("agent_id") not in (None, 0, self.stage.our_agent) or before.get("status") == "pending"
            kept = policy.resolve == "never" or (policy.resolve == "unheld" and held)
            if kept and write.request.get("stimulus") in ("ev_assign", "ev_resolve", "ev_autoresolve"):
                yield f"{write.at}: {write.request['stimulus']} on incident {write.incident}, which a person holds"

    def what_people_dealt_with_stays_so(self):
        for write in self.world.writes:
            reopens = write.request.get("stimulus") == "ev_reopen"
            if not reopens and write.operation != "core/create":
                continue
            for token in write.tokens:
                attempt, _, case, kind, *_, sent = self.attempts[_bare(token)]
                seqs = [seq for seq in self.told[attempt] if self.intents[seq][2] == "create"]
                if not seqs:
                    continue
                yield from self._judge_return(write, case, kind, seqs, sent)

    def _judge_return(self, write, case, kind, seqs, sent):
        """Whether something new came after a person had dealt with the incident before."""
        dealt = self._dealt_with(case, write, sent)
        if dealt is None:
            return
        at, incident, closed = dealt
        known = {
            self.world.episodes[seq]
            for token, (attempt, _, of, *_) in self.attempts.items()
            for seq in self.told[attempt]
            if of == case and seq in self.world.episodes and self._landed_before(token, at)
        }
        stateful = [seq for seq in seqs if not self._is_one_shot(seq)]
        old = [seq for seq in stateful if self.world.episodes.get(seq) in known]
        if old and len(old) == len(seqs):
            yield f"{write.at}: a {kind} for {old}, of which a person had disposed with incident {incident}"
        if not closed and all(self.intents[seq][6] <= at for seq in seqs):
            yield f"{write.at}: a {kind} for {seqs}, received before a person resolved incident {incident} at {at}"

    def _dealt_with(self, case, write, sent):
        """When a person last resolved or closed the incident that this write, sent then, returns to or replaces."""
        earlier = [incident for at, incident in self.opened[case] if at < write.at and incident != write.incident]
        incident = write.incident if write.operation != "core/create" else (earlier or [None])[-1]
        deeds = [d for d in self.world.deeds if d.incident == incident and d.at <= sent]
        deeds = [d for d in deeds if d.verb in ("resolve", "close", "reopen", "delete")]
        ours = [
            w.at
            for w in self.world.writes
            if w.incident == incident and w is not write and "stimulus" in w.request and w.at <= write.at
        ]
        if not deeds or deeds[-1].verb in ("reopen", "delete") or any(at > deeds[-1].at for at in ours):
            return None
        if deeds[-1].verb == "close" and any(at <= deeds[-1].at for at in ours[-1:]):
            return None  # it closed what we had resolved
        return deeds[-1].at, incident, deeds[-1].verb == "close"

    def _landed_before(self, token, at):
        return any(f"[sb:{token}]" in write.tokens and write.at < at for write in self.world.writes)

    def _is_one_shot(self, seq):
        alert = self.world.episodes.get(seq, (" ", 0))[0].rpartition(" ")[2]
        return any(nature == "shot" for name, _, nature in self.stage.alerts if name == alert)

    def nothing_fires_in_what_we_resolved(self):
        if self.world.profile.policy.recurrence == "append":
            return
        for case, incident, parked, _, firing in self.cases.values():
            last = self._last_change(incident)
            if firing and not parked and last in ("ev_resolve", "ev_autoresolve"):
                yield f"case {case}: {firing} alerts fire, and incident {incident} was resolved by us"

    def _last_change(self, incident):
        """The last change of an incident's state: a stimulus of ours, or a person's verb."""
        ours = [
            (w.at, w.request["stimulus"])
            for w in self.world.writes
            if w.incident == incident and "stimulus" in w.request
        ]
        theirs = [
            (d.at, d.verb)
            for d in self.world.deeds
            if d.incident == incident and d.verb not in ("title", "log", "urgency")
        ]
        return max([*ours, *theirs], default=(0, ""))[1]

    def what_ended_is_resolved(self):
        if self.world.profile.policy.resolve == "never":
            return
        rows = {row.id: row.values for row in self.world._rows()}
        for case, incident, parked, _, firing in self.cases.values():
            touched = any(deed.incident == incident for deed in self.world.deeds)
            last = max((row for row in self.intents.values() if row[1] == case), default=None)
            ended = last is not None and last[2] == "resolve" and last[3] == "delivered" and not firing
            ended = ended and case not in self.forgotten
            if ended and not parked and not touched and rows[incident]["operational_status"] == "ongoing":
                yield f"case {case}: nothing fires, and incident {incident} is {rows[incident]['status']}"

    def calls_are_bounded(self):
        calls, stirs = len(self.world.simulator.calls), self.stage.stirs + 4 * self.world.deaths
        if calls > CALLS_OF_AN_ACT * stirs + 40:
            yield f"{calls} calls for {stirs} acts"


def _bare(token):
    return token.removeprefix("[sb:").removesuffix("]")


# the runs


async def run(seed, acts=None, told=None):
    """Play a timeline, or the given acts of it; returns what is wrong, and how it went."""
    author = Author(seed)
    profile = profile_of(author.policy(), **author.settings())
    acts = author.timeline() if acts is None else acts
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        async with World.open(Path(folder) / "journal.db", profile) as world:
            world.dice.seed(seed)
            world.watch(patch)
            stage = Stage(world, author.alerts)
            try:
                for act in acts:
                    await stage.play(act)
                await stage.end()
                oracle = Oracle(stage)
                await oracle.load()
                wrong = [*stage.wrong, *oracle.check()]
            except AssertionError as error:
                wrong = [str(error) or repr(error)]
            if told is not None:
                told.append(stage)
    return wrong


async def shorten(seed, most=400):
    """The acts of a timeline without which it still goes wrong are left out, in halves first, then one by one."""
    acts = Author(seed)
    acts.policy(), acts.settings()
    acts = acts.timeline()
    kinds = _kinds(await run(seed, acts))
    size = len(acts) // 2
    while size and most > 0:
        start = 0
        while start < len(acts) and most > 0:
            most -= 1
            fewer = acts[:start] + acts[start + size :]
            if kinds & _kinds(await run(seed, fewer)):
                acts = fewer
            else:
                start += size
        size //= 2
    return acts


def _kinds(wrong):
    return {line.partition(":")[0] for line in wrong}


async def explain(seed):
    acts = await shorten(seed)
    told = []
    wrong = await run(seed, acts, told)
    author = Author(seed)
    lines = [f"timeline {seed} (TIMELINE_SEED={seed}), {author.policy()}, {author.settings()}, {author.alerts}"]
    start = told[0].now_of[0] if told[0].now_of else 0.0
    lines += [f"  {at - start:10.1f}  {act}" for at, act in zip(told[0].now_of, acts, strict=False)]
    return "\n".join([*lines, *wrong])


@pytest.mark.parametrize("seed", [FIRST] if FIRST else range(SEEDS))
async def test_a_random_timeline_keeps_the_promises(seed):
    if await run(seed):
        pytest.fail(await explain(seed), pytrace=False)
