"""Elements as they land: what each does to its case is decided one after the other, and stored together."""

import sqlite3
from dataclasses import asdict, dataclass, replace

from itop_bridge.alert import State
from itop_bridge.journal.inhibition import is_inhibited, record_bearing
from itop_bridge.journal.landing import MOST_DETAIL, Decide, Element, Landing, Owed, Seen, Tally, Verdict
from itop_bridge.journal.storm import MOST_URGENT, describe_storm, find_shelter, is_storm, open_storm, take_shelter
from itop_bridge.outcome import Rejected


@dataclass(slots=True)
class _Turn:
    """What a batch changes about one case's turn."""

    profile: str
    route: str
    due: float
    oldest: float
    rank: int
    resolves: bool


class Batch:
    """Decisions in order on what is known; the rows are written together, with `flush`, in the caller's transaction.

    `seen` is what was known to the parts before, where nothing of them was stored (a rehearsal).
    """

    def __init__(
        self,
        sql: sqlite3.Connection,
        decide: Decide,
        now: float,
        seen: dict[tuple[str, str], Seen | None] | None = None,
    ) -> None:
        self.sql = sql
        self._decide = decide
        self.now = now
        self._seen: dict[tuple[str, str], Seen | None] = {} if seen is None else seen
        self._heard: dict[tuple[str, str], float] = {}
        """What was seen in the batch, and when it was heard of."""
        self._cases: dict[str, int] = {}
        self._turns: dict[int, _Turn] = {}
        self._intents: list[tuple[object, ...]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        """The next `n` of an element's intents: its routes share them."""
        self._drops: list[tuple[object, ...]] = []
        self._dead: list[tuple[object, ...]] = []
        self.tally = Tally()
        row = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'intents'").fetchone()
        self._seq = int(row[0]) if row else 0

    def number_from(self, event_id: int, index: int, n: int) -> None:
        """An element has intents already: the next is its n-th."""
        self._numbers[event_id, index] = n

    def take(self, element: Element) -> str | None:
        """Decide on an element. Returns why it was dropped; None if it was not."""
        result = element.result
        if isinstance(result, Landing):
            return self._land(element, result)
        if isinstance(result, Rejected):
            self.reject(element, result)
            return None
        self._bear(element)
        return self._drop(element, result.reason)

    def reject(self, element: Element, rejected: Rejected) -> None:
        """It becomes a dead letter."""
        self.count(rejected)
        self.tally.letters.append((element.event_id, rejected.route or ""))
        place = (element.event_id, element.index, rejected.route, element.alert_id)
        self._dead.append((*place, rejected.reason, rejected.field, rejected.detail[:MOST_DETAIL], self.now))

    def count(self, rejected: Rejected) -> None:
        """It is a dead letter already."""
        self.tally.rejected += 1
        self.tally.reasons[rejected.reason] += 1

    def _land(self, element: Element, landing: Landing) -> str | None:
        if not landing.intents:
            self._bear(element)
            return self._drop(element, "no_intent")
        seen = self._find(landing)
        verdict = self._decide(seen, landing)
        if not _is_old(seen, landing, verdict):
            self._bear(element)
        if verdict.action == "drop":
            self._note_drop(landing, seen, verdict)
            return self._drop(element, verdict.reason)
        if element.bearing is not None and is_inhibited(self.sql, element.bearing):
            if seen is not None:
                self._put(landing, seen)  # it was heard of
            return self._drop(element, "inhibited")
        self.tally.accepted += 1
        first_seq = seen.first_seq if seen and verdict.same_episode else self._seq + 1
        case_id = 0
        for n, owed in enumerate(landing.intents, self._take_numbers(element, len(landing.intents))):
            # an episode is one case's, whatever `group_by` says now: a resolve goes where its firing went
            follows = seen is not None and not landing.one_shot and self._stays(seen, verdict, landing)
            case_id = seen.case_id if follows and seen else self._case(owed, landing)
            place = (case_id, None if landing.one_shot else first_seq)
            self._owe(element, n, owed, landing, place, waits=verdict.action == "wait")
        self._remember(landing, seen, verdict, case_id, first_seq)
        return None

    def _take_numbers(self, element: Element, count: int) -> int:
        """The first of so many."""
        place = (element.event_id, element.index)
        first = self._numbers.get(place, 0)
        self._numbers[place] = first + count
        return first

    def _bear(self, element: Element) -> None:
        if element.bearing is not None:
            record_bearing(self.sql, element.bearing)

    def _find(self, landing: Landing) -> Seen | None:
        if landing.identity is None:
            return None
        key = (landing.scope, landing.identity)
        if key not in self._seen:
            row = self.sql.execute(
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
            self.sql.execute(
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
            row = self.sql.execute("SELECT id FROM cases WHERE key = ?", (owed.case_key,)).fetchone()
            case_id = int(row[0]) if row else self._shelter(owed, landing) or self._open_case(owed, landing)
            self._cases[owed.case_key] = case_id
        return case_id

    def _stays(self, seen: Seen, verdict: Verdict, landing: Landing) -> bool:
        """Whether an alert goes where the last one of its id went: in the same episode, and, at a storm's case, as long
        as it has not ended, so that nothing fires there for ever."""
        if verdict.same_episode or landing.storm is None:
            return verdict.same_episode
        return seen.state == "firing" and not seen.handled and is_storm(self.sql, seen.case_id)

    def _shelter(self, owed: Owed, landing: Landing) -> int | None:
        """The case of a storm that takes the alert of what would be a new case, if there is a storm."""
        if landing.storm is None or owed.kind != "create":
            return None
        shelter = find_shelter(self.sql, owed, landing, landing.storm, self.now)
        if not shelter.began or owed.urgency <= MOST_URGENT:
            return shelter.case_id
        own = describe_storm(owed, landing, self.now)
        case_id = self._open_case(own, landing)
        open_storm(self.sql, case_id, landing, owed.organization, self.now + landing.storm.within)
        take_shelter(self.sql, case_id, owed.case_key, self.now)
        self.tally.storms.append((landing.route, owed.organization, own.digest))
        return case_id

    def _open_case(self, owed: Owed, landing: Landing) -> int:
        row = self.sql.execute(
            "INSERT INTO cases (key, digest, organization, profile, route, opened) VALUES (?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (owed.case_key, owed.digest, owed.organization, landing.profile, landing.route, self.now),
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
            due = self.now + landing.group_wait_s
            self._turns[case_id] = _Turn(landing.profile, landing.route, due, landing.received, rank, resolves)
            return
        turn.profile, turn.route = landing.profile, landing.route
        turn.rank = min(turn.rank, rank)
        turn.resolves = turn.resolves or resolves

    def _drop(self, element: Element, reason: str) -> str:
        self.tally.dropped += 1
        self.tally.drops[reason] += 1
        self._drops.append((element.event_id, element.index, reason, element.route, element.alert_id))
        return reason

    def _write_intents(self) -> None:
        self.sql.executemany(
            "INSERT INTO intents (seq, event_id, idx, n, case_id, kind, state, until, received, urgency, impact,"
            " alert_id, first_seq, facts, route) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._intents,
        )
        self._intents.clear()

    def write(self) -> None:
        """Store the elements taken so far, so that a query sees them; the rest with `flush`."""
        self._write_intents()
        # an event that triage maps again (a crash before its commit never stored anything; a retry of a dead letter
        # may) replaces its own drop
        self.sql.executemany(
            "INSERT OR REPLACE INTO drops (event_id, idx, reason, route, alert_id) VALUES (?, ?, ?, ?, ?)", self._drops
        )
        self.sql.executemany(
            "INSERT INTO dead_letters (event_id, idx, route, alert_id, reason, field, detail, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self._dead,
        )
        self._drops.clear()
        self._dead.clear()

    def flush(self) -> None:
        """Store all: elements, what was seen, the cases' turns."""
        self.write()
        self.sql.executemany(
            "INSERT OR REPLACE INTO alerts (scope, id, case_id, state, one_shot, episode, content, received, repeats,"
            " first_seq, handled, heard) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            # what is mapped again is old; a time that lies ahead is a clock's that was put back
            " max(?, min(?, coalesce((SELECT heard FROM alerts WHERE scope = ? AND id = ?), 0))))",
            [(*key, *_columns(self._seen[key]), heard, self.now, *key) for key, heard in self._heard.items()],
        )
        # A case that delivery has put off keeps its time, unless something came that must not wait for it: a resolve,
        # or an alert more urgent than its incident. One that backs off after failures keeps it in any case.
        self.sql.executemany(
            "UPDATE cases SET profile = :profile, route = :route,"
            " oldest = min(coalesce(oldest, :oldest), :oldest), rank = min(rank, :rank),"
            " due = CASE WHEN parked IS NOT NULL THEN NULL"
            " WHEN due IS NULL THEN CASE WHEN incident IS NULL THEN :due ELSE :now END"
            " WHEN failures > 0 THEN due"
            " WHEN :resolves OR (incident IS NOT NULL AND :rank < coalesce(urgency, 4)) THEN min(due, :now)"
            " ELSE due END WHERE id = :case",
            [{**asdict(turn), "case": case_id, "now": self.now} for case_id, turn in self._turns.items()],
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
