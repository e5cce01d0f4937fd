"""Triage's side of the journal: events that wait, and what they turned out to be, stored in one transaction."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from itop_bridge.alert import Event, State
from itop_bridge.crash_point import pass_point
from itop_bridge.journal.inhibition import is_inhibited, prune_inhibitors, record_bearing
from itop_bridge.journal.landing import Decide, Element, Landing, Owed, Seen, Tally, Verdict
from itop_bridge.journal.replay import (
    ElementTraces,
    Ending,
    Rehearsal,
    Undone,
    decide_left,
    fetch_element_traces,
    forget_drop,
)
from itop_bridge.journal.retry import (
    MOST_DETAIL,
    Retry,
    fetch_retries,
    fetch_traces,
    find_own,
    is_retrying,
    known_indexes,
    next_n,
    reopen_letter,
    settle_letter,
)
from itop_bridge.journal.source import record_heard
from itop_bridge.journal.store import Store
from itop_bridge.journal.storm import MOST_URGENT, describe_storm, find_shelter, is_storm, open_storm, take_shelter
from itop_bridge.outcome import Dropped, Rejected


class TriageJournal:
    """Events in order of arrival, and where their elements land."""

    def __init__(self, store: Store, clock: Callable[[], float], on_landed: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._on_landed = on_landed

    async def fetch_waiting(self, limit: int, most_bytes: int) -> list[Event]:
        """The next events, oldest first; at least one if there is any, further ones while they fit `most_bytes`."""
        return await self._store.read(lambda sql: _fetch_waiting(sql, limit, most_bytes))

    async def count_waiting(self) -> int:
        """How many events triage is behind."""
        return await self._store.read(_count_waiting)

    async def record_profile(self, hashed: str, body: str) -> None:
        """Store settings to write with, under their hash."""
        await self._store.write(
            lambda sql: (
                sql.execute("INSERT OR IGNORE INTO profiles (hash, body) VALUES (?, ?)", (hashed, body)).rowcount
            )
        )

    async def record(
        self, elements: Sequence[Element], decide: Decide, *, through: int, heard: Mapping[str, float] | None = None
    ) -> Tally:
        """Land elements, in order, and move the cursor to event `through`, all in one commit.

        `heard` are the routes whose silence is watched and of which there were events, with the receipt of the last.
        """
        now = self._clock()
        tally = await self._store.write(lambda sql: _Transaction(sql, decide, now).run(elements, through, heard or {}))
        if tally.accepted:
            self._on_landed()
        return tally

    async def fetch_retries(self, limit: int, most_bytes: int) -> list[Retry]:
        """The dead letters that are to be tried again, oldest first, with their events; at least one if there is any,
        further ones while the payloads of their events fit `most_bytes`."""
        return await self._store.read(lambda sql: fetch_retries(sql, limit, most_bytes))

    async def record_retries(
        self, retried: Sequence[tuple[Retry, Sequence[Element]]], decide: Decide, *, routes: Collection[str]
    ) -> Tally:
        """Land the elements of dead letters, each with what its event holds now, and settle the letters, in one commit.

        Of an event only the letter's own element lands, and those of which the journal knows nothing: a letter may
        stand for all that could not be read. What was settled before is left alone. `routes` are the names of all that
        there are now.
        """
        now = self._clock()
        tally = await self._store.write(lambda sql: _Transaction(sql, decide, now).retry(retried, routes))
        if tally.accepted:
            self._on_landed()
        return tally

    async def record_replay(
        self, elements: Sequence[Element], decide: Decide, rehearsal: Rehearsal | None = None
    ) -> list[Ending]:
        """Land elements of events that were mapped before, in one commit, and tell what became of each.

        What landed is left alone, and so is what an operator gave up. What was dropped or dead may land, and its drop
        or its letter is settled. With `rehearsal` nothing is stored.
        """
        now = self._clock()
        if rehearsal is not None:
            return await self._rehearse(elements, decide, rehearsal, now)
        endings = await self._store.write(lambda sql: _Transaction(sql, decide, now).replay(elements))
        if any(ending.outcome == "landed" for ending in endings):
            self._on_landed()
        return endings

    async def _rehearse(
        self, elements: Sequence[Element], decide: Decide, rehearsal: Rehearsal, now: float
    ) -> list[Ending]:
        rehearsal.forget_if_large()

        def write(sql: sqlite3.Connection) -> None:
            raise Undone(_Transaction(sql, decide, now, rehearsal.seen).replay(elements))

        try:
            await self._store.write(write)
        except Undone as undone:
            return undone.endings
        raise AssertionError("a rehearsal is always undone")

    async def expire_waiting(self) -> int:
        """Drop the resolves whose alert never fired within `resolve_wait`. Returns how many."""
        now = self._clock()
        return await self._store.write(lambda sql: _expire_waiting(sql, now))


def _cursor(sql: sqlite3.Connection) -> int:
    row = sql.execute("SELECT value FROM meta WHERE name = 'triaged'").fetchone()
    return int(row[0]) if row else 0


def _fetch_waiting(sql: sqlite3.Connection, limit: int, most_bytes: int) -> list[Event]:
    events: list[Event] = []
    total = 0
    rows = sql.execute(
        "SELECT id, topic, payload, received, size FROM events WHERE id > ? ORDER BY id LIMIT ?", (_cursor(sql), limit)
    )
    for event_id, topic, payload, received, size in rows:
        total += len(payload)
        if events and total > most_bytes:
            break
        events.append(Event(event_id, topic, payload, received, size))
    rows.close()
    return events


def _count_waiting(sql: sqlite3.Connection) -> int:
    newest = sql.execute("SELECT max(id) FROM events").fetchone()[0]
    return max(0, int(newest or 0) - _cursor(sql))


def _expire_waiting(sql: sqlite3.Connection, now: float) -> int:
    prune_inhibitors(sql, now)
    sql.execute(
        "UPDATE alerts SET state = 'resolved' WHERE state = 'waiting' AND (case_id, id) IN"
        " (SELECT case_id, alert_id FROM intents WHERE state = 'waiting' AND until <= ?)",
        (now,),
    )
    return sql.execute(
        "UPDATE intents SET state = 'dropped', reason = 'never_fired' WHERE state = 'waiting' AND until <= ?", (now,)
    ).rowcount


@dataclass(slots=True)
class _Turn:
    """What a batch changes about one case's turn."""

    profile: str
    route: str
    due: float
    oldest: float
    rank: int
    resolves: bool


