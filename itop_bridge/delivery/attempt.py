"""One write to iTop: journaled with its token, sent, and settled by what came back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from itop_bridge.crash_point import pass_point
from itop_bridge.delivery.failure import Action, Consequence, decide_consequence, is_itops_own
from itop_bridge.delivery.look import LOOK_AGAIN_S
from itop_bridge.delivery.zone import ServerClock
from itop_bridge.errors import JournalFullError
from itop_bridge.itop.answer import Answer
from itop_bridge.itop.breaker import backoff_s
from itop_bridge.itop.error import ITopError, ServerError, StimulusError, WithdrawnError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.measured import name_outcome
from itop_bridge.journal.case import Attempt, CaseState, Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.shadow import is_shadow
from itop_bridge.log import Alarms, Faults

log = structlog.get_logger(__name__)

FULL_S = 5.0
"""How long a full disk is given before the next try."""
HELD_S = 60.0
"""How long a case waits whose operation iTop refuses to everyone."""

_EVENTS = {
    "create": "incident.created",
    "append": "incident.appended",
    "advance": "incident.advanced",
    "resolve": "incident.resolved",
    "reopen": "incident.reopened",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How delivery is paced, and by which clocks and dice: tests bring their own."""

    rate: float
    """Calls per second."""
    server_time_limit_s: float
    """After this a call that was not answered is looked for: iTop's own limit has ended it."""
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Order:
    """A write to be sent for a case."""

    case: CaseState
    kind: str
    token: str
    operation: Mapping[str, Any]
    through: int
    message: str
    effect: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    """For the log: route, alerts, reason."""
    optional: frozenset[str] = frozenset()
    """Attributes that the call may do without."""
    lent: Mapping[str, int] = field(default_factory=dict)
    """Those of them that a CI gave, with its id."""
    received: float = 0.0
    """When the oldest alert that it tells of was received."""


