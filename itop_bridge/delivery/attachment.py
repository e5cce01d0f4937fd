"""Alerts as they came, attached to the incidents that they opened: after the cases, one at a time, each exactly once.

Only its name at the incident proves that an alert is attached. It is looked for before it is sent, and, where the
outcome is not known, once iTop's own time limit has passed.
"""

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from itop_bridge.crash_point import pass_point
from itop_bridge.delivery.attempt import FULL_S, Pace
from itop_bridge.delivery.operation import COMMENT
from itop_bridge.errors import JournalFullError
from itop_bridge.itop import oql
from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import ITopError, NotAllowedError, PermanentError, UncertainError
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.operation import Operations
from itop_bridge.journal.attachment import Attachment, AttachmentJournal
from itop_bridge.log import Alarms, Faults
from itop_bridge.settings.unit import format_size

log = structlog.get_logger(__name__)

CLASS = "Attachment"
EVERY_S = 2.0
BUSY_S = 30.0
"""While cases wait for their turn, so long passes between two attachments."""
HELD_S = 60.0
"""How long one waits that was not sent, or could not be looked for."""
REFUSED_S = 3600.0
"""How long all wait where the user may not attach; iTop in read-only mode says the same."""
MOST_TRIES = 5
_MOST_LOOKED_AT = 20
"""Attachments of one incident: each is read whole, since a query cannot ask for a name (transcript 217)."""


@dataclass(frozen=True, slots=True)
class File:
    """What is attached. Neither its name nor its type is the alert's: no browser runs it."""

    name: str
    mimetype: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of an attachment after a failure."""

    state: str
    reason: str
    wait_s: float | None = None
    """None: nothing is to be done any more."""
    counts: bool = False
    """Whether the failure is its own, not iTop's."""


def describe_file(event_id: int, data: bytes, size: int) -> File:
    """An alert of `size` bytes, or the head of it that `data` is.

    XML is told as text: a browser runs what XHTML may hold.
    """
    if len(data) < size:
        return File(f"alert-{event_id}-first-{format_size(len(data))}.txt", "text/plain", data)
    if _is_json(data):
        return File(f"alert-{event_id}.json", "application/json", data)
    return File(f"alert-{event_id}.txt", "text/plain", data)


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(orjson.loads(data), dict | list)
    except orjson.JSONDecodeError:
        return False


def describe_attachment(attachment: Attachment, file: File, org: int) -> dict[str, Any]:
    """The operation that attaches (transcript 364); the incident's `last_update` stays (transcript 555)."""
    return {
        "operation": "core/create",
        "class": CLASS,
        "comment": COMMENT,
        "fields": {
            "item_class": attachment.iclass,
            "item_id": attachment.incident,
            "item_org_id": org,
            "contents": {
                "data": base64.b64encode(file.data).decode("ascii"),
                "mimetype": file.mimetype,
                "filename": file.name,
            },
        },
        "output_fields": "id",
    }


def decide_outcome(error: ITopError, *, is_sent: bool, is_unknown: bool, tries: int, healthy: bool) -> Outcome:
    """What follows from a failure: of the write itself (`is_sent`), or of what is read before it.

    `is_unknown`: an earlier write may be there; `tries` failed by themselves so far; `healthy`: iTop answers others.
    """
    state = "unknown" if is_unknown else "pending"
    if isinstance(error, NotAllowedError):
        return Outcome(state, "not_allowed", REFUSED_S)
    if isinstance(error, PermanentError):
        return Outcome("failed", "too_large" if error.status == 413 else "refused")
    counts = healthy and isinstance(error, UncertainError)
    if counts and tries + 1 >= MOST_TRIES:
        return Outcome("failed", "given_up")
    if is_sent and isinstance(error, UncertainError):
        return Outcome("unknown", "no_answer", None, counts)
    return Outcome(state, "not_done", HELD_S, counts)


