"""The stage that mails: what the journal has for people, bundled, and never in the way of an incident.

What is to be mailed lies in the journal until the server has taken it. While the server cannot be reached, nothing but
the alarms' names is in memory, and the next mail tells how much came meanwhile.
"""

import asyncio
import contextlib
import datetime
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal

import structlog

from itop_bridge.errors import ExpressionError, JournalFullError
from itop_bridge.journal.mail import Late, MailJournal, Pile
from itop_bridge.journal.notice import Kind
from itop_bridge.log import Alarms, Faults
from itop_bridge.mail.correspondence import Circle, Correspondence
from itop_bridge.mail.escalation import decide_escalation
from itop_bridge.mail.message import Draft, one_line, write_message
from itop_bridge.mail.outage import find_turns
from itop_bridge.mail.patience import Patience
from itop_bridge.mail.quota import Quota
from itop_bridge.mail.server import MailError, MailServer, send_message
from itop_bridge.mail.text import Pen, Surroundings, describe_contents, describe_turns, describe_waiting, write_text

log = structlog.get_logger(__name__)

Send = Callable[[MailServer, EmailMessage, str, Sequence[str]], Awaitable[Mapping[str, str]]]

EVERY_S = 5.0
SWEEP_S = 15.0
SETTLE_S = 60.0
"""What landed so short a time ago, also before a restart, is on its way: nobody is told of it yet."""
LAST_S = 0.5
"""What a stop leaves a mail that is under way."""
MOST_LISTED = 20

_ORDER: tuple[Kind, ...] = ("escalated", "dead_letters", "created", "arrived")


@dataclass(frozen=True, slots=True)
class Pace:
    """The clocks and dice of the mailer: tests bring their own."""

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


@dataclass(slots=True)
class Heap:
    """The notices of a kind for one circle."""

    kind: Kind
    circle: Circle
    routes: list[str] = field(default_factory=list)
    oldest: float = float("inf")
    last: int = 0

    def add(self, pile: Pile) -> None:
        self.routes.append(pile.route)
        self.oldest = min(self.oldest, pile.oldest)
        self.last = max(self.last, pile.last)