class Sender:
    """Sends orders. A crash at any point leaves an attempt that is verified by its token, never blindly repeated."""

    def __init__(
        self,
        journal: DeliveryJournal,
        gate: Gate,
        server_clock: ServerClock,
        alarms: Alarms,
        pace: Pace,
        refuse: Callable[[Order, str], None],
        on_write: Callable[[str, float], None] | None = None,
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._server_clock = server_clock
        self._alarms = alarms
        self._pace = pace
        self._clock = pace.clock
        self._refuse = refuse
        self._on_write = on_write
        self._faults = {kind: Faults(clock=pace.monotonic) for kind in _EVENTS}
        """By kind of write: while iTop itself fails, every case's write does."""
        self.closed_ways: set[tuple[str, str]] = set()
        """Pairs of a status and a stimulus that iTop refused there: as few as a data model has."""

    async def send(self, order: Order) -> None:
        """Mark, send, settle."""
        case = order.case
        if is_shadow(case.incident):
            raise AssertionError("nothing is sent for an incident that is not in iTop")
        # a create is looked for everywhere: the incident that the case has is the one before
        incident = None if order.kind == "create" else case.incident
        attempt = await self._journal.record_attempt(
            Draft(case.id, order.kind, order.token, incident, order.through, order.message, order.effect)
        )
        pass_point("delivery.marked")
        try:
            answer = await self._gate.call(order.operation, is_wanted=lambda: self._journal.may_send(case.id))
            pass_point("delivery.answered")
            if not answer.objects:
                raise ServerError("iTop answered yes, and named no object")
        except ITopError as error:
            failed = error
            await _shielded(self._insist(lambda: self._settle_failure(order, attempt, failed)))
        else:
            now = self._clock()
            await _shielded(self._insist(lambda: self._settle_success(order, attempt, answer, now)))

    async def _insist(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Store an outcome, however long the disk is full: iTop has it already."""
        while True:
            try:
                return await settle()
            except JournalFullError as error:
                await wait_for_space(self._journal, self._alarms, self._pace.sleep, error)

    async def rewrite(self, attempt: Attempt, case: CaseState, operation: Mapping[str, Any]) -> None:
        """Write a log entry again that another save overwrote; the key finds nothing if it is there after all."""
        try:
            await self._gate.call(operation)
        except ITopError as error:
            log.warning(
                "attempt.rewrite_failed",
                case=case.digest,
                incident=case.ref,
                attempt=attempt.id,
                reason=name_outcome(type(error)),
                detail=str(error)[:500],
            )
            look = self._clock() + self._pace.server_time_limit_s
            if is_itops_own(error, healthy=self._gate.is_healthy):
                await self._journal.postpone_looks([attempt.id], look)
                return  # it costs no try
        else:
            look = self._clock() + LOOK_AGAIN_S
        # whatever came of it, the next look tells
        await self._journal.settle_attempt(attempt.id, "applied", look=look)

    async def _settle_success(self, order: Order, attempt: Attempt, answer: Answer, now: float) -> None:
        shown = answer.objects[0]
        if self._server_clock.learn(str(shown.fields.get("last_update", "")), now):
            await self._journal.record_server_offset(self._server_clock.offset_s)
        changes = dict(order.effect)
        if order.kind == "create":
            changes |= {
                "incident": shown.key,
                "ref": str(shown.fields.get("ref", "")),
                "agent": int(shown.fields.get("agent_id") or 0),
            }
        if order.kind == "advance":
            changes["agent"] = int(shown.fields.get("agent_id") or 0)  # only what no person holds is advanced
        if order.kind == "resolve":
            changes["resolution"] = str(shown.fields.get("resolution_date", ""))
        look = now + LOOK_AGAIN_S if order.message else None
        state = "applied" if order.message else "confirmed"
        await self._journal.settle(
            Settlement(order.case.id, order.through, "delivered", order.kind, attempt.id, state, look, changes)
        )
        self._faults[order.kind].end("attempt.failed")
        if self._on_write is not None:
            self._on_write(order.kind, now - order.received)
        log.info(
            _EVENTS[order.kind],
            case=order.case.digest,
            incident=changes.get("ref", order.case.ref),
            attempt=attempt.id,
            duration_ms=round((now - attempt.sent) * 1000),
            urgency=changes.get("urgency", order.case.urgency),
            waited_s=round(max(0.0, now - order.received), 1),
            **order.facts,
        )

    async def _settle_failure(self, order: Order, attempt: Attempt, error: ITopError) -> None:
        case = order.case
        if isinstance(error, WithdrawnError):  # the case stays due, and is taken up when its route is resumed
            await self._journal.settle_attempt(attempt.id, "failed", look=None, detail=str(error))
            return
        consequence = decide_consequence(
            error, optional=order.optional, failures=case.failures, healthy=self._gate.is_healthy
        )
        self._tell_failure(order, attempt, consequence, error)
        if consequence.action is Action.LOOK:
            look = self._clock() + self._pace.server_time_limit_s
            await self._journal.settle_attempt(attempt.id, "unknown", look=look, detail=str(error))
            await self._journal.defer(case.id, look + 1.0, order.through, failures=case.failures + consequence.counts)
            return
        await self._journal.settle_attempt(attempt.id, "failed", look=None, detail=str(error))
        await self._follow(order, consequence, error)

    def _tell_failure(self, order: Order, attempt: Attempt, consequence: Consequence, error: ITopError) -> None:
        facts = {
            "case": order.case.digest,
            "incident": order.case.ref,
            "attempt": attempt.id,
            "reason": consequence.reason,
            "detail": str(error)[:500],
            **{name: value for name, value in order.facts.items() if name != "reason"},
        }
        if consequence.action is Action.LOOK:
            log.warning("attempt.unknown", **facts, failures=order.case.failures)
        elif is_itops_own(error, healthy=self._gate.is_healthy):
            self._faults[order.kind].tell("attempt.failed", consequence.reason, **facts)
        else:
            log.warning("attempt.failed", **facts)

    async def _follow(self, order: Order, consequence: Consequence, error: ITopError) -> None:
        case = order.case
        failures = case.failures + consequence.counts
        if isinstance(error, StimulusError) and error.state:
            self.closed_ways.add((error.state, error.stimulus))
        if consequence.action is Action.PARK:
            await self._journal.park(case.id, consequence.reason, str(error), consequence.field)
            reason, detail = consequence.reason, str(error)[:500]
            log.error("case.parked", case=case.digest, incident=case.ref, reason=reason, detail=detail)
            self._alarms.raise_("case_parked", case=case.digest, reason=reason)
        elif consequence.action is Action.WITHOUT_TEXT:
            self._alarms.raise_("log_full", incident=case.ref)
            await self._journal.change(case.id, log_full=1, due=0)
        elif consequence.action is Action.WITHOUT_REFERENCE and consequence.field:
            self._alarms.raise_("reference_refused", attribute=consequence.field, detail=str(error)[:200])
            self._refuse(order, consequence.field)
            await self._journal.change(case.id, due=0)
        elif consequence.action is Action.READ_AGAIN:
            await self._journal.change(case.id, due=0, failures=failures)
        else:
            wait_s = backoff_s(max(failures, 1), self._pace.random)
            if self._gate.is_open and not self._gate.is_healthy:
                wait_s = HELD_S  # iTop refuses the operation for now: what waits for it must not keep others waiting
            await self._journal.change(case.id, due=self._clock() + wait_s, failures=failures)


async def wait_for_space(
    journal: DeliveryJournal, alarms: Alarms, sleep: Callable[[float], Awaitable[None]], error: JournalFullError
) -> None:
    """Raise the alarm, and clear it once the journal can store again."""
    alarms.raise_("journal_full", detail=str(error))
    full = True
    while full:
        await sleep(FULL_S)
        full = not await journal.has_space()
    alarms.clear("journal_full")


async def _shielded(settling: Awaitable[None]) -> None:
    """The outcome is written even if the task is cancelled meanwhile."""
    task = asyncio.ensure_future(settling)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