class Attachments:
    """Attaches what the journal's queue holds."""

    def __init__(
        self, journal: AttachmentJournal, gate: Gate, alarms: Alarms, pace: Pace, *, shadow: bool = False
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._way = _Aside(gate)
        self._alarms = alarms
        self._pace = pace
        self._clock = pace.clock
        self._shadow = shadow
        self._faults = Faults(clock=pace.monotonic)
        self._not_before = 0.0
        self._refused_until = 0.0

    async def recover(self) -> None:
        """On start: what was under way may still be, until the server's time limit has passed."""
        await self._journal.recover(self._clock() + self._pace.server_time_limit_s)

    def release(self) -> None:
        """The configuration was read again: a person may have given the right."""
        self._refused_until = 0.0
        self._alarms.clear("attachments_refused")

    async def run(self, stop: asyncio.Event) -> None:
        """Attach until `stop`; what is left waits in the journal."""
        while not stop.is_set():
            busy = False
            with contextlib.suppress(JournalFullError):  # nothing was sent; the stages raise the alarm
                busy = await self.step()
            if not busy:
                await self._pause(stop)

    async def _pause(self, stop: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(stop.wait())
        await asyncio.wait({waiting}, timeout=EVERY_S)
        waiting.cancel()

    async def step(self) -> bool:
        """Take up the next one. False if none is due, or it is not the time for it."""
        now = self._pace.monotonic()
        if self._shadow or now < self._refused_until or not self._gate.is_open:
            return False
        attachment = await self._journal.fetch_next()
        if attachment is None or (now < self._not_before and await self._journal.has_due_cases()):
            return False
        self._not_before = now + BUSY_S
        await self._take_up(attachment)
        return True

    async def _take_up(self, attachment: Attachment) -> None:
        if attachment.payload is None:
            await self._fail(attachment, "payload_pruned", "the payload is no longer in the journal (journal.keep)")
            return
        file = describe_file(attachment.event_id, attachment.payload, attachment.size)
        try:
            org = await self._find_organization(attachment)
            is_there = org is not None and await self._is_there(attachment, file.name)
        except ITopError as error:
            await self._settle_failure(attachment, error, is_sent=False)
            return
        if org is None:
            await self._fail(attachment, "incident_gone", "iTop does not show the incident")
        elif is_there:
            await self._settle_done(attachment, file)
        else:
            await self._send(attachment, file, org)

    async def _find_organization(self, attachment: Attachment) -> int | None:
        """Of the incident, which people may have moved; None if iTop does not show it, or another one by its number."""
        answer = await self._way.fetch(attachment.iclass, attachment.incident, "id,ref,org_id")
        shown = [each.fields for each in answer.objects if str(each.fields["ref"]) == attachment.ref]
        return int(shown[0].get("org_id") or 0) if shown else None

    async def _is_there(self, attachment: Attachment, name: str) -> bool:
        at_incident = [oql.equals("item_class", attachment.iclass), f"item_id = {attachment.incident}"]
        answer = await self._way.fetch(CLASS, oql.select(CLASS, oql.all_of(at_incident)), "id")
        newest = sorted((each.key for each in answer.objects), reverse=True)[:_MOST_LOOKED_AT]
        for each in newest:
            shown = await self._way.fetch(CLASS, each, "contents")
            names = {_name_of(found.fields.get("contents")) for found in shown.objects}
            if name in names or (attachment.is_unknown and None in names):  # rather none than two
                return True
        return False

    async def _send(self, attachment: Attachment, file: File, org: int) -> None:
        # from here on it may be there, whatever happens to us
        look = self._clock() + self._pace.server_time_limit_s
        await self._journal.settle(attachment.id, "unknown", due=look, tries=attachment.tries)
        pass_point("attachment.marked")
        try:
            await self._gate.call(
                describe_attachment(attachment, file, org),
                is_wanted=lambda: self._journal.may_send(attachment.case_id),
                aside=True,
            )
        except ITopError as error:
            await self._settle_failure(attachment, error, is_sent=True)
        else:
            pass_point("attachment.answered")
            await self._settle_done(attachment, file)

    async def _settle_done(self, attachment: Attachment, file: File) -> None:
        await self._settle(attachment, "done", None)
        self._alarms.clear("attachments_refused")
        self._faults.end("attachment.postponed")
        log.info("attachment.added", **_facts(attachment), name=file.name, bytes=len(file.data))

    async def _settle_failure(self, attachment: Attachment, error: ITopError, *, is_sent: bool) -> None:
        outcome = decide_outcome(
            error,
            is_sent=is_sent,
            is_unknown=attachment.is_unknown,
            tries=attachment.tries,
            healthy=self._gate.is_healthy,
        )
        if outcome.state == "failed":
            await self._fail(attachment, outcome.reason, str(error))
            return
        wait_s = self._pace.server_time_limit_s if outcome.wait_s is None else outcome.wait_s
        tries = attachment.tries + outcome.counts
        await self._settle(attachment, outcome.state, self._clock() + wait_s, tries=tries, detail=str(error))
        if outcome.reason == "not_allowed":
            self._refused_until = self._pace.monotonic() + REFUSED_S
            self._alarms.raise_("attachments_refused", detail=str(error)[:300])
        else:
            facts = {"reason": outcome.reason, "detail": str(error)[:500]}
            self._faults.tell("attachment.postponed", outcome.reason, **_facts(attachment), **facts)

    async def _fail(self, attachment: Attachment, reason: str, detail: str) -> None:
        await self._settle(attachment, "failed", None, detail=f"{reason}: {detail}")
        log.warning("attachment.failed", **_facts(attachment), reason=reason, detail=detail[:500])

    async def _settle(
        self, attachment: Attachment, state: str, due: float | None, *, tries: int = 0, detail: str = ""
    ) -> None:
        """However long the disk is full: what is not stored is looked for after a restart."""
        while True:
            try:
                return await self._journal.settle(attachment.id, state, due=due, tries=tries, detail=detail)
            except JournalFullError:
                await self._pace.sleep(FULL_S)


class _Aside(Operations):
    """Reads from which no other call suffers."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        return await self._gate.call(operation, aside=True)


def _name_of(contents: Any) -> str | None:
    """None if iTop does not tell it."""
    return contents.get("filename") if isinstance(contents, dict) else None


def _facts(attachment: Attachment) -> dict[str, Any]:
    return {
        "case": attachment.case,
        "incident": attachment.ref,
        "route": attachment.route,
        "event_id": attachment.event_id,
    }
