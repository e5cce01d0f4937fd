"""Delivery's side of the journal: cases whose turn it is, what they owe, and the attempts to settle it."""

from collections.abc import Callable, Iterable, Sequence

from itop_bridge.errors import JournalFullError
from itop_bridge.journal import episode, owed, settling, shadow, turn
from itop_bridge.journal.case import Attempt, CaseState, Draft, Opening, Owing, Settlement
from itop_bridge.journal.owed import S
from itop_bridge.journal.shadow import ShadowIncident, ShadowWrite
from itop_bridge.journal.store import Store
from itop_bridge.journal.storm import StormCount, Umbrella, fetch_storm_count, fetch_umbrella


class DeliveryJournal:
    """What is owed to iTop."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def fetch_due(self, limit: int) -> list[CaseState]:
        """Cases whose turn it is: the most urgent first, organisations in turn, and every tenth the oldest of all.

        None of a route that is held back.
        """
        now = self._clock()
        return await self._store.read(lambda sql: turn.fetch_due(sql, now, limit))

    async def fetch_openings(self, limit: int) -> list[Opening]:
        """The alerts that the next new cases open their incidents with; about in the order of their turns."""
        now = self._clock()
        return await self._store.read(lambda sql: turn.fetch_openings(sql, now, limit))

    async def fetch_cases(self, ids: Iterable[int]) -> dict[int, CaseState]:
        """Cases as they are now, by id."""
        return await self._store.read(lambda sql: {case_id: owed.load_case(sql, case_id) for case_id in ids})

    async def fetch_case(self, case_id: int) -> CaseState:
        """One case as it is now."""
        return await self._store.read(lambda sql: owed.load_case(sql, case_id))

    async def fetch_pauses(self) -> list[str]:
        """The routes that are held back; '*' is every route."""
        return await self._store.read(lambda sql: [str(row[0]) for row in sql.execute("SELECT route FROM pauses")])

    async def may_send(self, case_id: int) -> bool:
        """False if an operator holds the case's route back."""
        return not await self._store.read(lambda sql: turn.is_held(sql, case_id))

    async def next_due(self, *, looks: bool = True) -> float | None:
        """When the next case or look is due, of those that are not held back; None if nothing is."""
        return await self._store.read(lambda sql: turn.next_due(sql, looks=looks))

    async def fetch_looks(self, limit: int) -> list[Attempt]:
        """Attempts whose token is to be looked for by now, oldest first; none of what is held back."""
        now = self._clock()
        return await self._store.read(lambda sql: turn.fetch_looks(sql, now, limit))

    async def postpone_looks(self, attempts: Iterable[int], look: float) -> None:
        """Look for these attempts' tokens later."""
        rows = [(look, attempt_id) for attempt_id in attempts]
        await self._store.write(lambda sql: sql.executemany("UPDATE attempts SET look = ? WHERE id = ?", rows).rowcount)

    async def fetch_profile(self, hashed: str) -> str:
        """The settings that a case is written with."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT body FROM profiles WHERE hash = ?", (hashed,)).fetchone()
        )
        return str(row[0])

    async def fold_pending(
        self, case_id: int, fold: Callable[[S, Owing], S], state: S, *, after: int = 0, through: int = 2**62
    ) -> S:
        """Fold a case's pending intents after one and up to another, in order, as a stream."""
        return await self._store.read(lambda sql: owed.fold_pending(sql, (case_id, after, through), fold, state))

    async def count_pending(self, case_id: int, *, through: int) -> int:
        """How many intents up to `through` the case owes."""
        row = await self._store.read(
            lambda sql: sql.execute(
                "SELECT count(*) FROM intents WHERE case_id = ? AND state = 'pending' AND seq <= ?", (case_id, through)
            ).fetchone()
        )
        return int(row[0])

    async def fetch_changes(self, case_id: int, after: float) -> list[float]:
        """When the alerts of a case changed between firing and resolved, by their receipt after a time, in order."""
        return await self._store.read(lambda sql: owed.fetch_changes(sql, case_id, after))

    async def fetch_storm_count(self, case_id: int, through: int) -> StormCount:
        """What the case of a storm stands for, when its intents up to `through` are told."""
        return await self._store.read(lambda sql: fetch_storm_count(sql, case_id, through))

    async def fetch_umbrella(self, case: CaseState) -> Umbrella | None:
        """The incident of the storm that holds now where the case belongs; None if there is none."""
        now = self._clock()
        return await self._store.read(lambda sql: fetch_umbrella(sql, case.id, now))

    async def count_firing(self, case_id: int) -> int:
        """Alerts of the case that fire now and that no person has dealt with."""
        return await self._store.read(lambda sql: owed.count_firing(sql, case_id))

    async def record_attempt(self, draft: Draft) -> Attempt:
        """Journal a write that is about to be sent."""
        now = self._clock()
        return await self._store.write(lambda sql: settling.record_attempt(sql, draft, now))

    async def settle(self, settlement: Settlement) -> None:
        """Settle a case's pending intents up to `through`, and what follows for the case, in one commit."""
        await self._store.write(lambda sql: settling.settle_case(sql, settlement))

    async def fetch_shadows(self, ids: Sequence[int]) -> dict[int, ShadowIncident]:
        """Incidents that only would have been, by id."""
        return await self._store.read(lambda sql: shadow.load_shadows(sql, ids))

    async def record_shadow(self, write: ShadowWrite) -> None:
        """Keep a write instead of sending it, and settle its case as if it had been sent, in one commit."""
        now = self._clock()
        await self._store.write(lambda sql: settling.settle_case(sql, shadow.record_shadow(sql, write, now)))

    async def leave_shadow(self, case_id: int) -> None:
        """Let a case begin anew that has a shadow incident."""
        await self._store.write(lambda sql: shadow.leave_shadow(sql, case_id))

    async def requeue(self, case_id: int) -> None:
        """Give a case its turn if it owes anything, else none."""
        await self._store.write(lambda sql: settling.requeue_case(sql, case_id))

    async def settle_attempt(self, attempt_id: int, state: str, *, look: float | None, detail: str = "") -> None:
        """Set an attempt's state, and when to look for its token (None: never again)."""
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "UPDATE attempts SET state = ?, look = ?, looks = looks + 1, detail = ? WHERE id = ?",
                    (state, look, detail[:2000], attempt_id),
                ).rowcount
            )
        )

    async def confirm(self, attempts: Iterable[int]) -> None:
        """These attempts' entries stayed: they are not looked for any more."""
        rows = [(attempt_id,) for attempt_id in attempts]
        if rows:
            await self._store.write(
                lambda sql: (
                    sql.executemany(
                        "UPDATE attempts SET state = 'confirmed', look = NULL, looks = looks + 1 WHERE id = ?", rows
                    ).rowcount
                )
            )

    async def defer(self, case_id: int, due: float, after: int, **changes: object) -> None:
        """Put a case off until `due` (0: its turn is now), and set `changes` (columns of the case).

        Not if a resolve or a more urgent alert landed after the intent `after`, the last that the decision knew.
        """
        await self._store.write(lambda sql: settling.defer_case(sql, case_id, due, after, changes))

    async def change(self, case_id: int, **changes: object) -> None:
        """Set columns of a case."""
        await self._store.write(lambda sql: settling.change_case(sql, case_id, changes))

    async def park(self, case_id: int, reason: str, detail: str, field_name: str | None) -> None:
        """Put a case aside as one dead letter: what comes joins it without a call."""
        now = self._clock()
        await self._store.write(lambda sql: settling.park_case(sql, case_id, (reason, field_name, detail[:2000], now)))

    async def record_lost(self, attempt: Attempt) -> None:
        """A log entry that iTop does not keep, as a dead letter with its text; the attempt is not looked for again."""
        now = self._clock()
        await self._store.write(lambda sql: settling.record_lost(sql, attempt, now))

    async def mark_handled(self, case_id: int, dealt_at: float | None) -> bool:
        """A person resolved or closed the incident: the episodes it was told of are theirs now.

        They never reopen it nor open another; pending updates of them are dropped, also where the alert has ended
        since. An episode that began after `dealt_at` (None: not known) is not theirs. True if that changed anything.
        """
        return await self._store.write(lambda sql: episode.mark_handled(sql, case_id, dealt_at))

    async def expire_firing(self, most: int = 1_000) -> int:
        """End the episodes that nothing was heard of for `firing_expires`, at most so many. Returns how many.

        Where the route says `expired: resolve`, they are resolved in iTop as if the SIEM had said so.
        """
        now = self._clock()
        # the reader may search long; the writer is asked only where there is something to write
        if not await self._store.read(lambda sql: episode.any_expired(sql, now)):
            return 0
        return await self._store.write(lambda sql: episode.expire_firing(sql, now, most))

    async def has_space(self) -> bool:
        """True if something can be stored."""
        now = self._clock()
        try:
            await self._store.write(
                lambda sql: (
                    sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('stored', ?)", (now,)).rowcount
                )
            )
        except JournalFullError:
            return False
        return True

    async def record_server_offset(self, offset_s: float | None) -> None:
        """Keep how far iTop's dates are from this machine's clock, in seconds."""
        await self._store.write(
            lambda sql: (
                sql.execute(
                    "INSERT OR REPLACE INTO meta (name, value) VALUES ('server_offset', ?)", (offset_s,)
                ).rowcount
            )
        )

    async def fetch_server_offset(self) -> float | None:
        """What was kept; None if nothing was."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE name = 'server_offset'").fetchone()
        )
        return None if row is None or row[0] is None else float(row[0])

    async def has_parked(self) -> bool:
        """True while a case waits for a person."""
        row = await self._store.read(
            lambda sql: sql.execute("SELECT EXISTS (SELECT 1 FROM cases WHERE parked IS NOT NULL)").fetchone()
        )
        return bool(row[0])

    async def release_parked(self) -> int:
        """Try every parked case once more. Returns how many."""
        now = self._clock()
        return await self._store.write(lambda sql: settling.release_parked(sql, now))

    async def recover(self, look: float, latest_due: float) -> int:
        """On start: what is in flight is unknown, to be looked for from `look` on; parked cases are tried once more,
        since the configuration may have been mended; times far ahead (the clock jumped) are clamped. Returns how many
        attempts are unknown."""
        now = self._clock()
        return await self._store.write(lambda sql: settling.recover_all(sql, now, look, latest_due))