class _Transaction:
    """One batch: decisions in order on what is known, rows written together at the end."""

    def __init__(
        self,
        sql: sqlite3.Connection,
        decide: Decide,
        now: float,
        seen: dict[tuple[str, str], Seen | None] | None = None,
    ) -> None:
        self._sql = sql
        self._decide = decide
        self._now = now
        self._seen: dict[tuple[str, str], Seen | None] = {} if seen is None else seen
        self._heard: dict[tuple[str, str], float] = {}
        """What was seen in the batch, and when it was heard of."""
        self._cases: dict[str, int] = {}
        self._turns: dict[int, _Turn] = {}
        self._intents: list[tuple[object, ...]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        """The next `n` of an element's intents: its routes share them."""
        self._drops: list[tuple[int, int, str, str]] = []
        self._dead: list[tuple[object, ...]] = []
        self._tally = Tally()
        row = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'intents'").fetchone()
        self._seq = int(row[0]) if row else 0

    def run(self, elements: Iterable[Element], through: int, heard: Mapping[str, float]) -> Tally:
        for element in elements:
            self._take(element)
        self._flush()
        record_heard(self._sql, heard)
        self._sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('triaged', ?)", (through,))
        pass_point("triage.landed")
        return self._tally

    def retry(self, retried: Iterable[tuple[Retry, Sequence[Element]]], routes: Collection[str]) -> Tally:
        met: set[int] = set()
        for retry, elements in retried:
            if is_retrying(self._sql, retry.letter):
                self._retry(retry, elements, routes)
                if retry.event_id not in met:
                    met.add(retry.event_id)
                    self._take_unknown(retry.event_id, elements)
        self._flush()
        return self._tally

    def _retry(self, retry: Retry, elements: Sequence[Element], routes: Collection[str]) -> None:
        """The letter stays open for the first that fails again; a further one gets a letter of its own."""
        self._write()  # so that it is seen
        traces = fetch_traces(self._sql, retry)
        place = (retry.event_id, retry.index)
        self._numbers[place] = next_n(self._sql, *place)
        failed: Rejected | None = None
        for own in find_own(retry, elements, traces, routes):
            if isinstance(own.result, Rejected) and failed is None:
                failed = own.result
            else:
                self._take(own)
        if failed is None:
            settle_letter(self._sql, retry.letter, self._now)
        else:
            self._count(failed)
            reopen_letter(self._sql, retry.letter, failed)

    def replay(self, elements: Iterable[Element]) -> list[Ending]:
        endings: list[Ending] = []
        for _, routed in groupby(elements, key=lambda element: (element.event_id, element.index)):
            endings += self._replay(list(routed))
        self._flush()
        return endings

    def _replay(self, routed: Sequence[Element]) -> list[Ending]:
        """One element, by each route that takes it now."""
        place = (routed[0].event_id, routed[0].index)
        traces = fetch_element_traces(self._sql, *place)
        self._numbers[place] = next_n(self._sql, *place)
        endings = [self._replay_by(element, traces) for element in routed]
        letters = list(traces.letters)
        for ending in endings:
            if ending.outcome == "dead" and isinstance(ending.element.result, Rejected):
                self._reject_again(ending.element, ending.element.result, letters)
        if any(ending.outcome in ("landed", "dropped") for ending in endings):
            for letter in letters:
                settle_letter(self._sql, letter, self._now)
        return endings

    def _replay_by(self, element: Element, traces: ElementTraces) -> Ending:
        left = decide_left(traces, element.route)
        if left is not None:
            return Ending(element, left)
        if isinstance(element.result, Rejected):
            # what was dropped on purpose makes no new work for a person
            drop = None if traces.letters else next(iter(traces.drops.values()), None)
            return Ending(element, "dead", element.result.reason) if drop is None else Ending(element, "dropped", drop)
        forget_drop(self._sql, element.event_id, element.index, element.route)
        before = len(self._drops)
        self._take(element)
        dropped = len(self._drops) > before
        return Ending(element, "dropped", self._drops[-1][2]) if dropped else Ending(element, "landed")

    def _reject_again(self, element: Element, rejected: Rejected, letters: list[int]) -> None:
        """Its letter stays open with the reason of now; without one it gets one."""
        if letters:
            self._count(rejected)
            reopen_letter(self._sql, letters.pop(0), rejected)
        else:
            self._reject(element, rejected)

    def _take_unknown(self, event_id: int, elements: Sequence[Element]) -> None:
        known = known_indexes(self._sql, event_id)
        for element in elements:
            if element.index not in known:
                self._take(element)

    def _take(self, element: Element) -> None:
        result = element.result
        if isinstance(result, Landing):
            self._land(element, result)
        elif isinstance(result, Dropped):
            self._drop(element, result.reason)
            self._bear(element)
        else:
            self._reject(element, result)

    def _land(self, element: Element, landing: Landing) -> None:
        if not landing.intents:
            self._drop(element, "no_intent")
            self._bear(element)
            return
        seen = self._find(landing)
        verdict = self._decide(seen, landing)
        if not _is_old(seen, landing, verdict):
            self._bear(element)
        if verdict.action == "drop":
            self._drop(element, verdict.reason)
            self._note_drop(landing, seen, verdict)
            return
        if element.bearing is not None and is_inhibited(self._sql, element.bearing):
            self._drop(element, "inhibited")
            if seen is not None:
                self._put(landing, seen)  # it was heard of
            return
        self._tally.accepted += 1
        first_seq = seen.first_seq if seen and verdict.same_episode else self._seq + 1
        case_id = 0
        for n, owed in enumerate(landing.intents, self._take_numbers(element, len(landing.intents))):
            # an episode is one case's, whatever `group_by` says now: a resolve goes where its firing went
            follows = seen is not None and not landing.one_shot and self._stays(seen, verdict, landing)
            case_id = seen.case_id if follows and seen else self._case(owed, landing)
            place = (case_id, None if landing.one_shot else first_seq)
            self._owe(element, n, owed, landing, place, waits=verdict.action == "wait")
        self._remember(landing, seen, verdict, case_id, first_seq)

    def _take_numbers(self, element: Element, count: int) -> int:
        """The first of so many."""
        place = (element.event_id, element.index)
        first = self._numbers.get(place, 0)
        self._numbers[place] = first + count
        return first

    def _bear(self, element: Element) -> None:
        if element.bearing is not None:
            record_bearing(self._sql, element.bearing)

    def _find(self, landing: Landing) -> Seen | None:
        if landing.identity is None:
            return None
        key = (landing.scope, landing.identity)
        if key not in self._seen:
            row = self._sql.execute(
                "SELECT case_id, state, one_shot, episode, content, received, repeats, first_seq, handled"
                " FROM alerts WHERE scope = ? AND id = ?",
                key,
            ).fetchone()
            self._seen[key] = Seen(*row) if row else None
        return self._seen[key]

    def _remember(self, landing: Landing, seen: Seen | None, verdict: Verdict, case_id: int, first_seq: int) -> None:
        if landing.identity is None or verdict.overtaken:
            return
        state = "waiting" if verdict.action == "wait" else str(landing.state)
        episode = landing.episode
        if seen and verdict.same_episode and seen.episode is not None:
            episode = seen.episode if episode is None else max(episode, seen.episode)
        handled = bool(seen and verdict.same_episode and seen.handled)
        self._put(
            landing,
            Seen(case_id, state, landing.one_shot, episode, landing.content, landing.received, 0, first_seq, handled),
        )

    def _note_drop(self, landing: Landing, seen: Seen | None, verdict: Verdict) -> None:
        if seen is None:
            return
        if seen.state == "waiting" and landing.state is State.FIRING:
            # the alert came after its resolve: both are settled
            self._write_intents()
            self._sql.execute(
                "UPDATE intents SET state = 'dropped', reason = ?"
                " WHERE state = 'waiting' AND case_id = ? AND alert_id = ?",
                (verdict.reason, seen.case_id, landing.identity),
            )
            seen = replace(seen, state="resolved")
        self._put(landing, replace(seen, repeats=seen.repeats + 1))

    def _put(self, landing: Landing, seen: Seen) -> None:
        key = (landing.scope, str(landing.identity))
        self._seen[key] = seen
        self._heard[key] = max(landing.received, seen.received)  # a dead letter that is tried again is old

    def _case(self, owed: Owed, landing: Landing) -> int:
        case_id = self._cases.get(owed.case_key)
        if case_id is None:
            row = self._sql.execute("SELECT id FROM cases WHERE key = ?", (owed.case_key,)).fetchone()
            case_id = int(row[0]) if row else self._shelter(owed, landing) or self._open_case(owed, landing)
            self._cases[owed.case_key] = case_id
        return case_id

    def _stays(self, seen: Seen, verdict: Verdict, landing: Landing) -> bool:
        """Whether an alert goes where the last one of its id went: in the same episode, and, at a storm's case, as long
        as it has not ended, so that nothing fires there for ever."""
        if verdict.same_episode or landing.storm is None:
            return verdict.same_episode
        return seen.state == "firing" and not seen.handled and is_storm(self._sql, seen.case_id)

    def _shelter(self, owed: Owed, landing: Landing) -> int | None:
        """The case of a storm that takes the alert of what would be a new case, if there is a storm."""
        if landing.storm is None or owed.kind != "create":
            return None
        shelter = find_shelter(self._sql, owed, landing, landing.storm, self._now)
        if not shelter.began or owed.urgency <= MOST_URGENT:
            return shelter.case_id
        case_id = self._open_case(describe_storm(owed, landing, self._now), landing)
        open_storm(self._sql, case_id, landing, owed.organization, self._now + landing.storm.within)
        take_shelter(self._sql, case_id, owed.case_key, self._now)
        self._tally.storms.append((landing.route, owed.organization))
        return case_id

    def _open_case(self, owed: Owed, landing: Landing) -> int:
        row = self._sql.execute(
            "INSERT INTO cases (key, digest, organization, profile, route, opened) VALUES (?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (owed.case_key, owed.digest, owed.organization, landing.profile, landing.route, self._now),
        ).fetchone()
        return int(row[0])

    def _owe(
        self, element: Element, n: int, owed: Owed, landing: Landing, place: tuple[int, int | None], *, waits: bool
    ) -> None:
        self._seq += 1
        case_id, first_seq = place
        self._intents.append(
            (
                self._seq,
                element.event_id,
                element.index,
                n,
                case_id,
                owed.kind,
                "waiting" if waits else "pending",
                landing.received + landing.resolve_wait_s if waits else None,
                landing.received,
                owed.urgency,
                owed.impact,
                landing.identity,
                first_seq,
                owed.facts,
                landing.route,
            )
        )
        if not waits:
            self._take_turn(case_id, owed, landing)

    def _take_turn(self, case_id: int, owed: Owed, landing: Landing) -> None:
        turn = self._turns.get(case_id)
        resolves = owed.kind == "resolve"
        rank = 4 if resolves else owed.urgency
        if turn is None:
            due = self._now + landing.group_wait_s
            self._turns[case_id] = _Turn(landing.profile, landing.route, due, landing.received, rank, resolves)
            return
        turn.profile, turn.route = landing.profile, landing.route
        turn.rank = min(turn.rank, rank)
        turn.resolves = turn.resolves or resolves

    def _drop(self, element: Element, reason: str) -> None:
        self._tally.dropped += 1
        self._tally.drops[reason] += 1
        self._drops.append((element.event_id, element.index, reason, element.route))

    def _reject(self, element: Element, rejected: Rejected) -> None:
        self._count(rejected)
        place = (element.event_id, element.index, rejected.route)
        self._dead.append((*place, rejected.reason, rejected.field, rejected.detail[:MOST_DETAIL], self._now))

    def _count(self, rejected: Rejected) -> None:
        self._tally.rejected += 1
        self._tally.reasons[rejected.reason] += 1

    def _write_intents(self) -> None:
        self._sql.executemany(
            "INSERT INTO intents (seq, event_id, idx, n, case_id, kind, state, until, received, urgency, impact,"
            " alert_id, first_seq, facts, route) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._intents,
        )
        self._intents.clear()

    def _write(self) -> None:
        self._write_intents()
        # an event that triage maps again (a crash before its commit never stored anything; a retry of a dead letter
        # may) replaces its own drop
        self._sql.executemany(
            "INSERT OR REPLACE INTO drops (event_id, idx, reason, route) VALUES (?, ?, ?, ?)", self._drops
        )
        self._sql.executemany(
            "INSERT INTO dead_letters (event_id, idx, route, reason, field, detail, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._dead,
        )
        self._drops.clear()
        self._dead.clear()

    def _flush(self) -> None:
        self._write()
        self._sql.executemany(
            "INSERT OR REPLACE INTO alerts (scope, id, case_id, state, one_shot, episode, content, received, repeats,"
            " first_seq, handled, heard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
            # what is mapped again is old; a time that lies ahead is a clock's that was put back
            " max(?12, min(?13, coalesce((SELECT heard FROM alerts WHERE scope = ?1 AND id = ?2), 0))))",
            [(*key, *_columns(self._seen[key]), heard, self._now) for key, heard in self._heard.items()],
        )
        # A case that delivery has put off keeps its time, unless something came that must not wait for it: a resolve,
        # or an alert more urgent than its incident. One that backs off after failures keeps it in any case.
        self._sql.executemany(
            "UPDATE cases SET profile = ?1, route = ?8, oldest = min(coalesce(oldest, ?3), ?3), rank = min(rank, ?4),"
            " due = CASE WHEN parked IS NOT NULL THEN NULL"
            " WHEN due IS NULL THEN CASE WHEN incident IS NULL THEN ?2 ELSE ?5 END"
            " WHEN failures > 0 THEN due"
            " WHEN ?6 OR (incident IS NOT NULL AND ?4 < coalesce(urgency, 4)) THEN min(due, ?5)"
            " ELSE due END WHERE id = ?7",
            [
                (turn.profile, turn.due, turn.oldest, turn.rank, self._now, turn.resolves, case_id, turn.route)
                for case_id, turn in self._turns.items()
            ],
        )


def _is_old(seen: Seen | None, landing: Landing, verdict: Verdict) -> bool:
    """True if the alert tells of an episode that is over, or older than what fires now."""
    if verdict.overtaken:
        return True
    fires = landing.state is State.FIRING or (seen is not None and seen.state in ("firing", "expired"))
    return verdict.reason == "already_resolved" and fires


def _columns(seen: Seen | None) -> tuple[object, ...]:
    if seen is None:
        raise AssertionError("only what was seen is written")
    return (
        seen.case_id,
        seen.state,
        seen.one_shot,
        seen.episode,
        seen.content,
        seen.received,
        seen.repeats,
        seen.first_seq,
        seen.handled,
    )