class Mailer:
    """Tells people. `on_mail` takes what became of each mail: sent, failed or held, and why."""

    def __init__(
        self,
        journal: MailJournal,
        alarms: Alarms,
        correspondence: Correspondence | None,
        pace: Pace | None = None,
        *,
        send: Send = send_message,
        on_mail: Callable[[str, str], None] = lambda _outcome, _reason: None,
    ) -> None:
        self._journal = journal
        self._alarms = alarms
        self._correspondence = correspondence
        self._pace = pace or Pace()
        self._send = send
        self._on_mail = on_mail
        self._faults = Faults(clock=self._pace.monotonic)
        self._quota = Quota(self._pace.monotonic)
        self._began = self._pace.monotonic()
        self._noted: Correspondence | Literal["nothing"] | None = "nothing"
        """For what the journal has noted whether there is mail: a reload may come while it is being noted."""
        self._outages: dict[str, float] = {}
        """Those that were told, with their beginning."""
        self._newest: list[tuple[float, int]] = []
        """When which intent was the newest."""
        self._sweep_at = 0.0
        self._server = Patience()
        self._circles: dict[Circle, Patience] = {}
        self._taken: dict[tuple[Kind, Circle], int] = {}
        """Up to which notice the server has mails, also where a full disk keeps that from being noted."""
        self._held: set[tuple[str, Circle]] = set()
        self._is_ending = False

    def change(self, correspondence: Correspondence | None) -> None:
        """Go by another configuration from now on."""
        self._correspondence = correspondence
        self._server = Patience()
        self._circles.clear()
        self._taken.clear()  # routes go to other circles, with notices of their own that nobody has yet

    async def run(self) -> None:
        """Mail, for ever."""
        while True:
            step = asyncio.create_task(self.step(), name="mailer-step")
            try:
                await asyncio.shield(step)
            except asyncio.CancelledError:
                await self._end(step)
                raise
            await self._pace.sleep(EVERY_S)

    async def _end(self, step: asyncio.Task[None]) -> None:
        """Begin no further mail. One that the server is just taking is noted, so that it is not sent again."""
        self._is_ending = True
        await asyncio.wait({step}, timeout=LAST_S)
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)

    async def step(self) -> None:
        """See what is new, and send what is due. A full disk, of which intake raises the alarm, is told too."""
        to = self._correspondence
        if to is None:
            with contextlib.suppress(JournalFullError):
                await self._close()
            return
        for part in (self._sweep, self._send_outages, self._send_notices):
            with contextlib.suppress(JournalFullError):
                await part(to)

    async def _open(self, to: Correspondence) -> None:
        if self._noted is not to:
            await self._journal.record_use(used=True)
            self._outages = await self._journal.fetch_outages()
            self._noted = to

    async def _close(self) -> None:
        if self._noted is not None:
            await self._journal.record_use(used=False)
            self._alarms.clear("mail_failing")
            self._alarms.clear("triage_behind")
            self._noted = None

    # what is late

    async def _sweep(self, to: Correspondence) -> None:
        await self._open(to)
        now = self._pace.monotonic()
        if now < self._sweep_at:
            return
        await self._tell_behind(to)
        if escalated := await self._escalate(to, await self._find_settled(now)):
            log.warning("alerts.escalated", alerts=escalated)
        await self._journal.settle_arrived()
        # a long backlog is looked through the less often
        self._sweep_at = self._pace.monotonic() + max(SWEEP_S, 20 * (self._pace.monotonic() - now))

    async def _find_settled(self, now: float) -> int:
        """The newest intent of SETTLE_S ago; 0 right after the start."""
        self._newest.append((now, await self._journal.fetch_newest()))
        settled = [each for each in self._newest if each[0] <= now - SETTLE_S]
        self._newest = [*settled[-1:], *self._newest[len(settled) :]]
        return settled[-1][1] if settled else 0

    async def _escalate(self, to: Correspondence, settled: int) -> int:
        if not to.least_after_s or not settled:
            return 0
        now = self._pace.clock()
        after: tuple[int, int] | None = (0, 0)
        escalated = 0
        while after is not None:
            late, after = await self._journal.fetch_late(after, now - to.least_after_s)
            if chosen := [each for each in late if each.seq <= settled and _is_late(each, to, now)]:
                escalated += await self._journal.claim(chosen)
        return escalated

    async def _tell_behind(self, to: Correspondence) -> None:
        """What triage has not looked at may be anything: it is an alarm, and told as an outage."""
        least_s = to.least_after_s or to.outage_after_s
        unmapped = await self._journal.fetch_unmapped(self._pace.clock() - least_s)
        if unmapped is None or self._pace.monotonic() - self._began < SETTLE_S:
            self._alarms.clear("triage_behind")
            return
        topics = one_line(", ".join(unmapped.topics), 300)
        self._alarms.raise_("triage_behind", detail=f"of {topics}", events=unmapped.count)

    # sending

    async def _send_outages(self, to: Correspondence) -> None:
        """Told from memory, so that a full disk keeps nobody from knowing of it."""
        now = self._pace.clock()
        settled = self._pace.monotonic() - self._began >= to.outage_after_s
        before = now - to.outage_after_s
        turns = list(find_turns(self._alarms.active, self._outages, to.outages, before, settled=settled))
        if not turns or self._must_wait(to.others.circle):
            return
        waiting = describe_waiting(await self._journal.fetch_owed())
        scene = describe_turns(turns, self._look_around(to), waiting)
        thread = f"{turns[0].name}-{turns[0].since:.0f}" if len(turns) == 1 else ""
        if await self._mail(to, to.others.circle, scene, thread):
            for turn in turns:
                if turn.over:
                    del self._outages[turn.name]
                else:
                    self._outages[turn.name] = turn.since
            await self._journal.record_outages(self._outages)

    async def _send_notices(self, to: Correspondence) -> None:
        now = self._pace.clock()
        if self._pace.monotonic() < self._server.until:
            return  # what waits meanwhile may be much, and need not be counted
        for heap in await self._find_heaps(to):
            # what lies ahead was left before the clock was put back
            if not now - to.digest_s < heap.oldest <= now:
                with contextlib.suppress(JournalFullError):  # the others are told all the same
                    await self._send_heap(to, heap)

    async def _find_heaps(self, to: Correspondence) -> list[Heap]:
        heaps: dict[tuple[Kind, Circle], Heap] = {}
        for pile in await self._journal.fetch_piles():
            rules = to.rules_of(pile.route)
            if pile.kind in rules.kinds:
                heaps.setdefault((pile.kind, rules.circle), Heap(pile.kind, rules.circle)).add(pile)
            else:
                await self._journal.settle(pile.kind, [pile.route], pile.last)
        return sorted(heaps.values(), key=lambda heap: _ORDER.index(heap.kind))

    async def _send_heap(self, to: Correspondence, heap: Heap) -> None:
        place = (heap.kind, heap.circle)
        if self._taken.get(place, 0) < heap.last and not await self._tell(to, heap):
            return
        self._taken[place] = heap.last
        await self._journal.settle(heap.kind, heap.routes, heap.last)

    async def _tell(self, to: Correspondence, heap: Heap) -> bool:
        """Send the mail of a heap, if anything of it still matters; False if it has to wait."""
        if self._must_wait(heap.circle):
            return False
        contents = await self._journal.fetch_contents(heap.kind, heap.routes, heap.last, MOST_LISTED)
        if not contents.count:
            return True
        scene = describe_contents(heap.kind, contents, self._look_around(to))
        cases = {item["case"] for item in scene["items"] if item["case"]}
        thread = f"case-{cases.pop()}" if len(cases) == 1 and not scene["more"] else ""
        return await self._mail(to, heap.circle, scene, thread)

    def _look_around(self, to: Correspondence) -> Surroundings:
        alarms = [(name, alarm.since) for name, alarm in self._alarms.active.items()]
        return Surroundings(socket.gethostname(), to.itop, self._pace.clock(), alarms)

    async def _mail(self, to: Correspondence, circle: Circle, scene: Mapping[str, Any], thread: str) -> bool:
        """Send one mail; False if it has to wait."""
        kind = scene["kind"]
        if self._must_wait(circle) or not self._may_go(to, circle, kind):
            return False
        subject, text = self._write(scene, to.pens[circle])
        now = datetime.datetime.fromtimestamp(self._pace.clock(), datetime.UTC)
        message = write_message(Draft(subject, text, to.sender, circle.recipients, thread=thread), now)
        try:
            refused = await self._send(to.server, message, to.sender, circle.recipients)
        except MailError as error:
            self._note_failure(to, circle, error)
            return False
        self._note_success(circle, kind, scene["count"], refused)
        return True

    def _write(self, scene: Mapping[str, Any], pen: Pen) -> tuple[str, str]:
        if scene["kind"] == "outage":
            return write_text(scene, Pen())
        try:
            return write_text(scene, pen)
        except ExpressionError as error:
            log.error("mail.text_failed", kind=scene["kind"], detail=str(error)[:300])
            return write_text(scene, Pen())

    # when to send

    def _must_wait(self, circle: Circle) -> bool:
        own = self._circles.get(circle)
        return self._is_ending or self._pace.monotonic() < max(
            self._server.until, own.until if own else self._server.until
        )

    def _may_go(self, to: Correspondence, circle: Circle, kind: str) -> bool:
        """Whether the limit of an hour leaves room; told once for each mail that it holds back."""
        if self._quota.allows(to.most_per_hour, urgent=kind in ("escalated", "outage")):
            self._held.discard((kind, circle))
            return True
        if (kind, circle) not in self._held:
            self._held.add((kind, circle))
            self._on_mail("held", "most_per_hour")
            log.warning("mail.held", kind=kind, reason="most_per_hour")
        return False

    def _note_failure(self, to: Correspondence, circle: Circle, error: MailError) -> None:
        """A recipient that is refused stops its own mails only; all else is the server's."""
        own = error.reason in ("recipients_refused", "refused", "deferred")
        patience = self._circles.setdefault(circle, Patience()) if own else self._server
        patience.note(error.reason, self._pace.monotonic(), self._pace.random)
        self._on_mail("failed", error.reason)
        self._faults.tell("mail.failed", error.reason, server=str(to.server), reason=error.reason, detail=str(error))
        self._alarms.raise_("mail_failing", detail=str(error)[:300], reason=error.reason)

    def _note_success(self, circle: Circle, kind: str, count: int, refused: Mapping[str, str]) -> None:
        self._on_mail("sent", kind)
        log.info("mail.sent", kind=kind, count=count, recipients=len(circle.recipients) - len(refused))
        for recipient, reason in refused.items():
            log.warning("mail.recipient_refused", recipient=recipient, detail=reason)
        self._quota.count()
        self._server = Patience()
        self._circles.pop(circle, None)
        if not self._circles:
            self._faults.end("mail.failed")
            self._alarms.clear("mail_failing")


def _is_late(late: Late, to: Correspondence, now: float) -> bool:
    rules = to.rules_of(late.route)
    return decide_escalation(late, rules.escalate_after_s, rules.escalate_from, now) == "late"
